import numpy as np

from engine.job import job
from network import sampler

params = snakemake.params

with job(snakemake):
    shard, shards = map(int, snakemake.wildcards.scatteritem.split("-of-"))
    index = range(params.total * (shard - 1) // shards, params.total * shard // shards)
    generate = sampler(snakemake, params.image_size)
    # The batch size changes no sample, so it is no param: changing it is no reason to generate them again.
    samples = generate("sample", index, batch_size=snakemake.config["execution"]["batch_size"])[:, 0]
    np.savez(snakemake.output.samples, index=np.array(index), images=samples.numpy())
