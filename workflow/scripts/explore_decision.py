import numpy as np

from claims.decision import measure
from diffusion.forward import VarianceSchedule
from diffusion.images import Digits
from engine.device import use_threads
from engine.files import write_json
from engine.job import job

params, output = snakemake.params, snakemake.output

with job(snakemake):
    use_threads(snakemake.threads)
    schedule, images = VarianceSchedule.linear(**params.schedule), Digits.load(snakemake.input.images)
    records, shown = measure(schedule, images, params.image, params.seed)
    write_json(output.measures, records)
    np.savez(output.data, **shown)
