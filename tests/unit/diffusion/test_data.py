"""The images: whole archives or a clear sentence, sizes, and the split."""

import gzip
import shutil

import numpy as np
import pytest
import torch
from helpers import strokes

from diffusion.data import read, read_archives, read_embedded_digits, read_idx
from diffusion.images import Digits
from diffusion.sources import SOURCES, Source
from engine.download import fetch
from engine.errors import UserError

MNIST = SOURCES["mnist"].archives


@pytest.fixture
def mirror(mnist, tmp_path):
    """A copy of the archives that a test may spoil."""
    return shutil.copytree(mnist, tmp_path / "mirror", ignore=lambda _, names: set(names) - set(MNIST))


def assert_counted(source, digits):
    counts = SOURCES[source].training_images, SOURCES[source].test_images
    assert counts == (len(digits.train_images), len(digits.test_images))


def test_mnist_comes_whole_from_a_folder_whose_name_has_spaces(mirror, tmp_path):
    mirror = mirror.rename(tmp_path / "mes données")
    fetch(MNIST, tmp_path / "resources", [str(mirror)])
    assert sorted(p.name for p in (tmp_path / "resources").iterdir()) == sorted(MNIST)
    digits = read_archives(SOURCES["mnist"], tmp_path / "resources", 28)
    assert digits.train_images.shape == (60000, 1, 28, 28) and digits.test_images.shape == (10000, 1, 28, 28)
    assert_counted("mnist", digits)
    with gzip.open(mirror / next(iter(MNIST))) as raw:  # at 28 pixels nothing is resized: the bytes of the archive
        raw.read(16)
        assert digits.train_images[:3].numpy().tobytes() == raw.read(3 * 28 * 28)
    assert torch.bincount(digits.train_labels).tolist()[1] == 6742  # ones in MNIST


def test_resized_as_the_paper_says(mnist):
    digits = read_archives(SOURCES["mnist"], mnist, 32)
    assert digits.train_images.shape == (60000, 1, 32, 32) and digits.train_images.dtype == torch.uint8
    small = read_archives(SOURCES["mnist"], mnist, 28).train_images[:500].float().mean()
    assert digits.train_images[:500].float().mean().item() == pytest.approx(small.item(), rel=0.01)


def truncate(file):
    file.write_bytes(file.read_bytes()[:1000])


def alter(file):
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)


def remove(file):
    file.unlink()


@pytest.mark.parametrize("damage", [truncate, alter, remove])
def test_a_bad_archive_is_refused_and_the_next_mirror_asked(mirror, mnist, tmp_path, damage):
    damage(mirror / list(MNIST)[2])
    with pytest.raises(UserError, match=rf"(?s){mirror}.*{list(MNIST)[2]}.*execution\.mirrors"):
        fetch(MNIST, tmp_path / "resources", [str(mirror)])
    assert not (tmp_path / "resources").exists()
    fetch(MNIST, tmp_path / "resources", [str(mirror), str(mnist)])
    assert len(list((tmp_path / "resources").iterdir())) == 4


@pytest.mark.parametrize("damage", [truncate, alter, remove])
def test_an_archive_that_was_spoilt_later_is_refused_when_read(mirror, damage):
    damage(mirror / next(iter(MNIST)))
    with pytest.raises(UserError, match=r"are damaged.*delete that folder"):
        read_archives(SOURCES["mnist"], mirror, 32)


def test_embedded_digits_are_split_by_label_and_framed():
    digits = read_embedded_digits(16, seed=0)
    assert digits.train_images.shape == (1437, 1, 16, 16) and digits.test_images.shape == (360, 1, 16, 16)
    assert_counted("digits", digits)
    assert torch.bincount(digits.test_labels).min() >= 34  # ten classes of nearly one size
    assert digits.train_images[:, :, :2].max() == 0 and digits.train_images[:, :, :, -2:].max() == 0
    assert digits.train_images.max() > 250
    assert torch.equal(digits.train_images, read_embedded_digits(16, seed=0).train_images)


def test_saved_images_come_back(tmp_path):
    digits = read_embedded_digits(8, seed=0)
    digits.save(tmp_path / "images.npz")
    back = Digits.load(tmp_path / "images.npz")
    assert all(torch.equal(value, getattr(back, name)) for name, value in vars(digits).items())


def test_another_source_with_archives_is_read_as_mnist_is(tmp_path, monkeypatch):
    archives = strokes.write(tmp_path / "strokes")
    monkeypatch.setitem(SOURCES, "strokes", Source("drawn strokes", 200, 40, ("https://x/",), archives))
    digits = read("strokes", [tmp_path / "strokes" / name for name in archives], 28, seed=0)
    assert_counted("strokes", digits)
    assert digits.train_images.shape[1:] == (1, 28, 28) and digits.test_labels.tolist() == [*range(10)] * 4
    assert (digits.train_images[7, 0].float().mean(dim=1).nonzero() == 2 * 7 + 3).all()
    (tmp_path / "strokes" / "test-labels.gz").write_bytes(b"")
    with pytest.raises(UserError, match=r"the drawn strokes archives in .* are damaged \(test-labels.gz is truncated"):
        read_archives(SOURCES["strokes"], tmp_path / "strokes", 28)


def test_a_source_without_archives_is_read_by_its_reader():
    assert torch.equal(read("digits", [], 16, seed=3).train_images, read_embedded_digits(16, seed=3).train_images)


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4)])
def test_an_array_comes_back_from_the_format_idx(shape):
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(read_idx(gzip.decompress(strokes.idx(values))).numpy(), values)
