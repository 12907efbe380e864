"""The training images: MNIST as in section 2, or scikit-learn's embedded digits, which need no network."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torchvision import datasets
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from diffusion.images import Digits
from engine.errors import UserError

MNIST = dict(datasets.MNIST.resources)
"""The four archives, images before labels and training before test, with their MD5 sums."""
MIRRORS = tuple(datasets.MNIST.mirrors)
"""Where they are on the internet."""
COUNTS = {"mnist": (60_000, 10_000), "digits": (1_437, 360)}
"""How many images a source has, for training and for testing."""


def read_mnist(folder: Path | str, image_size: int) -> Digits:
    """MNIST from the four archives in `folder`, "resized by the model" (section 2) from 28x28 bilinearly, if
    that is not their size already.

    Raises UserError if an archive is missing, truncated or altered, by its MD5 sum.
    """
    folder, arrays = Path(folder), []
    for archive, md5 in MNIST.items():
        content = (folder / archive).read_bytes() if (folder / archive).exists() else None
        if content is None or hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
            reason = "is missing" if content is None else f"is truncated or altered: its MD5 sum is not {md5}"
            raise UserError(
                f"the MNIST archives in {folder} are damaged ({archive} {reason}): delete that folder and run again to "
                "download them again"
            )
        # The format IDX: images behind a header of 16 bytes, labels behind one of 8; a byte each.
        images = "images" in archive
        values = np.frombuffer(gzip.decompress(content), np.uint8, offset=16 if images else 8).copy()
        arrays.append(torch.from_numpy(values).view(-1, 1, 28, 28) if images else torch.from_numpy(values).long())
    train_images, train_labels, test_images, test_labels = arrays

    def resized(images: Tensor) -> Tensor:
        return transforms.resize(images, [image_size, image_size], InterpolationMode.BILINEAR)

    return Digits(resized(train_images), train_labels, resized(test_images), test_labels)


def read_embedded_digits(image_size: int, seed: int, test_share: float = 0.2) -> Digits:
    """Scikit-learn's 1,797 handwritten digits of 8x8 pixels: as they are, or at a larger image size enlarged (bicubic)
    and set in a margin of 1/8 of it. A stratified random share of them is the test set.
    """
    bunch = load_digits()
    margin = image_size // 8 if image_size > 8 else 0
    grey = torch.from_numpy(bunch.images / 16 * 255).float()[:, None]
    inner = image_size - 2 * margin
    images = transforms.resize(grey, [inner, inner], InterpolationMode.BICUBIC).clamp(0, 255).round().to(torch.uint8)
    images = transforms.pad(images, [margin])
    train, test = train_test_split(
        np.arange(len(images)), test_size=test_share, stratify=bunch.target, random_state=seed
    )
    labels = torch.from_numpy(bunch.target)
    return Digits(images[train], labels[train], images[test], labels[test])
