from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from beyond.decision import NINE, chosen_originals, noise_of_originals
from beyond.steps import SubsequenceSampler, subsequence
from diffusion.forward import VarianceSchedule, forward_leap, forward_process
from diffusion.images import Digits, rescale, snapshots
from diffusion.unet import UNet
from engine.checkpoints import SavedSampling
from engine.device import prepare
from engine.job import job
from engine.randomness import generator

params, inputs, output = snakemake.params, snakemake.input, snakemake.output

with job(snakemake):
    t = int(snakemake.wildcards.t)
    digits, schedule = Digits.load(inputs.images), VarianceSchedule.linear(**params.schedule)
    chosen = chosen_originals(len(digits.test_images), params.total, params.seed)
    x_0 = rescale(digits.test_images[chosen])
    eps = noise_of_originals(params.total, tuple(x_0.shape[1:]), params.seed)
    # Figure 6's image on its way through the chain of figure 2, and then the runs of figure 6 themselves at t = T.
    chain = forward_process(
        digits.training_image(params.image),
        schedule,
        lambda step: torch.randn((1, *x_0.shape[1:]), generator=generator(params.seed, "forward", step)),
    )
    x_t = snapshots(chain, [t])[:, 0]
    hardware = prepare(snakemake.threads, **params.compute)
    model = UNet.load(inputs.weights, params.network["channels"], x_0.shape[-1])
    sampler = replace(SubsequenceSampler.of(model, schedule, params.seed, hardware), times=subsequence(t, t), eta=1.0)
    saved = SavedSampling.of(snakemake, "return_digits.py", hardware)
    folder, returned = Path(output.data).with_name(f"t{t}_states"), {}
    starts = {"figure 6": x_t.expand(NINE, -1, -1, -1), "decision": forward_leap(x_0, t, eps, schedule)}
    for stream, start in starts.items():
        place = folder / stream.replace(" ", "_")
        returned[stream] = saved.collect(sampler, stream, range(len(start)), place, start)[:, 0].numpy()
    np.savez(
        output.data,
        index=chosen.numpy(),
        images=returned["decision"],
        runs=returned["figure 6"],
        x_t=x_t[0, 0].numpy(),
    )
