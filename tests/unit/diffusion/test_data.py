"""The images: whole archives or a clear sentence, sizes, and the split."""

import gzip
import shutil

import pytest
import torch

from diffusion.data import COUNTS, MNIST, read_embedded_digits, read_mnist
from diffusion.images import Digits
from engine.download import fetch
from engine.errors import UserError


@pytest.fixture
def mirror(mnist, tmp_path):
    """A copy of the archives that a test may spoil."""
    return shutil.copytree(mnist, tmp_path / "mirror", ignore=lambda _, names: set(names) - set(MNIST))


def test_mnist_comes_whole_from_a_folder_whose_name_has_spaces(mirror, tmp_path):
    mirror = mirror.rename(tmp_path / "mes données")
    fetch(MNIST, tmp_path / "resources", [str(mirror)])
    assert sorted(p.name for p in (tmp_path / "resources").iterdir()) == sorted(MNIST)
    digits = read_mnist(tmp_path / "resources", 28)
    assert digits.train_images.shape == (60000, 1, 28, 28) and digits.test_images.shape == (10000, 1, 28, 28)
    assert COUNTS["mnist"] == (len(digits.train_images), len(digits.test_images))
    with gzip.open(mirror / next(iter(MNIST))) as raw:  # at 28 pixels nothing is resized: the bytes of the archive
        raw.read(16)
        assert digits.train_images[:3].numpy().tobytes() == raw.read(3 * 28 * 28)
    assert torch.bincount(digits.train_labels).tolist()[1] == 6742  # ones in MNIST


def test_resized_as_the_paper_says(mnist):
    digits = read_mnist(mnist, 32)
    assert digits.train_images.shape == (60000, 1, 32, 32) and digits.train_images.dtype == torch.uint8
    small = read_mnist(mnist, 28).train_images[:500].float().mean()
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
        read_mnist(mirror, 32)


def test_embedded_digits_are_split_by_label_and_framed():
    digits = read_embedded_digits(16, seed=0)
    assert digits.train_images.shape == (1437, 1, 16, 16) and digits.test_images.shape == (360, 1, 16, 16)
    assert COUNTS["digits"] == (len(digits.train_images), len(digits.test_images))
    assert torch.bincount(digits.test_labels).min() >= 34  # ten classes of nearly one size
    assert digits.train_images[:, :, :2].max() == 0 and digits.train_images[:, :, :, -2:].max() == 0
    assert digits.train_images.max() > 250
    assert torch.equal(digits.train_images, read_embedded_digits(16, seed=0).train_images)


def test_saved_images_come_back(tmp_path):
    digits = read_embedded_digits(8, seed=0)
    digits.save(tmp_path / "images.npz")
    back = Digits.load(tmp_path / "images.npz")
    assert all(torch.equal(value, getattr(back, name)) for name, value in vars(digits).items())
