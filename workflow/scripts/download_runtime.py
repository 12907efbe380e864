from pathlib import Path

from engine.download import fetch
from engine.job import job
from publishing.live import ARCHIVE, REGISTRY, SHA512

# Read from the configuration, and not a param, as in download_images.py.
mirrors = snakemake.config["execution"]["mirrors"]

with job(snakemake):
    folder = Path(snakemake.output.archive).parent
    fetch({ARCHIVE: SHA512}, folder, [*mirrors, REGISTRY], "the engine of the live page", "sha512")
