"""Beyond the paper, on section 6: where the trained network stands between the exact minimiser and an affine filter.

One function for each record of beyond/memory_network.json, some of them in claims/memory.py. Images are (n, 1, h, w) in
[-1, 1]; losses are each pixel's mean.
"""

import numpy as np
from torch import Tensor

from beyond.memory import Minimiser, Noised, spread_times
from claims.memory import SHOWN, between, chosen, copied, curve, nearest_images, over
from claims.statistics import ends, ratio_of_means
from diffusion.affine import affine_losses, variances
from diffusion.forward import VarianceSchedule
from diffusion.images import Digits, rescale
from diffusion.sampling import NoisePredictor

OF_CURVE = 10
"""A curve uses one in OF_CURVE of the images."""


def generalises(noised: Noised, others: Noised, eps_theta: NoisePredictor, schedule: VarianceSchedule) -> dict:
    """The network's loss on images that it was not trained on, `others`, over that on images that it was, `noised`,
    with the ends of a 95% interval. The i-th of both have the same t and the same noise, and are taken as a pair.
    """
    train, test = (x.losses(eps_theta, schedule).double().numpy() for x in (noised, others))
    return {
        **ends("ratio", ratio_of_means(test, train)),
        "train": float(train.mean()),
        "test": float(test.mean()),
        "images": len(train),
    }


def measure(
    digits: Digits,
    schedule: VarianceSchedule,
    images: int,
    times: int,
    seed: int,
    eps_theta: NoisePredictor,
    samples: Tensor,
) -> tuple[dict[str, dict], dict]:
    """All records of beyond/memory_network.json, and what the figure shows: from the network, its `samples`,
    (n, 1, h, w), and as many training as test `images`, or all that there are of the fewer, at about as many `times`
    for a curve.
    """
    train = rescale(digits.train_images)
    least = Minimiser.of(train, schedule)
    images = min(images, len(digits.train_images), len(digits.test_images))
    seen, unseen = (
        chosen(of, images, seed, "beyond, memory, network") for of in (digits.train_images, digits.test_images)
    )
    noised, others = over(seen, schedule.T, seed), over(unseen, schedule.T, seed)
    at = spread_times(schedule.T, times)
    few, fewer = (x[: max(1, images // OF_CURVE)] for x in (seen, unseen))
    records = {
        "between": between(noised, eps_theta, least),
        "generalises": generalises(noised, others, eps_theta, schedule),
        "copied": copied(samples, train),
    }
    shown = {
        "t": np.array(at),
        "network_seen": curve(eps_theta, at, few, schedule, seed).mean(dim=1).numpy(),
        "network_unseen": curve(eps_theta, at, fewer, schedule, seed).mean(dim=1).numpy(),
        "seen": curve(least, at, few, schedule, seed).mean(dim=1).numpy(),
        "unseen": curve(least, at, fewer, schedule, seed).mean(dim=1).numpy(),
        "affine": affine_losses(variances(train), schedule).numpy(),
        "samples": samples[:SHOWN, 0].numpy(),
        "nearest": nearest_images(samples[:SHOWN], train),
    }
    return records, shown
