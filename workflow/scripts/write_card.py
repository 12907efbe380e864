import json
from pathlib import Path

from diffusion.shipping import card
from job import job

inputs = snakemake.input

with job(snakemake):
    run, record = (json.loads(Path(file).read_text(encoding="utf-8")) for file in (inputs.numbers, inputs.record))
    Path(snakemake.output.card).write_text(card(run, record), encoding="utf-8")
