"""Section 2: the sources of images, an entry for each: all that the program knows of where images come from.

The rules read it too, in environments without PyTorch; how the files are read is in data.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Package:
    """A file that comes with an installed package, and so needs no download."""

    name: str
    folder: str
    """The package's folder that holds it, as one imports it."""
    file: str


@dataclass(frozen=True)
class Source:
    """Images of ten classes with their labels, for training and for testing, 28x28 if they come in archives."""

    name: str
    """As documents call it; also in 'this run's images are ...'."""
    training_images: int
    test_images: int
    addresses: tuple[str, ...]
    """Where its files are on the internet, the folders, first the one that is cited; {version} is its package's."""
    archives: Mapping[str, str] = field(default_factory=dict)
    """Four files of the format IDX, packed by gzip, with their MD5 sums: images before labels, training before test."""
    package: Package | None = None
    """What holds the images in place of archives; data.READERS says how it is read."""

    def __post_init__(self) -> None:
        if (self.package is None) == (not self.archives) or len(self.archives) not in (0, 4):
            raise ValueError(f"the source {self.name} needs four archives, or a package that has the images")


PAPERS = "mnist"
"""The source of the paper's images."""
SOURCES = {
    PAPERS: Source(
        "MNIST",
        *(60_000, 10_000),
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
        archives={
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    "digits": Source(
        "scikit-learn's 8×8 digits",
        *(1_437, 360),
        ("https://raw.githubusercontent.com/scikit-learn/scikit-learn/{version}/sklearn/datasets/data/",),
        package=Package("scikit-learn", "sklearn.datasets.data", "digits.csv.gz"),
    ),
}
"""By the name that data.source gives it."""


def demo_note(source: str) -> str:
    """What every figure and document of a run on other images than the paper's must say; else empty."""
    return "" if source == PAPERS else f"Demo on {SOURCES[source].name}, not on {SOURCES[PAPERS].name}"


def archives(source: str) -> list[str]:
    """The files that must be fetched before a run can start, none for images that come with a package."""
    return [f"resources/{source}/{archive}" for archive in SOURCES[source].archives]


def training_images() -> dict[str, int]:
    """How many training images each source has."""
    return {name: source.training_images for name, source in SOURCES.items()}
