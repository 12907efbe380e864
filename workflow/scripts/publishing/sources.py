"""The files that a run's data come from, with the address and the SHA-256 of each."""

from collections.abc import Iterable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from torchvision.datasets import MNIST

from engine.files import sha256

DIGITS = "sklearn/datasets/data/digits.csv.gz"


def fingerprints(source: str, archives: Iterable[Path | str]) -> list[dict]:
    """[{"url", "bytes", "sha256"}, ...] of the MNIST archives, or for "digits" of the file in scikit-learn."""
    if source == "mnist":
        addresses = {MNIST.mirrors[0] + Path(archive).name: Path(archive) for archive in archives}
    else:
        release = f"https://raw.githubusercontent.com/scikit-learn/scikit-learn/{version('scikit-learn')}"
        addresses = {f"{release}/{DIGITS}": Path(str(files("sklearn.datasets.data") / "digits.csv.gz"))}
    return [{"url": url, "bytes": file.stat().st_size, "sha256": sha256(file)} for url, file in addresses.items()]
