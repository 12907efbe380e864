"""The table of sources: the archives are torchvision's, and each source can be read, cited and told apart."""

import importlib

import pytest
from torchvision import datasets

from diffusion import sources
from diffusion.data import READERS
from diffusion.sources import PAPERS, SOURCES, Package, Source


def test_mnist_is_the_one_that_torchvision_knows():
    assert list(SOURCES["mnist"].archives.items()) == datasets.MNIST.resources
    assert list(SOURCES["mnist"].addresses) == datasets.MNIST.mirrors


@pytest.mark.parametrize("name, source", SOURCES.items())
def test_every_source_has_archives_or_a_reader(name, source):
    assert bool(source.archives) != (name in READERS) and READERS.keys() <= SOURCES.keys()
    assert source.addresses and all(address.endswith("/") for address in source.addresses)
    if source.package:
        importlib.import_module(source.package.folder)


def test_only_the_papers_images_need_no_note():
    assert sources.demo_note(PAPERS) == ""
    assert sources.demo_note("digits") == "Demo on scikit-learn's 8×8 digits, not on MNIST"


def test_what_must_be_fetched():
    assert sources.archives("digits") == []
    assert sources.archives("mnist")[0] == "resources/mnist/train-images-idx3-ubyte.gz"


@pytest.mark.parametrize(
    "where",
    [{}, {"archives": {"images.gz": ""}}, {"archives": dict.fromkeys("abcd"), "package": Package("p", "p", "f")}],
    ids=["nothing", "one archive", "both"],
)
def test_a_source_without_all_that_it_needs_is_refused(where):
    with pytest.raises(ValueError, match="Strokes needs four archives, or a package"):
        Source("Strokes", 60, 10, ("https://x/",), **where)
