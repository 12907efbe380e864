import numpy as np

from diffusion.forward import VarianceSchedule, chain_of_figure_2
from diffusion.images import Digits, snapshots
from engine.job import job

params, output = snakemake.params, snakemake.output

with job(snakemake):
    x_0 = Digits.load(snakemake.input.images).training_image(params.image)
    schedule = VarianceSchedule.linear(**params.schedule)
    recorded = sorted({0, *params.times, *params.slider_times, schedule.T})
    x = snapshots(chain_of_figure_2(x_0, schedule, params.seed), recorded)[0, :, 0].numpy()
    for file, times in ((output.data, params.times), (output.slider, params.slider_times)):
        np.savez(file, t=np.array(times), images=x[np.searchsorted(recorded, times)], x_0=x[0], x_T=x[-1])
