"""The prepared images, as a file holds them and as the networks see them, and snapshots of the processes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.errors import UserError


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

    def training_image(self, number: int) -> Tensor:
        """One training image, (1, 1, size, size) in [-1, 1]. Raises UserError if there is none of this number."""
        if not 0 <= number < len(self.train_images):
            raise UserError(
                f"figures.image is {number}, but there are {len(self.train_images)} training images, counted from 0: "
                "use a smaller number"
            )
        return rescale(self.train_images[number : number + 1])


def rescale(images: Tensor) -> Tensor:
    """Grey values 0..255 (uint8) as the network sees them, in [-1, 1]."""
    return images.float() / 127.5 - 1


def snapshots(process: Iterable[tuple[int, Tensor]], times: Sequence[int] = (0,)) -> Tensor:
    """x_t at each of the times, (n, len(times), 1, h, w) on the CPU, of all batches of a process."""
    seen: dict[int, list[Tensor]] = {t: [] for t in times}
    for t, x in process:
        if t in seen:
            seen[t].append(x.cpu())
    return torch.stack([torch.cat(seen[t]) for t in times], dim=1)
