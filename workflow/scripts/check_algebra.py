from claims.algebra import measure
from engine.files import write_json
from engine.job import job

with job(snakemake):
    write_json(snakemake.output.measures, measure())
