from engine.files import write_json
from engine.job import job
from publishing.numbers import gather_beyond

files, params = snakemake.input, snakemake.params

with job(snakemake):
    numbers = gather_beyond(
        dict(files.items()), params.preset, params.note, params.settings, params.parts, params.helpers
    )
    write_json(snakemake.output.numbers, numbers)
