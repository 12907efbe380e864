"""What the scripts that run Algorithm 2 share: the trained network on its device, ready to sample."""

import logging
from functools import partial

from safetensors.torch import load_file

from diffusion.forward import VarianceSchedule
from diffusion.sampling import generate
from diffusion.unet import UNet
from engine.device import choose_device, choose_precision, describe, use_threads


def sampler(snakemake, image_size: int) -> partial:
    """`diffusion.sampling.generate` with the rule's network, schedule, seed, device and precision filled in."""
    params = snakemake.params
    use_threads(snakemake.threads)
    device = choose_device(params.compute["device"])
    precision = choose_precision(params.compute["precision"], device)
    logging.info("sampling on %s", describe(device, precision))
    model = UNet(params.network["channels"], image_size)
    model.load_state_dict(load_file(snakemake.input.weights))
    schedule = VarianceSchedule.linear(params.schedule["T"], params.schedule["beta_1"], params.schedule["beta_T"])
    return partial(
        generate,
        model,
        schedule,
        (1, image_size, image_size),
        params.seed,
        device=device,
        precision=precision,
    )
