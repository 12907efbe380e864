import numpy as np
import torch

from engine.job import job
from engine.randomness import generator
from network import sampler

params = snakemake.params

with job(snakemake):
    generate = sampler(snakemake, params.image_size)
    shape = (1, 1, params.image_size, params.image_size)
    x_T = torch.randn(shape, generator=generator(params.seed, "figure 5, Gaussian"))
    x_0 = generate("figure 5", range(9), batch_size=9, x_T=x_T)[:, 0]
    np.savez(snakemake.output.data, x_T=x_T[0, 0].numpy(), images=x_0[:, 0].numpy())
