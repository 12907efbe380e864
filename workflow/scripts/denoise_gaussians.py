import numpy as np

from job import job
from network import sampler

params = snakemake.params

with job(snakemake):
    generate = sampler(snakemake, params.image_size)
    x = generate("figure 3", range(9), batch_size=9, record=params.times)
    np.savez(snakemake.output.data, t=np.array(params.times), images=x[:, :, 0].transpose(0, 1).numpy())
