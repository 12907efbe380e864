import numpy as np

from diffusion.forward import VarianceSchedule
from diffusion.images import snapshots
from diffusion.sampling import Sampler
from diffusion.unet import UNet
from engine.device import prepare
from engine.job import job
from engine.progress import follow

params, output = snakemake.params, snakemake.output

with job(snakemake):
    hardware = prepare(snakemake.threads, **params.compute)
    model = UNet.load(snakemake.input.weights, params.network["channels"], params.image_size)
    sampler = Sampler.of(model, VarianceSchedule.linear(**params.schedule), params.seed, hardware)
    process = follow(sampler.process("figure 3", range(9)), "sampling", sampler.schedule.T + 1, wait=hardware.wait)
    recorded = sorted({*params.times, *params.slider_times})
    x = snapshots(process, recorded)[:, :, 0].transpose(0, 1).numpy()
    for file, times in ((output.data, params.times), (output.slider, params.slider_times)):
        np.savez(file, t=np.array(times), images=x[np.searchsorted(recorded, times)])
