import numpy as np

from claims.memory_digits import Plan, measure
from diffusion.forward import VarianceSchedule
from engine.device import use_threads
from engine.files import write_json
from engine.job import job

output, params = snakemake.output, snakemake.params

with job(snakemake):
    use_threads(snakemake.threads)
    records, shown = measure(VarianceSchedule.linear(**params.schedule), Plan(**params.plan), params.seed)
    write_json(output.measures, records)
    np.savez(output.data, **shown)
