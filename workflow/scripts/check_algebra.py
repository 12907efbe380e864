from diffusion.algebra import CHECKS, check
from engine.files import write_json
from engine.job import job

with job(snakemake):
    records = {name: check(name) for name in CHECKS}
    write_json(snakemake.output.measures, records)
