from pathlib import Path

import numpy as np
import torch

from diffusion.forward import VarianceSchedule, forward_leap
from diffusion.images import Digits, rescale
from diffusion.sampling import Sampler
from diffusion.unet import UNet
from engine.checkpoints import SavedSampling
from engine.device import prepare
from engine.job import job
from engine.randomness import generator

params, inputs = snakemake.params, snakemake.input

with job(snakemake):
    images = Digits.load(inputs.images).train_images
    chosen = torch.randperm(len(images), generator=generator(params.seed, "originals"))[: params.total]
    x_0 = rescale(images[chosen])
    hardware = prepare(snakemake.threads, **params.compute)
    schedule = VarianceSchedule.linear(**params.schedule)
    eps = torch.randn(x_0.shape, generator=generator(params.seed, "originals, noise"))
    x_T = forward_leap(x_0, schedule.T, eps, schedule)
    model = UNet.load(inputs.weights, params.network["channels"], x_0.shape[-1])
    sampler = Sampler.of(model, schedule, params.seed, hardware)
    saved = SavedSampling.of(snakemake, "denoise_originals.py", hardware)
    folder = Path(snakemake.output.data).with_name("originals_states")
    x = saved.collect(sampler, "originals", range(len(chosen)), folder, x_T)
    np.savez(snakemake.output.data, index=chosen.numpy(), images=x[:, 0].numpy())
