from claims.forward import measure
from diffusion.forward import VarianceSchedule
from diffusion.images import Digits
from engine.device import use_threads
from engine.files import write_json
from engine.job import job

files, params = snakemake.input, snakemake.params

with job(snakemake):
    use_threads(snakemake.threads)
    schedule = VarianceSchedule.linear(**params.schedule)
    records = measure(Digits.load(files.images), files.archives, schedule, params.seed)
    write_json(snakemake.output.measures, records)
