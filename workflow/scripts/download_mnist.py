from pathlib import Path

from diffusion.data import download_mnist
from engine.job import job

# Read from the configuration, and not a param: MD5 sums say what the archives are, so that another place to have them
# from is no reason to fetch them again.
mirrors = snakemake.config["execution"]["mirrors"]

with job(snakemake):
    download_mnist(Path(snakemake.output.archives[0]).parent, mirrors)
