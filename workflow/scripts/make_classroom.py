from pathlib import Path

import numpy as np

from diffusion.forward import VarianceSchedule
from engine.job import job
from publishing.classroom import backward_frames, fill, forward_frames, pde_frames

params = snakemake.params

with job(snakemake):
    forward, backward, pde = (np.load(snakemake.input[name]) for name in ("forward", "backward", "pde"))
    schedule = VarianceSchedule.linear(params.schedule["T"], params.schedule["beta_1"], params.schedule["beta_T"])
    data = {
        "preset": params.preset,
        "note": params.note,
        "forward": forward_frames(forward["t"], forward["images"], schedule),
        "backward": backward_frames(backward["t"], backward["images"], schedule),
        "pde": pde_frames(pde["t"], pde["amplitudes"], pde["eigenvalues"], params.length),
    }
    template = Path(snakemake.input.template).read_text(encoding="utf-8")
    Path(snakemake.output.page).write_text(fill(template, data), encoding="utf-8")
