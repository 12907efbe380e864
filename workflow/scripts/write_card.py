from pathlib import Path

from engine.files import read_json
from engine.job import job
from publishing.weights import card

inputs = snakemake.input

with job(snakemake):
    run, record = (read_json(file) for file in (inputs.numbers, inputs.record))
    Path(snakemake.output.card).write_text(card(run, record), encoding="utf-8")
