import numpy as np
import torch

from diffusion.images import Digits
from engine.job import job
from engine.randomness import generator

with job(snakemake):
    digits = Digits.load(snakemake.input.images)
    order = torch.randperm(len(digits.train_images), generator=generator(snakemake.params.seed, "figure 1"))
    chosen = order[: snakemake.params.total]
    np.savez(
        snakemake.output.data,
        images=digits.train_images[chosen, 0].numpy(),
        label=digits.train_labels[chosen].numpy(),
        index=chosen.numpy(),
    )
