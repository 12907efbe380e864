import numpy as np
import torch

from diffusion.forward import VarianceSchedule, forward_process
from diffusion.images import Digits, rescale
from engine.errors import UserError
from engine.job import job
from engine.randomness import generator

params, output = snakemake.params, snakemake.output

with job(snakemake):
    images = Digits.load(snakemake.input.images).train_images
    if params.image >= len(images):
        raise UserError(f"figures.image is {params.image}, but there are {len(images)} training images: use 0 or more")
    x_0 = rescale(images[params.image : params.image + 1])
    schedule = VarianceSchedule.linear(params.schedule["T"], params.schedule["beta_1"], params.schedule["beta_T"])

    def eps(t: int) -> torch.Tensor:
        return torch.randn(x_0.shape, generator=generator(params.seed, "forward", t))

    chain = {t: x[0, 0].numpy() for t, x in forward_process(x_0, schedule, eps)}
    for file, times in ((output.data, params.times), (output.slider, params.slider_times)):
        panels = np.stack([chain[t] for t in times])
        np.savez(file, t=np.array(times), images=panels, x_0=chain[0], x_T=chain[schedule.T])
