import numpy as np

from engine.job import job
from network import sampler

params, output = snakemake.params, snakemake.output

with job(snakemake):
    generate = sampler(snakemake, params.image_size)
    recorded = sorted({*params.times, *params.slider_times})
    x = generate("figure 3", range(9), batch_size=9, record=recorded)[:, :, 0].transpose(0, 1).numpy()
    for file, times in ((output.data, params.times), (output.slider, params.slider_times)):
        np.savez(file, t=np.array(times), images=x[np.searchsorted(recorded, times)])
