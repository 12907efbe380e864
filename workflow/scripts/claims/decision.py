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
    between_classes,
    crossing,
    eigenvalue_at,
    half_decided,
    kept_by_algorithm_2,
    kept_exactly,
    own,
    posterior,
    signal,
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
RESAMPLES = 2000
"""Of a bootstrap over images."""


def times(T: int) -> list[int]:
    """The t at which it is computed, rising, the last one T."""
    return sorted({max(1, round(T * part / TIMES)) for part in range(1, TIMES + 1)})


def halfway(t: Sequence[int], share: Array, by_chance: float) -> float:
    """The t at which the share that keeps its class is half-way from 1 to chance; it is 1 at t = 0."""
    return crossing([0, *t], [1.0, *share], (1 + by_chance) / 2)


def resampled_halfway(t: Sequence[int], kept: Array, by_chance: float, random: np.random.Generator) -> Array:
    """`halfway` of the mean over images of what each keeps, (times, n), for RESAMPLES draws of as many of the images:
    (RESAMPLES,). Generators of the same seed draw the same images.
    """
    drawn = random.integers(kept.shape[1], size=(RESAMPLES, kept.shape[1]))
    return np.array([halfway(t, kept[:, chosen].mean(axis=1), by_chance) for chosen in drawn])


def interval(value: float, resampled: Array) -> tuple[float, float, float]:
    """A value with the ends of its 95% interval, from resampled ones."""
    low, high = np.quantile(resampled, (0.025, 0.975))
    return value, float(low), float(high)


def octaves(t: float, eigenvalue: float, schedule: VarianceSchedule) -> float:
    """How far t is from the time that an eigenvalue predicts, in factors of 2 of the eigenvalue that would be right."""
    return float(np.log2(eigenvalue_at(t, schedule) / eigenvalue))


def two(schedule: VarianceSchedule, t: Sequence[int], exact: Array, runs: Array, largest: float) -> dict:
    """Two Gaussian classes with the images' largest eigenvalue: how far the runs of Algorithm 2 are from the exact
    share, in standard errors, at the t where it is most; and where, by the exact share, half is decided.
    """
    errors = (runs / RUNS - exact) / np.sqrt(exact * (1 - exact) / RUNS)
    # Where nearly all keep their class the count is Poisson's; there a standard error is at least that of one run.
    errors = np.where(exact * (1 - exact) * RUNS < 1, (runs - exact * RUNS), errors)
    worst = int(np.abs(errors).argmax())
    classes = two_classes(largest, SEPARATION)
    abar = half_decided(classes)
    return {
        "errors": float(abs(errors[worst])),
        "worst_t": int(t[worst]),
        "runs": RUNS,
        "times": len(t),
        "predicted": speciation_time(largest, schedule),
        "halfway": speciation_time(1 / abar, schedule),
        "signal": signal(classes, abar),
        "octaves": float(-np.log2(abar * largest)),
    }


def digits(schedule: VarianceSchedule, half: tuple[float, float, float], eigenvalues: Array, between: Array) -> dict:
    """The t at which half of the digits are decided by the exact posterior over the training images, with its interval;
    beside it the times that some eigenvalues predict: of the images' covariance, and of the part that is between
    classes. `octaves` is the distance from the largest one's, at the end of the interval that is farther from it.
    """
    largest = float(eigenvalues[0])
    predicted = [speciation_time(float(value), schedule) for value in eigenvalues[:5]]
    return {
        "eigenvalue": largest,
        "predicted": predicted[0],
        "others": predicted[1:],
        "between": float(between[0]),
        "predicted_between": speciation_time(float(between[0]), schedule),
        **metrics.ends("halfway", half),
        "difference": half[0] - predicted[0],
        "right": eigenvalue_at(half[0], schedule),
        "octaves": metrics.largest(*(abs(octaves(end, largest, schedule)) for end in half)),
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
        kept.append(own(posterior(forward_leap(test, step, eps, schedule), a, train, labels), own_labels))
        there = posterior(forward_leap(one, step, eps, schedule), a, train[others], labels[others])
        of_one.append(there[:, labels[image]].mean())
        shares = kept[-1].mean(), of_one[-1]
        logger.info("t = %d: of the test images %.3f keep their class, of figure 6's %.3f", step, *shares)
    frequencies = np.bincount(labels, minlength=CLASSES) / len(labels)
    by_chance = float(frequencies @ (np.bincount(own_labels, minlength=CLASSES) / len(own_labels)))
    share = np.mean(kept, axis=1)
    resampled = resampled_halfway(t, np.array(kept), by_chance, np.random.default_rng([seed, 0]))
    half = interval(halfway(t, share, by_chance), resampled)
    records = {
        "two": two(schedule, t, exact, runs, float(eigenvalues[0])),
        "digits": digits(schedule, half, eigenvalues, between_classes(train, labels))
        | {"share_end": float(share[-1]), "by_chance": by_chance},
    }
    shown = {
        "t": np.array(t),
        "exact": exact,
        "runs": np.array([metrics.share(int(count), RUNS) for count in runs]),
        "kept": share,
        "figure_6": np.array(of_one),
        "eigenvalue": np.array(records["digits"]["eigenvalue"]),
        "predicted": np.array(records["digits"]["predicted"]),
        "by_chance": np.array(by_chance),
        "beta": schedule.beta.numpy(),
    }
    return records, shown
