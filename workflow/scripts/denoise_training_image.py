import numpy as np
import torch

from engine.job import job
from network import sampler

with job(snakemake):
    forward = np.load(snakemake.input.forward)
    x_T = torch.from_numpy(forward["x_T"])[None, None]
    generate = sampler(snakemake, x_T.shape[-1])
    x_0 = generate("figure 6", range(9), batch_size=9, x_T=x_T)[:, 0]
    np.savez(snakemake.output.data, x_0=forward["x_0"], x_T=forward["x_T"], images=x_0[:, 0].numpy())
