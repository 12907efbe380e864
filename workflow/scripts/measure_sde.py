from claims.sde import measure
from diffusion.forward import VarianceSchedule
from engine.files import write_json
from engine.job import job

params = snakemake.params

with job(snakemake):
    schedule = VarianceSchedule.linear(**params.schedule)
    write_json(snakemake.output.measures, measure(schedule, params.seed))
