from pathlib import Path

from diffusion.data import MIRRORS, MNIST
from engine.download import fetch
from engine.job import job

# Read from the configuration, and not a param: MD5 sums identify the archives, so that another mirror is no
# reason to download them again.
mirrors = snakemake.config["execution"]["mirrors"]

with job(snakemake):
    fetch(MNIST, Path(snakemake.output.archives[0]).parent, [*mirrors, *MIRRORS])
