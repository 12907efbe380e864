from diffusion.data import read
from engine.job import job

inputs, params = snakemake.input, snakemake.params

with job(snakemake):
    read(params.source, inputs.archives, params.image_size, params.seed).save(snakemake.output.images)
