from pathlib import Path

import numpy as np
import yaml

from engine.files import read_json
from engine.job import job
from publishing.gallery import animation, small_png
from publishing.rendering import render

inputs, output = snakemake.input, snakemake.output

with job(snakemake):
    for figure, small in zip(inputs.figures, output.figures, strict=True):
        Path(small).write_bytes(small_png(figure))
    Path(output.animation).write_bytes(animation(np.load(inputs.backward)["images"]))
    figures = yaml.safe_load(Path(inputs.captions).read_text(encoding="utf-8"))
    page = render(inputs.template, run=read_json(inputs.numbers), figures=figures)
    Path(output.page).write_text(page, encoding="utf-8")
