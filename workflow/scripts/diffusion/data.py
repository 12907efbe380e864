"""The training images: those of a source's archives, as MNIST's in section 2, or of an installed package."""

import gzip
import hashlib
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from diffusion.images import Digits
from diffusion.sources import SOURCES, Source
from engine.errors import UserError


def read(source: str, archives: Sequence[Path | str], image_size: int, seed: int) -> Digits:
    """The images of a source: from its archives, which lie in one folder, or, where it has none, by its reader, which
    divides them at random.
    """
    if archives:
        return read_archives(SOURCES[source], Path(archives[0]).parent, image_size)
    return READERS[source](image_size, seed)


def read_archives(source: Source, folder: Path | str, image_size: int) -> Digits:
    """MNIST, or another source with such archives, from the four in `folder`, "resized by the model" (section 2) from
    28x28 bilinearly, if that is not their size already.

    Raises UserError if an archive is missing, truncated or altered, by its MD5 sum.
    """
    folder, arrays = Path(folder), []
    for archive, md5 in source.archives.items():
        content = (folder / archive).read_bytes() if (folder / archive).exists() else None
        if content is None or hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
            reason = "is missing" if content is None else f"is truncated or altered: its MD5 sum is not {md5}"
            raise UserError(
                f"the {source.name} archives in {folder} are damaged ({archive} {reason}): delete that folder and run "
                "again to download them again"
            )
        arrays.append(read_idx(gzip.decompress(content)))
    train_images, train_labels, test_images, test_labels = arrays

    def resized(images: Tensor) -> Tensor:
        return transforms.resize(images[:, None], [image_size, image_size], InterpolationMode.BILINEAR)

    return Digits(resized(train_images), train_labels.long(), resized(test_images), test_labels.long())


def read_idx(content: bytes) -> Tensor:
    """An array of bytes in the format IDX: two zeros, the type, 8 for bytes, and the number of axes; their lengths as
    big-endian numbers of four bytes; the values.
    """
    axes = content[3]
    shape = struct.unpack_from(f">{axes}I", content, 4)
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape).copy())


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


READERS: dict[str, Callable[[int, int], Digits]] = {"digits": read_embedded_digits}
"""Of each source without archives, what reads it at an image size, with a seed."""
