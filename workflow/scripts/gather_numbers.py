from pathlib import Path

from engine.files import write_json
from engine.job import job
from publishing.numbers import gather
from publishing.rendering import render

inputs, output, params = snakemake.input, snakemake.output, snakemake.params

with job(snakemake):
    run = gather(dict(inputs.items()), params.preset, params.note, params.weights, params.settings)
    write_json(output.numbers, run)
    Path(output.captions).write_text(render(inputs.captions_template, run=run), encoding="utf-8")
    page = render(inputs.claims_template, ledger=run["claims"], note=params.note)
    Path(output.claims).write_text(page, encoding="utf-8")
