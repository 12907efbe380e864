"""The files that a run's data come from, with the address and the SHA-256 of each."""

from collections.abc import Iterable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from diffusion.sources import SOURCES
from engine.files import sha256


def fingerprints(source: str, archives: Iterable[Path | str]) -> list[dict]:
    """[{"url", "bytes", "sha256"}, ...] of a source's archives, or of its file in an installed package."""
    [address, *_], package = SOURCES[source].addresses, SOURCES[source].package
    if package:
        address = address.format(version=version(package.name))
        archives = [Path(str(files(package.folder) / package.file))]
    return [
        {"url": address + file.name, "bytes": file.stat().st_size, "sha256": sha256(file)}
        for file in map(Path, archives)
    ]
