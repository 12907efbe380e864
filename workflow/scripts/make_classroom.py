from pathlib import Path

import numpy as np

from diffusion.forward import VarianceSchedule
from engine.job import job
from publishing.classroom import backward_frames, forward_frames, pde_frames
from publishing.rendering import render

params = snakemake.params

with job(snakemake):
    forward, backward, pde = (np.load(snakemake.input[name]) for name in ("forward", "backward", "pde"))
    schedule = VarianceSchedule.linear(**params.schedule)
    data = {
        "preset": params.preset,
        "note": params.note,
        "forward": forward_frames(forward, schedule),
        "backward": backward_frames(backward, schedule),
        "pde": pde_frames(pde, params.length),
    }
    Path(snakemake.output.page).write_text(render(snakemake.input.template, data=data), encoding="utf-8")
