import json
from pathlib import Path

import numpy as np

from diffusion.gallery import animation, page, small_png
from job import job

inputs, output = snakemake.input, snakemake.output

with job(snakemake):
    for figure, small in zip(inputs.figures, output.figures, strict=True):
        Path(small).write_bytes(small_png(figure))
    Path(output.animation).write_bytes(animation(np.load(inputs.backward)["images"]))
    run = json.loads(Path(inputs.numbers).read_text(encoding="utf-8"))
    Path(output.page).write_text(page(run), encoding="utf-8")
