"""Beyond the paper, on section 6: the exact minimiser of Algorithm 1's loss, which copies.

One function for each record of beyond/memory.json. Images are (n, 1, h, w) in [-1, 1]; losses are each pixel's mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from beyond.decision import crossing
from beyond.memory import (
    Minimiser,
    Noised,
    copies,
    effective_number,
    mean_over_t,
    nearest_two,
    position,
    spread_times,
)
from claims.statistics import ends, mean, ratio_of_means, share
from diffusion.affine import AffineFilter, affine_losses, variances
from diffusion.forward import VarianceSchedule
from diffusion.images import Digits, rescale
from diffusion.sampling import NoisePredictor, backward_process, draw_noise
from engine.errors import UserError
from engine.randomness import generator

SHOWN, COUNTED = 10, 20
"""Samples that a figure shows, and noised images for each of which the images in the weighted mean are counted."""
AT_ONCE = 100
"""Samples that are drawn together: with T = 500 steps and 32x32 pixels their noise takes 205 MB."""


@dataclass(frozen=True)
class Plan:
    """How much is measured, of the settings `beyond.memory`."""

    images: int
    """Training images, and as many test images, that are noised at each step t of a curve."""
    times: int
    """Steps t in a curve, about."""
    samples: int
    """Samples of the exact minimiser."""


def chosen(images: Tensor, number: int, seed: int, stream: str) -> Tensor:
    """At most `number` of the images, (n, 1, h, w) uint8, at random, in [-1, 1]."""
    return rescale(images[torch.randperm(len(images), generator=generator(seed, stream))[:number]])


def copied(x: Tensor, images: Tensor) -> dict:
    """The share of the images x that are copies of training images, with the middle of their distances."""
    nearest = nearest_two(x, images)[0][:, 0]
    return {
        **ends("copies", share(int(copies(x, images).sum()), len(x))),
        "samples": len(x),
        "nearest": float(nearest.median()),
        "training_images": len(images),
    }


def over(x_0: Tensor, T: int, seed: int) -> Noised:
    """Images at steps spread over 1..T."""
    return Noised.over(T, x_0, seed, "beyond, memory, losses")


def sampled(eps_theta: NoisePredictor, like: Tensor, count: int, schedule: VarianceSchedule, seed: int) -> Tensor:
    """Algorithm 2 with a prediction of the noise: `count` images of the size of `like`, in the grey values' range."""
    ends = []
    for first in range(0, count, AT_ONCE):
        indices = range(first, min(first + AT_ONCE, count))
        noise = draw_noise(seed, "beyond, memory", indices, schedule.T, tuple(like.shape[1:]))
        *_, (_, x) = backward_process(eps_theta, noise[:, 0], lambda t, noise=noise: noise[:, t], schedule)
        ends.append(x)
    x = torch.cat(ends)
    if not x.isfinite().all():
        raise UserError(
            "samples of a small network are not finite: lower ddpm.beta_T if the variance schedule is steep, else "
            "beyond.memory.learning_rate, by which its training may have diverged"
        )
    return x.clamp(-1, 1)


def curve(
    eps_theta: NoisePredictor, times: Sequence[int], x_0: Tensor, schedule: VarianceSchedule, seed: int
) -> Tensor:
    """The loss at each of the times of each of the images x_0: (len(times), n)."""
    at = (Noised.at(t, x_0, seed, "beyond, memory, curve") for t in times)
    return torch.stack([noised.losses(eps_theta, schedule) for noised in at])


def nearest_images(x: Tensor, images: Tensor) -> np.ndarray:
    """The nearest of the images to each of x: (n, h, w)."""
    return images[nearest_two(x, images)[1][:, 0], 0].numpy()


def perfect(seen: Tensor, unseen: Tensor, affine: Tensor, training_images: int) -> dict:
    """The minimiser's loss over t = 1..T on images that it is made of and on others, from that of each image, (n,),
    beside the best affine prediction's, `affine` (T,).
    """
    loss, of_filter = mean(unseen.numpy()), float(affine.mean())
    return {
        "seen": float(seen.mean()),
        **ends("unseen", loss),
        "affine": of_filter,
        **ends("to_affine", (value / of_filter for value in loss)),
        "images": len(unseen),
        "training_images": training_images,
    }


def late(times: Sequence[int], unseen: Tensor, filtered: Tensor, affine: Tensor) -> dict:
    """Where the minimiser is of use on images that it is not made of: the t from which its loss on them, `unseen`
    (times, n), stays below that of the best affine prediction from the same noised images, `filtered`; and its loss
    over the other's in the mean over those of the times that are in the later half of 1..T, where each is first taken
    as a share of the affine prediction's expected loss, `affine` (T,), so that all t count alike. None where the losses
    are lost to rounding, as with almost no noise.
    """
    T, t = len(affine), np.asarray(times)
    is_late = t > T / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        of_minimiser, of_filter = (loss.double().numpy() / affine.numpy()[t - 1, None] for loss in (unseen, filtered))
        shares = ratio_of_means(of_minimiser[is_late].mean(axis=0), of_filter[is_late].mean(axis=0))
        from_t = crossing(times, np.log(of_minimiser.mean(axis=1) / of_filter.mean(axis=1)), 0.0)
    known = bool(np.isfinite([*shares, from_t]).all())
    return {
        **ends("share", shares if known else (None, None, None)),
        "from_t": from_t if known else None,
        "later_than": T // 2,
        "T": T,
        "images": unseen.shape[1],
    }


def collapse(times: Sequence[int], numbers: Sequence[Tensor], training_images: int, T: int) -> dict:
    """Of how many training images the weighted mean is made, by the median over noised images: at t = T; and the last
    of the times at which it is fewer than two.
    """
    middle = [float(number.median()) for number in numbers]
    alone = [t for t, number in zip(times, middle, strict=True) if number < 2]
    return {"at_T": middle[-1], "alone_until": max(alone, default=0), "training_images": training_images, "T": T}


def residual(noised: Noised, predict: NoisePredictor, least: Minimiser) -> Tensor:
    """2 (f - eps*) . (eps* - eps) / d, of each noised image, (n,) in float64, for a prediction f of the noise: what its
    loss has above that of eps*, less its distance to it. As eps* is a conditional mean, the mean is 0 for every f.
    """
    schedule = least.schedule
    above = noised.losses(predict, schedule) - noised.losses(least, schedule)
    return (above - noised.distances(predict, least, schedule)).double()


def in_standard_errors(values: Tensor) -> float:
    """The mean of values, (n,), over its standard error; 0 for values that are all 0."""
    error = values.std() / len(values) ** 0.5
    return float(values.mean() / error) if error > 0 else 0.0


def between(noised: Noised, eps_theta: NoisePredictor, least: Minimiser) -> dict:
    """Where a network stands between the exact minimiser, 0, and the best affine prediction, 1, over t = 1..T, by its
    mean squared distance to the minimiser on training images, the two ends' losses taken as they are; which share of
    its loss this is, and so could be avoided; and by how many standard errors the distance misses the difference of the
    two losses, which Pythagoras sets equal to it in the mean.
    """
    schedule = least.schedule
    losses, distances = noised.losses(eps_theta, schedule), noised.distances(eps_theta, least, schedule)
    least_loss = float(noised.losses(least, schedule).mean())
    affine = float(affine_losses(variances(least.images), schedule).mean())
    return {
        **ends("position", (position(value, least_loss, affine) for value in mean(distances.numpy()))),
        **ends("avoidable", ratio_of_means(distances.numpy(), losses.numpy())),
        "loss": float(losses.mean()),
        "least": least_loss,
        "affine": affine,
        "standard_errors": in_standard_errors(residual(noised, eps_theta, least)),
        "images": len(distances),
    }


def measure(
    digits: Digits, schedule: VarianceSchedule, plan: Plan, seed: int
) -> tuple[dict[str, dict], dict[str, Any]]:
    """All records of beyond/memory.json, and what the figure shows."""
    train = rescale(digits.train_images)
    least, times = Minimiser.of(train, schedule), spread_times(schedule.T, plan.times)
    noised = [
        chosen(images, plan.images, seed, "beyond, memory, images")
        for images in (digits.train_images, digits.test_images)
    ]
    seen, unseen = (curve(least, times, x_0, schedule, seed) for x_0 in noised)
    filtered = curve(AffineFilter.of(train, schedule), times, noised[1], schedule, seed)
    at = [Noised.at(t, noised[0][:COUNTED], seed, "beyond, memory, number") for t in times]
    numbers = [effective_number(least.weights(each.x_t(schedule), each.t)) for each in at]
    affine = affine_losses(variances(train), schedule)
    x = sampled(least, train, plan.samples, schedule, seed)
    records = {
        "copied": copied(x, train),
        "perfect": perfect(
            mean_over_t(times, seen, schedule), mean_over_t(times, unseen, schedule), affine, len(train)
        ),
        "late": late(times, unseen, filtered, affine),
        "collapse": collapse(times, numbers, len(train), schedule.T),
    }
    shown = {
        "t": np.array(times),
        "seen": seen.mean(dim=1).numpy(),
        "unseen": unseen.mean(dim=1).numpy(),
        "affine": affine.numpy(),
        "number": torch.stack(numbers).quantile(torch.tensor([0.1, 0.5, 0.9]), dim=1).numpy(),
        "samples": x[:SHOWN, 0].numpy(),
        "nearest": nearest_images(x[:SHOWN], train),
    }
    return records, shown
