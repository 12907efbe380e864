from pathlib import Path

from diffusion.sources import SOURCES
from engine.download import fetch
from engine.job import job

# Read from the configuration, and not a param: MD5 sums identify the archives, so that another mirror is no
# reason to download them again.
mirrors = snakemake.config["execution"]["mirrors"]

with job(snakemake):
    source, folder = SOURCES[snakemake.params.source], Path(snakemake.output.archives[0]).parent
    fetch(source.archives, folder, [*mirrors, *source.addresses], f"all four {source.name} archives")
