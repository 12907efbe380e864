from pathlib import Path

from diffusion.data import read_embedded_digits, read_mnist
from engine.job import job

params = snakemake.params

with job(snakemake):
    if params.source == "mnist":
        digits = read_mnist(Path(snakemake.input.archives[0]).parent, params.image_size)
    else:
        digits = read_embedded_digits(params.image_size, params.seed)
    digits.save(snakemake.output.images)
