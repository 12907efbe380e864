"""The training images: MNIST as in section 2, or scikit-learn's embedded digits, which need no network."""

import logging
import shutil
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torchvision import datasets
from torchvision.datasets.utils import check_integrity
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from diffusion.images import Digits
from engine.errors import UserError

logger = logging.getLogger(__name__)

ARCHIVES = tuple(name for name, _ in datasets.MNIST.resources)
COUNTS = {"mnist": (60_000, 10_000), "digits": (1_437, 360)}
"""How many images a source has, for training and for testing."""
SECONDS_WITHOUT_ANSWER = 20


def _mnist_from(mirror: str, folder: Path, train: bool = True) -> datasets.MNIST:
    """Torchvision's MNIST, brought into `folder` from one mirror, a URL or a local folder, with MD5 sums checked.

    Raises RuntimeError or OSError if the mirror has no intact copy; intact files stay in `folder` for the next mirror.
    """
    if "://" not in mirror:
        raw = folder / "MNIST" / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        for archive, md5 in datasets.MNIST.resources:
            if not check_integrity(raw / archive, md5):
                shutil.copyfile(Path(mirror).expanduser() / archive, raw / archive)
                if not check_integrity(raw / archive, md5):
                    raise RuntimeError(f"{archive} is truncated or altered: its MD5 sum is not {md5}")
    MNIST = type("MNIST", (datasets.MNIST,), {"mirrors": [mirror.rstrip("/") + "/"]})
    return MNIST(folder, train=train, download=True)


def download_mnist(folder: Path | str, mirrors: Sequence[str] = ()) -> None:
    """Put the four MNIST archives into `folder`, from the first of `mirrors` (folders or URLs), then of torchvision's
    own, that has them intact. Raises UserError, which names each mirror and what was wrong with it.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS_WITHOUT_ANSWER)  # torchvision sets none, and would wait forever
    try:
        _fetch(folder, [*mirrors, *datasets.MNIST.mirrors])
    finally:
        socket.setdefaulttimeout(before)


def _fetch(folder: Path, mirrors: Sequence[str]) -> None:
    reasons = []
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for mirror in mirrors:
            try:
                _mnist_from(mirror, Path(scratch))
            except (RuntimeError, OSError) as reason:
                words = str(reason).strip().splitlines()[-1]
                reasons.append(f"{mirror}: {words}")
                logger.warning("could not get MNIST from %s (%s)", mirror, words)
                continue
            for archive in ARCHIVES:
                shutil.move(Path(scratch) / "MNIST" / "raw" / archive, folder / archive)
            logger.info("MNIST came from %s", mirror)
            return
    raise UserError(
        "no mirror provided all four MNIST archives intact ("
        + "; ".join(reasons)
        + "): connect to the internet, or name a folder that holds them in execution.mirrors"
    )


def read_mnist(folder: Path | str, image_size: int) -> Digits:
    """MNIST from the four archives in `folder`, "resized by the model" (section 2) from 28x28 bilinearly, if
    that is not their size already.

    Raises UserError if an archive is truncated or altered (torchvision checks the MD5 sums).
    """
    folder = Path(folder)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            train, test = (_mnist_from(str(folder), Path(scratch), train) for train in (True, False))
        except (RuntimeError, OSError) as reason:
            raise UserError(
                f"the MNIST archives in {folder} are damaged ({str(reason).strip().splitlines()[-1]}): delete that "
                "folder and run again to download them again"
            ) from reason

    def resized(images: Tensor) -> Tensor:
        return transforms.resize(images[:, None], [image_size, image_size], InterpolationMode.BILINEAR)

    return Digits(resized(train.data), train.targets, resized(test.data), test.targets)


def read_embedded_digits(image_size: int, seed: int, test_share: float = 0.2) -> Digits:
    """Scikit-learn's 1,797 handwritten digits of 8x8 pixels, enlarged (bicubic) and set in a margin of 1/8 of the
    image size. A stratified random share of them is the test set.
    """
    bunch = load_digits()
    margin = image_size // 8
    grey = torch.from_numpy(bunch.images / 16 * 255).float()[:, None]
    inner = image_size - 2 * margin
    images = transforms.resize(grey, [inner, inner], InterpolationMode.BICUBIC).clamp(0, 255).round().to(torch.uint8)
    images = transforms.pad(images, [margin])
    train, test = train_test_split(
        np.arange(len(images)), test_size=test_share, stratify=bunch.target, random_state=seed
    )
    labels = torch.from_numpy(bunch.target)
    return Digits(images[train], labels[train], images[test], labels[test])
