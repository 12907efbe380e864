import numpy as np
import torch

from beyond.memory import on_cpu
from claims.memory_network import measure
from diffusion.forward import VarianceSchedule
from diffusion.images import Digits
from diffusion.sampling import noise_predictor
from diffusion.unet import UNet
from engine.device import prepare
from engine.files import write_json
from engine.job import job

files, output, params = snakemake.input, snakemake.output, snakemake.params

with job(snakemake):
    digits, schedule = Digits.load(files.images), VarianceSchedule.linear(**params.schedule)
    hardware = prepare(snakemake.threads, **params.compute)
    model = UNet.load(files.weights, params.network["channels"], digits.train_images.shape[-1])
    eps_theta = on_cpu(noise_predictor(model, hardware), hardware)
    with np.load(files.samples) as arrays:
        samples = torch.from_numpy(arrays["gaussian"]).clamp(-1, 1)  # those of true starts are no independent ones
    records, shown = measure(digits, schedule, params.images, params.times, params.seed, eps_theta, samples)
    write_json(output.measures, records)
    np.savez(output.data, **shown)
