from pathlib import Path

import numpy as np

from diffusion.forward import VarianceSchedule
from engine.files import read_json
from engine.job import job
from publishing.live import VERSION, parts
from publishing.rendering import render

params, inputs = snakemake.params, snakemake.input

with job(snakemake):
    x_0 = np.load(inputs.forward)["x_0"]
    summary = read_json(inputs.summary)
    data = {
        "note": params.note,
        "about": {
            "preset": params.preset,
            "seed": params.seed,
            "channels": params.network["channels"],
            "parameters": f"{summary['parameters']:,}",
            "visits": f"{summary['image_visits']:,}",
            "runtime": VERSION,
        },
        "T": params.schedule["T"],
        "alpha_bar": VarianceSchedule.linear(**params.schedule).alpha_bar.tolist(),
        "size": x_0.shape[-1],
        "image": x_0.ravel().tolist(),
    }
    page = render(inputs.template, data=data, parts=parts(inputs.network, inputs.archive))
    Path(snakemake.output.page).write_text(page, encoding="utf-8")
