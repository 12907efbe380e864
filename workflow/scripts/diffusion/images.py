"""The prepared images, as a file holds them and as the networks see them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Digits:
    """Grey values 0..255 as uint8, images (n, 1, size, size) and labels (n,), apart for training and testing."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor

    def save(self, file: Path | str) -> None:
        np.savez(file, **{name: value.numpy() for name, value in vars(self).items()})

    @classmethod
    def load(cls, file: Path | str) -> "Digits":
        with np.load(file) as arrays:
            return cls(**{name: torch.from_numpy(arrays[name]) for name in arrays.files})


def rescale(images: Tensor) -> Tensor:
    """Grey values 0..255 (uint8) as the network sees them, in [-1, 1]."""
    return images.float() / 127.5 - 1
