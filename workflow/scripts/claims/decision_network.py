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
from torch import Tensor

from beyond.decision import NINE, agreement_time, crossing
from claims import statistics as metrics
from claims.decision import halfway
from claims.samples import AT_LEAST
from diffusion.classifier import Classifier, read_labels
from diffusion.images import Digits

logger = logging.getLogger(__name__)

Array = NDArray[np.floating]

RESAMPLES = 2000


def decided(
    t: Sequence[int], same: NDArray[np.bool_], predicted: Mapping[str, Array], T: int, random: np.random.Generator
) -> dict:
    """When half of the digits are decided, by the runs: `same`, (times, originals), says which show the digit of their
    original. The 95% interval is a bootstrap over originals. Beside it, the t at which the exact posterior over the
    training images has half decided, and that which the spectrum predicts.
    """
    by_chance = float(predicted["by_chance"])
    half = halfway(t, same.mean(axis=1), by_chance)
    drawn = random.integers(same.shape[1], size=(RESAMPLES, same.shape[1]))
    resampled = [halfway(t, same[:, chosen].mean(axis=1), by_chance) for chosen in drawn]
    by_posterior = halfway(predicted["t"].tolist(), predicted["kept"], by_chance)
    by_spectrum = float(predicted["predicted"])
    return {
        "originals": same.shape[1],
        "halfway": half,
        "halfway_low": float(np.quantile(resampled, 0.025)),
        "halfway_high": float(np.quantile(resampled, 0.975)),
        "posterior": by_posterior,
        "spectrum": by_spectrum,
        "from_posterior": (half - by_posterior) / T,
        "from_spectrum": (half - by_spectrum) / T,
        "share_start": float(same[0].mean()),
        "share_end": float(same[-1].mean()),
        "t_start": int(t[0]),
        "t_end": int(t[-1]),
    }


def figure_6(t: Sequence[int], runs: Sequence[NDArray], label: int, predicted: Mapping[str, Array], T: int) -> dict:
    """From which t down the nine runs of figure 6 agree with their original: all but one show its digit, at this t and
    at all smaller ones. `runs` are the digits that they show. Beside it, the t below which the exact posterior over the
    other training images keeps this digit as often.
    """
    agreeing = [int((digits == label).sum()) for digits in runs]
    agreed = agreement_time(t, agreeing, AT_LEAST)
    times, kept = [0, *predicted["t"].tolist()], [1.0, *predicted["figure_6"]]
    expected = crossing(times, kept, AT_LEAST / NINE)
    return {
        "label": label,
        "agreed": agreed,
        "agreeing": agreeing,
        "agreeing_end": agreeing[-1],
        "expected": expected,
        "of_T": (agreed - expected) / T,
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
    t, truth = returned.t, images.test_labels.numpy()[returned.originals]
    same = np.array([read_labels(model, x.clamp(-1, 1))[0] == truth for x in returned.images])
    shown = [read_labels(model, x.clamp(-1, 1))[0] for x in returned.runs]
    label = int(images.train_labels[image])
    logger.info("share of the same digit: %s", dict(zip(t, same.mean(axis=1), strict=True)))
    records = {
        "decided": decided(t, same, predicted, T, np.random.default_rng(seed)),
        "figure_6": figure_6(t, shown, label, predicted, T),
    }
    drawn = {
        "t": np.array(t),
        "T": np.array(T),
        "x_t": returned.x_t.numpy(),
        "runs": returned.runs[:, :, 0].numpy(),
        "agreeing": np.array(records["figure_6"]["agreeing"]),
        "share": np.array([metrics.share(int(row.sum()), len(row)) for row in same]),
        "predicted_t": predicted["t"],
        "predicted_kept": predicted["kept"],
        "spectrum": predicted["predicted"],
        "by_chance": predicted["by_chance"],
    }
    return records, drawn
