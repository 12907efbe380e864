from pathlib import Path

import numpy as np

from engine.files import read_json
from engine.job import job
from publishing.gallery import animation, page, small_png

inputs, output = snakemake.input, snakemake.output

with job(snakemake):
    for figure, small in zip(inputs.figures, output.figures, strict=True):
        Path(small).write_bytes(small_png(figure))
    Path(output.animation).write_bytes(animation(np.load(inputs.backward)["images"]))
    run = read_json(inputs.numbers)
    Path(output.page).write_text(page(run), encoding="utf-8")
