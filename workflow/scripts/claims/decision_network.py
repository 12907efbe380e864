"""When is a digit decided? Test images that were noised to t and returned by Algorithm 2 with the trained network.

One function for each record of beyond/decision_network.json.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from beyond.decision import NINE, agreement_time, noise_of_originals, own, posterior
from claims import statistics as metrics
from claims.decision import halfway, interval, octaves, resampled_halfway
from claims.samples import AT_LEAST, spread
from diffusion.classifier import CLASSES, Classifier, read_labels
from diffusion.forward import VarianceSchedule, forward_leap
from diffusion.images import Digits, rescale

logger = logging.getLogger(__name__)

Array = NDArray[np.floating]

READ = 2000
"""Test images that are read, at most, to know how often the classifier misreads."""


def misread(model: Classifier, images: Digits) -> float:
    """The share of test images that the classifier takes for another digit; never 0, by Laplace's rule."""
    truth = spread(images.test_labels.numpy(), READ)
    wrong = read_labels(model, rescale(spread(images.test_images, READ)))[0] != truth
    return float((wrong.sum() + 1) / (len(wrong) + 2))


def as_read(probability: Array, misread: float) -> Array:
    """How probably an image is read as some digit that it shows with this probability: misread, it may as well be taken
    for any of the other digits.
    """
    return probability * (1 - misread) + (1 - probability) * misread / (CLASSES - 1)


def decided(
    t: Sequence[int],
    same: NDArray[np.bool_],
    expected: Array,
    predicted: Mapping[str, Array],
    schedule: VarianceSchedule,
    seed: int,
) -> dict:
    """When half of the digits are decided, by the runs: `same`, (times, originals), says which show the digit of their
    original, `expected` how probably an exact denoiser's would, from the same noised images. Intervals of 95% are by a
    bootstrap over originals, of which each keeps its runs and its probabilities; the claims take the end that is
    farther from what is expected.
    """
    by_chance, T = float(predicted["by_chance"]), schedule.T
    kept = {"runs": same.astype(float), "posterior": expected}
    half = {name: halfway(t, of_images.mean(axis=1), by_chance) for name, of_images in kept.items()}
    resampled = {
        name: resampled_halfway(t, of_images, by_chance, np.random.default_rng(seed))
        for name, of_images in kept.items()
    }
    later = interval((half["runs"] - half["posterior"]) / T, (resampled["runs"] - resampled["posterior"]) / T)
    found, largest = interval(half["runs"], resampled["runs"]), float(predicted["eigenvalue"])
    return {
        "originals": same.shape[1],
        **metrics.ends("halfway", found),
        "posterior": half["posterior"],
        "spectrum": float(predicted["predicted"]),
        **metrics.ends("from_posterior", later),
        "from_posterior_at_worst": metrics.largest(*map(abs, later)),
        "octaves": metrics.largest(*(abs(octaves(end, largest, schedule)) for end in found)),
        "share_start": float(same[0].mean()),
        "share_end": float(same[-1].mean()),
        "t_start": int(t[0]),
        "t_end": int(t[-1]),
    }


def figure_6(t: Sequence[int], runs: Sequence[NDArray], label: int, expected: Array) -> dict:
    """How many of the nine runs of figure 6 show the original's digit, at each t: `runs` are the digits that they show,
    and `expected`, (times,), how probably one from the same x_t would, if the denoiser were exact. The counts are then
    binomial. `chance` is the smallest p-value of a count, two-sided, times the number of counts, at most 1.
    """
    agreeing = [int((digits == label).sum()) for digits in runs]
    p = [stats.binomtest(count, NINE, float(q)).pvalue for count, q in zip(agreeing, expected, strict=True)]
    worst = int(np.argmin(p))
    return {
        "label": label,
        "agreed": agreement_time(t, agreeing, AT_LEAST),
        "agreeing": agreeing,
        "agreeing_end": agreeing[-1],
        "expected": [float(NINE * q) for q in expected],
        "chance": float(np.minimum(1.0, len(p) * p[worst])),
        "worst_t": int(t[worst]),
        "worst_agreeing": agreeing[worst],
        "worst_expected": float(NINE * expected[worst]),
        "times": len(p),
        "shown": "; ".join(f"t = {time}: {' '.join(map(str, digits))}" for time, digits in zip(t, runs, strict=True)),
    }


@dataclass(frozen=True)
class Returned:
    """What Algorithm 2 returned with the trained network from each of some t, rising."""

    t: list[int]
    originals: NDArray[np.integer]
    """The numbers of the test images that were noised to each t, (n,)."""
    images: Tensor
    """One run from each of them, (times, n, 1, h, w)."""
    runs: Tensor
    """Nine runs from figure 6's image, (times, 9, 1, h, w)."""
    x_t: Tensor
    """That image at t, (times, h, w)."""

    @classmethod
    def read(cls, files: Mapping[int, Path | str]) -> "Returned":
        """From the file of each t, as return_digits.py writes it. Raises ValueError unless all have the same images."""
        times = sorted(files)
        loaded = [np.load(files[t]) for t in times]
        if any((file["index"] != loaded[0]["index"]).any() for file in loaded):
            raise ValueError("the files of the t are not of the same originals")
        images, runs, x_t = (
            torch.from_numpy(np.stack([file[name] for file in loaded])) for name in ("images", "runs", "x_t")
        )
        return cls(times, loaded[0]["index"], images[:, :, None], runs[:, :, None], x_t)


def measure(
    returned: Returned,
    images: Digits,
    image: int,
    model: Classifier,
    predicted: Mapping[str, Array],
    T: int,
    seed: int,
) -> tuple[dict[str, dict], dict[str, Any]]:
    """All records of beyond/decision_network.json, and what the figure shows; `image` is the number of figure 6's."""
    t, schedule = returned.t, VarianceSchedule(torch.as_tensor(predicted["beta"]))
    truth, wrong = images.test_labels.numpy()[returned.originals], misread(model, images)
    train, labels, label = rescale(images.train_images), images.train_labels, int(images.train_labels[image])
    others = torch.arange(len(train)) != image
    others_images, others_labels = train[others], labels[others]
    x_0 = rescale(images.test_images[returned.originals])
    eps = noise_of_originals(len(x_0), tuple(x_0.shape[1:]), seed)
    of_digits, of_one = [], []
    for step, x_t in zip(t, returned.x_t, strict=True):
        abar = schedule.alpha_bar[step].item()
        of_digits.append(own(posterior(forward_leap(x_0, step, eps, schedule), abar, train, labels), truth))
        of_one.append(posterior(x_t[None, None], abar, others_images, others_labels)[0, label])
    expected, expected_of_one = (as_read(np.array(values), wrong) for values in (of_digits, of_one))
    same = np.array([read_labels(model, x.clamp(-1, 1))[0] == truth for x in returned.images])
    shown = [read_labels(model, x.clamp(-1, 1))[0] for x in returned.runs]
    logger.info("share of the same digit: %s", dict(zip(t, same.mean(axis=1), strict=True)))
    records = {
        "decided": decided(t, same, expected, predicted, schedule, seed),
        "figure_6": figure_6(t, shown, label, expected_of_one) | {"misread": wrong},
    }
    drawn = {
        "t": np.array(t),
        "T": np.array(T),
        "x_t": returned.x_t.numpy(),
        "runs": returned.runs[:, :, 0].numpy(),
        "agreeing": np.array(records["figure_6"]["agreeing"]),
        "expected": np.array(records["figure_6"]["expected"]),
        "share": np.array([metrics.share(int(row.sum()), len(row)) for row in same]),
        "expected_share": expected.mean(axis=1),
        "spectrum": predicted["predicted"],
        "by_chance": predicted["by_chance"],
    }
    return records, drawn
