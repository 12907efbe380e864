import numpy as np

from claims.start import Plan, measure
from diffusion.forward import VarianceSchedule
from diffusion.images import Digits
from engine.device import use_threads
from engine.files import write_json
from engine.job import job

output, params = snakemake.output, snakemake.params

with job(snakemake):
    use_threads(snakemake.threads)
    digits, schedule = Digits.load(snakemake.input.images), VarianceSchedule.linear(**params.schedule)
    records, shown = measure(digits, schedule, Plan(**params.plan), params.seed)
    write_json(output.measures, records)
    np.savez(output.data, **shown)
