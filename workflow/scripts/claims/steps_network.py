"""How many steps? What two samplers, eta = 0 and eta = 1, make of the trained network.

One function for each record of beyond/steps_network.json. Every sample i starts from the same x_T in all of them.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from claims import statistics as metrics
from claims.samples import TEST_IMAGES, WITH_NEIGHBOURS, Recogniser, spread
from diffusion.classifier import Classifier, features
from diffusion.images import Digits, rescale

logger = logging.getLogger(__name__)

Array = NDArray[np.floating]
Key = tuple[int, int]
"""eta and the number of steps."""

GROUPS = 10
FEW, SOME = 10, 50
"""With FEW steps eta = 0 is known to be far better; and SOME steps of it are what is often used."""
SHOWN = 8
"""Samples in a row of the figure."""


def groups(n: int) -> NDArray[np.integer]:
    """To which of GROUPS groups each of n samples belongs, (n,): neighbours to different ones."""
    return np.arange(n) % GROUPS


def jackknife(value: float, without: Array) -> tuple[float, float, float]:
    """A value with the ends of its 95% interval, from its values without one group of the samples each, (groups,): by
    the jackknife's variance and Student's t.
    """
    g = len(without)
    deviation = ((g - 1) / g * np.sum((without - without.mean()) ** 2)) ** 0.5
    half = float(stats.t.ppf(0.975, g - 1) * deviation)
    return value, value - half, value + half


def distances_from(seen: Array, reference: tuple[Array, Array]) -> Array:
    """The Fréchet distance (squared, as in FID) of the features `seen`, (n, d), from the moments of `reference`: first
    of all of them, then of all but one group each, (1 + groups,).
    """
    of = groups(len(seen))
    kept = [np.ones(len(seen), bool), *(of != group for group in range(GROUPS))]
    return np.array([metrics.frechet_distance(*reference, *metrics.moments(seen[some])) for some in kept])


def few(distances: Mapping[Key, Array]) -> dict:
    """The ratio of the Fréchet distance of eta = 1 to that of eta = 0, with FEW steps; None where a dead classifier
    sees no difference.
    """
    if (0, FEW) not in distances or not all((distances[eta, FEW] > 0).all() for eta in (0, 1)):
        return {"ratio_low": None}
    logs = np.log(distances[1, FEW] / distances[0, FEW])
    ratio = np.exp(jackknife(float(logs[0]), logs[1:]))
    flow, noise = (jackknife(float(distances[eta, FEW][0]), distances[eta, FEW][1:]) for eta in (0, 1))
    return {
        "steps": FEW,
        **metrics.ends("ratio", map(float, ratio)),
        **metrics.ends("flow", flow),
        **metrics.ends("noise", noise),
    }


def fifty(distances: Mapping[Key, Array], steps: Sequence[int]) -> dict:
    """Of the Fréchet distance that FEW steps with eta = 0 add to that of Algorithm 2, all steps with eta = 1: which
    part SOME steps add; and by how much this is more than half of it, `excess`, with its interval by the jackknife. By
    how much sets of this size come out too far away is about the same in all three, and cancels.
    """
    if (0, SOME) not in distances:
        return {"excess_high": None}
    few, some, all_of_them = distances[0, FEW], distances[0, SOME], distances[1, steps[-1]]
    added_by_few, added = few - all_of_them, some - all_of_them
    if not added_by_few[0]:
        return {"excess_high": None}
    excess = added - added_by_few / 2
    return {
        "steps": SOME,
        "few_steps": FEW,
        "steps_most": steps[-1],
        "part": float(added[0] / added_by_few[0]),
        **metrics.ends("excess", jackknife(float(excess[0]), excess[1:])),
        "few": float(few[0]),
        "flow": float(some[0]),
        "noise": float(all_of_them[0]),
    }


def recognised(shares: Mapping[Key, tuple[float, float, float]]) -> dict:
    """The share of samples that are recognised, with Wilson's 95% interval, with FEW steps of both."""
    if (0, FEW) not in shares:
        return {"difference": None}
    return {
        "steps": FEW,
        **metrics.ends("flow", shares[0, FEW]),
        **metrics.ends("noise", shares[1, FEW]),
        "difference": shares[0, FEW][0] - shares[1, FEW][0],
    }


def table(
    distances: Mapping[Key, Array],
    shares: Mapping[Key, tuple[float, float, float]],
    seconds: Mapping[Key, float],
    floor: float,
    images: int,
    computed_on: str,
) -> dict:
    """All that was measured, a row for each number of steps and eta; and the distance of as many training images."""
    rows = [
        {
            "eta": eta,
            "steps": steps,
            "share": shares[eta, steps],
            "distance": jackknife(float(values[0]), values[1:]),
            "minutes": seconds[eta, steps] / 60 if np.isfinite(seconds[eta, steps]) else None,
        }
        for (eta, steps), values in distances.items()
    ]
    return {"rows": rows, "floor": floor, "images": images, "computed_on": computed_on}


def measure(
    samples: Mapping[Key, Tensor],
    seconds: Mapping[Key, float],
    computed_on: str,
    digits: Digits,
    model: Classifier,
    confidence: float,
    seed: int,
) -> tuple[dict[str, dict], dict[str, Any]]:
    """All records of beyond/steps_network.json, and what the figure shows. `samples` are images (n, 1, h, w), as the
    samplers end; the classifier sees them within the grey values' range.
    """
    train = rescale(digits.train_images)
    test = rescale(spread(digits.test_images, TEST_IMAGES))
    recognise = Recogniser.fit(model, confidence, spread(train, TEST_IMAGES), spread(test, WITH_NEIGHBOURS))
    reference = metrics.moments(features(model, test))
    steps = sorted({number for _, number in samples})
    distances, shares = {}, {}
    for key, x in samples.items():
        shown = x.clamp(-1, 1)
        distances[key] = distances_from(features(model, shown), reference)
        shares[key] = metrics.share(int(recognise(shown)[0].sum()), len(x))
        logger.info("eta %d, %d steps: recognised %s, Fréchet distance %s", *key, shares[key], distances[key][0])
    n = len(next(iter(samples.values())))
    random = np.random.default_rng(seed)
    real = [train[torch.from_numpy(random.choice(len(train), n, replace=False))] for _ in range(5)]
    floor = float(np.mean([metrics.frechet_distance(*reference, *metrics.moments(features(model, x))) for x in real]))
    records = {
        "few": few(distances),
        "fifty": fifty(distances, steps),
        "recognised": recognised(shares),
        "table": table(distances, shares, seconds, floor, n, computed_on),
    }
    rows = [[(eta, number) for number in steps] for eta in (0, 1)]
    shown = {
        "steps": np.array(steps),
        "images": np.array([[samples[key][:SHOWN, 0].numpy() for key in row] for row in rows]),
        "share": np.array([[shares[key] for key in row] for row in rows]),
        "distance": np.array(
            [[jackknife(float(distances[key][0]), distances[key][1:]) for key in row] for row in rows]
        ),
        "floor": np.array(floor),
    }
    return records, shown
