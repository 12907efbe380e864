import numpy as np
import torch

from diffusion.forward import VarianceSchedule, forward_process
from diffusion.images import Digits, snapshots
from engine.job import job
from engine.randomness import generator

params, output = snakemake.params, snakemake.output

with job(snakemake):
    x_0 = Digits.load(snakemake.input.images).training_image(params.image)
    schedule = VarianceSchedule.linear(**params.schedule)

    def eps(t: int) -> torch.Tensor:
        return torch.randn(x_0.shape, generator=generator(params.seed, "forward", t))

    recorded = sorted({0, *params.times, *params.slider_times, schedule.T})
    x = snapshots(forward_process(x_0, schedule, eps), recorded)[0, :, 0].numpy()
    for file, times in ((output.data, params.times), (output.slider, params.slider_times)):
        np.savez(file, t=np.array(times), images=x[np.searchsorted(recorded, times)], x_0=x[0], x_T=x[-1])
