from engine.files import write_json
from engine.job import job
from publishing.sources import fingerprints

with job(snakemake):
    write_json(snakemake.output.data, fingerprints(snakemake.params.source, snakemake.input.archives))
