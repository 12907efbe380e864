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
    if "backward" in inputs.keys():  # noqa: SIM118, as its files are what is in it
        Path(output.animation).write_bytes(animation(np.load(inputs.backward)["images"]))
    figures = yaml.safe_load(Path(inputs.captions).read_text(encoding="utf-8"))
    drawn = [Path(figure).stem for figure in inputs.figures]
    page = render(inputs.template, run=read_json(inputs.numbers), figures=figures, drawn=drawn)
    Path(output.page).write_text(page, encoding="utf-8")
