"""Sections 2 and 3: the images, what is left of them at t = T, and the leap (8) against the steps (2).

One function for each record of claims/forward.json. Images are (n, 1, h, w) in [-1, 1].
"""

import gzip
import struct
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

from claims.statistics import d_prime_of_choice, d_prime_of_decision, ends, largest, mean, share
from diffusion.forward import VarianceSchedule, forward_leap, forward_process, forward_step
from diffusion.images import Digits, rescale
from engine.randomness import generator

TRAINING_IMAGES, TEST_IMAGES, CHAINS = 20_000, 4000, 20
"""Images that a reader knows, images that it reads, and copies of an image carried through all steps."""


def pictures(digits: Digits, archives: Iterable[Path | str]) -> dict:
    """What the images show and how large they are: as the networks see them, and in MNIST's files, whose header gives
    their number, height and width; None for a run on other images.
    """
    labels = torch.cat([digits.train_labels, digits.test_labels]).unique()
    of_images = [Path(file) for file in archives if "train-images" in Path(file).name]
    original = None
    for file in of_images:
        with gzip.open(file) as content:
            _, _, *original = struct.unpack(">4I", content.read(16))
    return {
        "digits": len(labels),
        "labels": " ".join(map(str, labels.tolist())),
        "channels": digits.train_images.shape[1],
        "size": digits.train_images.shape[-1],
        "original_size": original[0] if original else None,
        "square": original is None or original[0] == original[1],
    }


@dataclass(frozen=True)
class Reader:
    """Reads noised images and knows the noise: Bayes's rule with the density (9), each of its clean training images
    being as likely as another to be x_0. No reader is right more often about images drawn from that prior.
    """

    images: Tensor
    truth: Tensor
    """The digits of the images, (n,)."""
    schedule: VarianceSchedule

    @classmethod
    def of(cls, images: Tensor, truth: np.ndarray, schedule: VarianceSchedule) -> "Reader":
        return cls(images.flatten(1), torch.from_numpy(truth).long(), schedule)

    @property
    def kinds(self) -> int:
        """How many digits there are."""
        return int(self.truth.max()) + 1

    def log_ratios(self, x: Tensor, t: int) -> Iterator[Tensor]:
        """log p(x | x_0) for each training image, by (9), less the logarithm of the standard Gaussian's density at x:
        (m, n) for a batch of m of the images x at step t after the other.
        """
        left = self.schedule.alpha_bar[t].item()
        means = left**0.5 * self.images
        scale = -self.images.shape[1] / 2 * np.log(1 - left)
        for batch in x.flatten(1).split(500):
            nearness = (batch @ means.T - means.square().sum(dim=1) / 2) / (1 - left)
            yield nearness - batch.square().sum(dim=1, keepdim=True) * left / (1 - left) / 2 + scale

    def digits(self, x: Tensor, t: int) -> Tensor:
        """The chance of each digit, given an image: (n, kinds)."""
        kinds = F.one_hot(self.truth).float()
        return torch.cat([ratios.softmax(dim=1) @ kinds for ratios in self.log_ratios(x, t)])

    def evidence(self, x: Tensor, t: int) -> Tensor:
        """The logarithm of how much likelier an image is if it is a noised one than if it is a standard Gaussian: (n,).
        By Neyman and Pearson, no test of one image is better than to ask for its sign.
        """
        return torch.cat([ratios.logsumexp(dim=1) for ratios in self.log_ratios(x, t)]) - np.log(len(self.images))


def early_step(schedule: VarianceSchedule) -> int:
    """Two fifths of T, the step 200 of 500: one at which the digit can still be seen."""
    return max(1, 2 * schedule.T // 5)


def visible(reader: Reader, clean: Tensor, early: Tensor, at_T: Tensor, truth: np.ndarray) -> dict:
    """What a reader who knows the noise reads of images at T, with its d' of a choice among ten; and, as a control, of
    images at `early_step`. `truth`, (n,), has their digits. Beside it, how often one would be right who is shown the
    clean image and that of the next as the only candidates: Phi of half their distance sqrt(alpha_bar / (1 -
    alpha_bar)) |x - y| in standard deviations, by (9).
    """

    def right(x: Tensor, t: int) -> int:
        return int((reader.digits(x, t).argmax(dim=1).numpy() == truth).sum())

    schedule = reader.schedule
    read = share(right(at_T, schedule.T), len(truth))
    left = schedule.alpha_bar[-1].item()
    apart = (clean - clean.roll(1, dims=0)).flatten(1).norm(dim=1).numpy() * (left / (1 - left)) ** 0.5
    return {
        **ends("accuracy", read),
        **ends("d_prime", (d_prime_of_choice(p, reader.kinds) for p in read)),
        **ends("early_accuracy", share(right(early, early_step(schedule)), len(truth))),
        "early": early_step(schedule),
        "chance": float(np.bincount(truth).max() / len(truth)),
        "of_two": float(stats.norm.cdf(apart / 2).mean()),
        "size": clean.shape[-1],
        "images": len(truth),
        "training_images": len(reader.images),
    }


def information(reader: Reader, at_T: Tensor, truth: np.ndarray) -> dict:
    """How much an image at T tells of its digit, in bits: the mean of log2 q(digit | x_T) / p(digit), with q the
    reader's chances and p the digits' shares. The true information is as large, if q is right, or larger. Beside it a
    bound on what x_T tells of the whole image x_0, whatever the reader: the capacity of the Gaussian channel (9) for
    images of their covariance, half the sum of log2(1 + alpha_bar / (1 - alpha_bar) lambda) over its eigenvalues.
    """
    left = reader.schedule.alpha_bar[-1].item()
    prior = torch.bincount(reader.truth) / len(reader.truth)
    digit = torch.from_numpy(truth).long()
    given = reader.digits(at_T, reader.schedule.T)[torch.arange(len(digit)), digit]
    bits = mean((given.clamp(min=1e-30) / prior[digit]).log2().numpy())
    entropy = -torch.special.xlogy(prior, prior).sum().item() / np.log(2)
    variances = torch.linalg.eigvalsh(torch.cov(reader.images.T.double())).clamp(min=0)
    return {
        **ends("bits", bits),
        **ends("share", (value / entropy for value in bits)),
        "entropy": entropy,
        "bits_of_image": torch.log2(1 + left / (1 - left) * variances).sum().item() / 2,
        "images": len(truth),
        "training_images": len(reader.images),
    }


def signal(clean: Tensor, schedule: VarianceSchedule) -> dict:
    """What the schedule leaves at T, by (8): the image's amplitude, and its share of the mean square of x_T."""
    left = schedule.alpha_bar[-1].item()
    mean_square = clean.square().mean().item()
    return {"amplitude": left**0.5, "variance_share": left * mean_square / (left * mean_square + 1 - left)}


def detectable(reader: Reader, at_T: Tensor, gaussian: Tensor) -> dict:
    """How often the best test of one image tells an image at T from a standard Gaussian, as many of each being asked
    about, with its d'; beside it the d' of the filter that is matched to the mean image, sqrt(alpha_bar) |mean|.
    """
    T, left = reader.schedule.T, reader.schedule.alpha_bar[-1].item()
    right = int((reader.evidence(at_T, T) > 0).sum() + (reader.evidence(gaussian, T) <= 0).sum())
    told = share(right, len(at_T) + len(gaussian))
    return {
        **ends("accuracy", told),
        **ends("d_prime", map(d_prime_of_decision, told)),
        "matched_filter": left**0.5 * reader.images.mean(dim=0).norm().item(),
        "amplitude": left**0.5,
        "size": at_T.shape[-1],
        "images": len(at_T) + len(gaussian),
    }


def added_noise(schedule: VarianceSchedule) -> dict:
    """The variance of the noise that each step (2) adds, by the program's own step, and the number of steps that add no
    more than the one before.
    """
    one, zero = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    variances = np.array([forward_step(zero, t, one, schedule).item() ** 2 for t in range(1, schedule.T + 1)])
    return {
        "steps_without_more": int((np.diff(variances) <= 0).sum()),
        "first": float(variances[0]),
        "last": float(variances[-1]),
        "rises": bool(schedule.beta[-1] > schedule.beta[1]),
        "steps": schedule.T,
    }


def leap(schedule: VarianceSchedule) -> dict:
    """The largest relative difference between the steps (2), composed, and the leap (8), at any t; and the variance of
    the noise of the first step, the least of all. Given 1 and 0 as image and noise, each yields its own coefficients.
    """
    one, zero = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    mean, variance, difference = 1.0, 0.0, 0.0
    for t in range(1, schedule.T + 1):
        of_x, of_eps = forward_step(one, t, zero, schedule).item(), forward_step(zero, t, one, schedule).item()
        mean, variance = of_x * mean, of_x**2 * variance + of_eps**2
        leap_mean, leap_deviation = (forward_leap(a, t, b, schedule).item() for a, b in ((one, zero), (zero, one)))
        difference = largest(difference, abs(leap_mean / mean - 1), abs(leap_deviation**2 / variance - 1))
    return {"difference": difference, "least_noise": schedule.beta[1].item(), "steps": schedule.T}


def law(x_T: Tensor, x_0: Tensor, schedule: VarianceSchedule) -> dict:
    """Kolmogorov-Smirnov test of the pixels of x_T, made from x_0 by all steps (2), against (9)."""
    left = schedule.alpha_bar[-1].item()
    pixels = ((x_T - left**0.5 * x_0) / (1 - left) ** 0.5).flatten().numpy()
    return {"p_value": float(stats.kstest(pixels, stats.norm.cdf).pvalue), "pixels": pixels.size, "steps": schedule.T}


def measure(digits: Digits, archives: Iterable[Path | str], schedule: VarianceSchedule, seed: int) -> dict[str, dict]:
    """All records of claims/forward.json, from the prepared images and, where there are any, MNIST's files."""

    def normal(shape: tuple[int, ...], stream: str, *address: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.randn(shape, generator=generator(seed, f"claims, {stream}", *address), dtype=dtype)

    def leap_to(t: int, x_0: Tensor, stream: str) -> Tensor:
        return forward_leap(x_0, t, normal(x_0.shape, stream), schedule)

    train, train_truth = rescale(digits.train_images[:TRAINING_IMAGES]), digits.train_labels[:TRAINING_IMAGES].numpy()
    every = max(1, -(-len(digits.test_images) // TEST_IMAGES))  # MNIST's first test images are the easier ones
    test, truth = rescale(digits.test_images[::every]), digits.test_labels[::every].numpy()
    early = leap_to(early_step(schedule), test, "test images early")
    at_T = leap_to(schedule.T, test, "test images at T")
    reader = Reader.of(train, train_truth, schedule)

    x_0 = train[:1].double().expand(CHAINS, -1, -1, -1)
    chain = forward_process(x_0, schedule, lambda t: normal(x_0.shape, "chain", t, dtype=torch.float64))
    ((_, x_T),) = deque(chain, maxlen=1)
    return {
        "pictures": pictures(digits, archives),
        "visible": visible(reader, test, early, at_T, truth),
        "information": information(reader, at_T, truth),
        "signal": signal(train, schedule),
        "detectable": detectable(reader, at_T, normal(at_T.shape, "Gaussian images")),
        "added_noise": added_noise(schedule),
        "leap": leap(schedule),
        "law": law(x_T, x_0, schedule),
    }
