from pathlib import Path

from engine.files import read_json
from engine.job import job
from publishing.card import card

inputs = snakemake.input

with job(snakemake):
    text = card(inputs.template, read_json(inputs.numbers), read_json(inputs.record))
    Path(snakemake.output.card).write_text(text, encoding="utf-8")
