from pathlib import Path

from diffusion.data import download_mnist
from job import job

with job(snakemake):
    download_mnist(Path(snakemake.output.archives[0]).parent, snakemake.params.mirrors)
