from pathlib import Path

import numpy as np

from diffusion.forward import VarianceSchedule
from engine.files import read_json
from engine.job import job
from publishing.live import page_data, parts
from publishing.rendering import render

params, inputs = snakemake.params, snakemake.input

with job(snakemake):
    x_0, schedule = np.load(inputs.forward)["x_0"], VarianceSchedule.linear(**params.schedule)
    about = {"preset": params.preset, "seed": params.seed, "channels": params.network["channels"]}
    data = page_data(x_0, read_json(inputs.summary), schedule, params.note, **about)
    page = render(inputs.template, data=data, parts=parts(inputs.network, inputs.archive))
    Path(snakemake.output.page).write_text(page, encoding="utf-8")
