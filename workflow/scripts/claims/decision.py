"""When is a digit decided? What the run's images predict, and what runs with an exact denoiser find.

One function for each record of beyond/decision.json.
"""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from beyond.decision import (
    crossing,
    kept_by_algorithm_2,
    kept_exactly,
    own,
    posterior,
    speciation_time,
    spectrum,
    two_classes,
)
from claims import statistics as metrics
from claims.samples import spread
from diffusion.classifier import CLASSES
from diffusion.forward import VarianceSchedule, forward_leap
from diffusion.images import Digits, rescale
from engine.randomness import generator

logger = logging.getLogger(__name__)

Array = NDArray[np.floating]

SEPARATION = 4.0
"""Means over deviation of the two classes: by their sides of 0 they are told apart in all but 3 of 100,000 cases."""
RUNS = 4000
IMAGES = 400
"""Test images whose classes are predicted."""
TIMES = 20
"""Equal parts of 0..T."""


def times(T: int) -> list[int]:
    """The t at which it is computed, rising, the last one T."""
    return sorted({max(1, round(T * part / TIMES)) for part in range(1, TIMES + 1)})


def halfway(t: Sequence[int], share: Array, by_chance: float) -> float:
    """The t at which the share that keeps its class is half-way from 1 to chance; it is 1 at t = 0."""
    return crossing([0, *t], [1.0, *share], (1 + by_chance) / 2)


def two(schedule: VarianceSchedule, t: Sequence[int], exact: Array, runs: Array, largest: float) -> dict:
    """Two Gaussian classes with the images' largest eigenvalue: how far the runs of Algorithm 2 are from the exact
    share, in standard errors, at the t where it is most; and when, by the exact share, half is decided.
    """
    errors = (runs / RUNS - exact) / np.sqrt(exact * (1 - exact) / RUNS)
    # Where nearly all keep their class the count is Poisson's; there a standard error is at least that of one run.
    errors = np.where(exact * (1 - exact) * RUNS < 1, (runs - exact * RUNS), errors)
    worst = int(np.abs(errors).argmax())
    predicted, half = speciation_time(largest, schedule), halfway(t, exact, 0.5)
    return {
        "errors": float(abs(errors[worst])),
        "worst_t": int(t[worst]),
        "runs": RUNS,
        "times": len(t),
        "predicted": predicted,
        "halfway": half,
        "difference": half - predicted,
        "of_T": (half - predicted) / schedule.T,
    }


def digits(schedule: VarianceSchedule, t: Sequence[int], share: Array, by_chance: float, eigenvalues: Array) -> dict:
    """The time that the spectrum of the images' covariance predicts, beside the t at which half of the digits are
    decided by the exact posterior over the training images.
    """
    predicted, half = speciation_time(float(eigenvalues[0]), schedule), halfway(t, share, by_chance)
    return {
        "eigenvalue": float(eigenvalues[0]),
        "second": float(eigenvalues[1]),
        "predicted": predicted,
        "predicted_second": speciation_time(float(eigenvalues[1]), schedule),
        "halfway": half,
        "difference": half - predicted,
        "of_T": (half - predicted) / schedule.T,
        "share_end": float(share[-1]),
        "by_chance": by_chance,
        "images": IMAGES,
    }


def measure(
    schedule: VarianceSchedule, images: Digits, image: int, seed: int
) -> tuple[dict[str, dict], dict[str, Any]]:
    """All records of beyond/decision.json, and what the figures show. `image` is the number of figure 6's training
    image, whose class is predicted from the other training images.
    """
    train, labels = rescale(images.train_images), images.train_labels
    test, own_labels = rescale(spread(images.test_images, IMAGES)), spread(images.test_labels.numpy(), IMAGES)
    eigenvalues, t = spectrum(train), times(schedule.T)
    classes = two_classes(float(eigenvalues[0]), SEPARATION)
    abar = [schedule.alpha_bar[step].item() for step in t]
    exact = np.array([kept_exactly(classes, a) for a in abar])
    runs = np.array([kept_by_algorithm_2(classes, schedule, step, RUNS, (seed, step)) for step in t])
    eps = torch.randn(test.shape, generator=generator(seed, "decision, predicted"))
    # Of one image the noise decides much: as many noises as there are test images.
    one = train[image : image + 1].expand(len(test), -1, -1, -1)
    others = torch.arange(len(train)) != image
    kept, of_one = [], []
    for step, a in zip(t, abar, strict=True):
        kept.append(own(posterior(forward_leap(test, step, eps, schedule), a, train, labels), own_labels).mean())
        there = posterior(forward_leap(one, step, eps, schedule), a, train[others], labels[others])
        of_one.append(there[:, labels[image]].mean())
        logger.info("t = %d: of the test images %.3f keep their class, of figure 6's %.3f", step, kept[-1], of_one[-1])
    frequencies = np.bincount(labels, minlength=CLASSES) / len(labels)
    by_chance = float(frequencies @ (np.bincount(own_labels, minlength=CLASSES) / len(own_labels)))
    records = {
        "two": two(schedule, t, exact, runs, float(eigenvalues[0])),
        "digits": digits(schedule, t, np.array(kept), by_chance, eigenvalues),
    }
    shown = {
        "t": np.array(t),
        "exact": exact,
        "runs": np.array([metrics.share(int(count), RUNS) for count in runs]),
        "kept": np.array(kept),
        "figure_6": np.array(of_one),
        "predicted": np.array(records["digits"]["predicted"]),
        "by_chance": np.array(by_chance),
    }
    return records, shown
