"""Beyond the paper, on section 6: the exact minimiser copies, and how much of this networks do.

One function for each record of beyond/memory.json, and of beyond/memory_network.json for the trained network. Images
are (n, 1, h, w) in [-1, 1]; losses are each pixel's mean.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from beyond.memory import (
    Minimiser,
    Noised,
    affine_losses,
    copies,
    effective_number,
    nearest_two,
    position,
    small_digits,
    spread_times,
    train_small,
    variances,
)
from claims.statistics import ends, mean, share
from diffusion.forward import VarianceSchedule
from diffusion.images import Digits, rescale
from diffusion.sampling import NoisePredictor, backward_process, draw_noise, noise_predictor
from diffusion.training import TrainingSettings
from engine.device import CPU
from engine.randomness import generator

logger = logging.getLogger(__name__)

HELD_OUT, OVER, SHOWN = 500, 1000, 10
"""Embedded digits that no small network is trained on, at most; images, each at one t, over which the small networks'
losses are taken; and samples that a figure shows."""


@dataclass(frozen=True)
class Plan:
    """How much is measured: the numbers of the block `beyond.memory` of the settings."""

    images: int
    """Training images, and as many test images, that are noised at each step t."""
    times: int
    """Steps t at which losses are measured, about."""
    samples: int
    """Samples of the exact minimiser."""
    sizes: Sequence[int]
    """Training sets of the small networks."""
    channels: int
    steps: int
    batch_size: int
    learning_rate: float
    small_samples: int
    """Samples of each small network."""
    network_images: int
    """Training images, and as many test images, that the trained network sees at each step t."""

    def training(self, seed: int) -> TrainingSettings:
        """The small networks' training: the same number of steps whatever the number of images."""
        return TrainingSettings(
            seed,
            self.steps,
            self.batch_size,
            self.learning_rate,
            adam_decays=(0.9, 0.999),
            warmup_steps=self.steps // 20,
            cosine_decay=True,
            averaging=0.99,
            stratified_t=True,
        )


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
    noise = draw_noise(seed, "beyond, memory", range(count), schedule.T, tuple(like.shape[1:]))
    *_, (_, x) = backward_process(eps_theta, noise[:, 0], lambda t: noise[:, t], schedule)
    return x.clamp(-1, 1)


def perfect(least: Minimiser, seen: Tensor, unseen: Tensor, affine: Tensor, seed: int) -> dict:
    """The minimiser's loss, over t = 1..T, on images that it is made of and on others, beside the best affine
    prediction's, `affine` (T,).
    """
    T, schedule = least.schedule.T, least.schedule
    of_seen, of_unseen = (over(x, T, seed).losses(least, schedule) for x in (seen, unseen))
    loss, of_filter = mean(of_unseen.numpy()), float(affine.mean())
    return {
        "seen": float(of_seen.mean()),
        **ends("unseen", loss),
        "affine": of_filter,
        **ends("to_affine", (value / of_filter for value in loss)),
        "images": len(unseen),
        "training_images": len(least.images),
    }


def collapse(times: Sequence[int], numbers: Sequence[Tensor], training_images: int, T: int) -> dict:
    """Of how many training images the weighted mean is made, by the median over noised images: at t = T; and the last
    of the times at which it is fewer than two.
    """
    middle = [float(number.median()) for number in numbers]
    alone = [t for t, number in zip(times, middle, strict=True) if number < 2]
    return {"at_T": middle[-1], "alone_until": max(alone, default=0), "training_images": training_images, "T": T}


def small_networks(plan: Plan, schedule: VarianceSchedule, seed: int) -> tuple[dict, dict]:
    """Networks trained on few embedded digits: for each size the share of copies among their samples, among those of
    the exact minimiser, and among digits held out, which the rule should spare; and what the figure shows.
    """
    digits = small_digits(seed)
    held_out = rescale(digits[max(plan.sizes) :][:HELD_OUT])
    rows, samples = [], []
    for size in plan.sizes:
        train = rescale(digits[:size])
        least = Minimiser.of(train, schedule)
        network = train_small(digits[:size], plan.channels, plan.training(seed), schedule)
        eps_theta = noise_predictor(network, CPU)
        drawn = torch.randint(size, (OVER,), generator=generator(seed, "beyond, memory, digits", size))
        stands = between(over(train[drawn], schedule.T, seed), eps_theta, least)
        x = sampled(eps_theta, train, plan.small_samples, schedule, seed)
        row = {
            "size": size,
            **copied(x, train),
            "of_minimiser": copied(sampled(least, train, plan.small_samples, schedule, seed), train)["copies"],
            "of_held_out": copied(held_out, train)["copies"],
            "position": stands["position"],
            "standard_errors": stands["standard_errors"],
        }
        logger.info("%d digits: %s", size, row)
        rows.append(row)
        samples.append(x)
    first, last = rows[0], rows[-1]
    record = {
        "sizes": [row["size"] for row in rows],
        "copies": [row["copies"] for row in rows],
        "position": [row["position"] for row in rows],
        "standard_errors": max((row["standard_errors"] for row in rows), key=abs),
        "smallest": first["size"],
        "largest": last["size"],
        **{f"smallest_{name}": first[name] for name in ("copies", "copies_low", "copies_high")},
        **{f"largest_{name}": last[name] for name in ("copies", "copies_low", "copies_high")},
        "of_minimiser": min(row["of_minimiser"] for row in rows),
        "of_held_out": max(row["of_held_out"] for row in rows),
        "held_out": len(held_out),
        "samples": plan.small_samples,
        "steps": plan.steps,
        "image_visits": plan.steps * plan.batch_size,
        "parameters": sum(p.numel() for p in network.parameters()),
    }
    shown = {
        "sizes": np.array(plan.sizes),
        **{
            name: np.array([row[name] for row in rows])
            for name in ("copies", "copies_low", "copies_high", "of_minimiser", "of_held_out")
        },
        "samples": torch.stack(samples)[:, :SHOWN, 0].numpy(),
        "nearest": np.stack(
            [_nearest(x[:SHOWN], rescale(digits[:n])) for x, n in zip(samples, plan.sizes, strict=True)]
        ),
    }
    return record, shown


def _nearest(x: Tensor, images: Tensor) -> np.ndarray:
    """The nearest of the images to each of x: (n, h, w)."""
    return images[nearest_two(x, images)[1][:, 0], 0].numpy()


def between(noised: Noised, eps_theta: NoisePredictor, least: Minimiser) -> dict:
    """Where a network stands between the exact minimiser, 0, and the best affine prediction, 1, over t = 1..T, by its
    mean squared distance to the minimiser on training images; and by how many standard errors that misses the
    difference of the two losses, which Pythagoras sets equal to it in the mean.
    """
    schedule = least.schedule
    of_network, of_minimiser = noised.losses(eps_theta, schedule), noised.losses(least, schedule)
    distances = noised.distances(eps_theta, least, schedule)
    affine = float(affine_losses(variances(least.images), schedule).mean())
    least_loss = float(of_minimiser.mean())
    residual = (of_network - of_minimiser - distances).double()
    return {
        **ends("position", (position(value, least_loss, affine) for value in mean(distances.numpy()))),
        "loss": float(of_network.mean()),
        "least": least_loss,
        "affine": affine,
        "standard_errors": float(residual.mean() / (residual.std() / len(residual) ** 0.5)),
        "images": len(distances),
    }


def generalises(noised: Noised, others: Noised, eps_theta: NoisePredictor, schedule: VarianceSchedule) -> dict:
    """The network's loss on images that it was not trained on, over that on images that it was, with the ends of a 95%
    interval by the two means' errors.
    """
    train, test = (x.losses(eps_theta, schedule).double().numpy() for x in (noised, others))
    ratio = test.mean() / train.mean()
    relative = np.hypot(*(x.std(ddof=1) / x.mean() / len(x) ** 0.5 for x in (train, test)))
    return {
        **ends("ratio", (ratio, ratio * (1 - 1.96 * relative), ratio * (1 + 1.96 * relative))),
        "train": float(train.mean()),
        "test": float(test.mean()),
        "images": len(train),
    }


def curve(
    eps_theta: NoisePredictor, times: Sequence[int], x_0: Tensor, schedule: VarianceSchedule, seed: int
) -> np.ndarray:
    """The loss at each of the times, on the images x_0: (len(times),)."""
    each = (Noised.at(t, x_0, seed, "beyond, memory, curve").losses(eps_theta, schedule).mean() for t in times)
    return np.array([float(value) for value in each])


def measure(digits: Digits, schedule: VarianceSchedule, plan: Plan, seed: int) -> tuple[dict[str, dict], dict, dict]:
    """All records of beyond/memory.json, and what each of the two figures shows."""
    train = rescale(digits.train_images)
    least = Minimiser.of(train, schedule)
    seen, unseen = (
        chosen(images, plan.images, seed, "beyond, memory, images")
        for images in (digits.train_images, digits.test_images)
    )
    affine = affine_losses(variances(train), schedule)
    times = spread_times(schedule.T, plan.times)
    at = [Noised.at(t, seen, seed, "beyond, memory, curve") for t in times]
    numbers = [effective_number(least.weights(noised.x_t(schedule), noised.t)) for noised in at]
    x = sampled(least, train, plan.samples, schedule, seed)
    small, of_small = small_networks(plan, schedule, seed)
    records = {
        "minimiser": copied(x, train),
        "perfect": perfect(least, seen, unseen, affine, seed),
        "collapse": collapse(times, numbers, len(train), schedule.T),
        "small": small,
    }
    shown = {
        "t": np.array(times),
        "seen": curve(least, times, seen, schedule, seed),
        "unseen": curve(least, times, unseen, schedule, seed),
        "affine": affine.numpy(),
        "number": torch.stack(numbers).quantile(torch.tensor([0.1, 0.5, 0.9]), dim=1).numpy(),
        "samples": x[:SHOWN, 0].numpy(),
        "nearest": _nearest(x[:SHOWN], train),
    }
    return records, shown, of_small


def measure_network(
    digits: Digits, schedule: VarianceSchedule, plan: Plan, seed: int, eps_theta: NoisePredictor, samples: Tensor
) -> tuple[dict[str, dict], dict]:
    """All records of beyond/memory_network.json, and what its figure shows; `samples` are the trained network's,
    (n, 1, h, w).
    """
    train = rescale(digits.train_images)
    least = Minimiser.of(train, schedule)
    seen, unseen = (
        chosen(images, plan.network_images, seed, "beyond, memory, network")
        for images in (digits.train_images, digits.test_images)
    )
    noised, others = over(seen, schedule.T, seed), over(unseen, schedule.T, seed)
    few, fewer = seen[: plan.network_images // 10], unseen[: plan.network_images // 10]
    times = spread_times(schedule.T, plan.times)
    records = {
        "between": between(noised, eps_theta, least),
        "generalises": generalises(noised, others, eps_theta, schedule),
        "network_copies": copied(samples, train),
    }
    shown = {
        "t": np.array(times),
        "network_seen": curve(eps_theta, times, few, schedule, seed),
        "network_unseen": curve(eps_theta, times, fewer, schedule, seed),
        "seen": curve(least, times, few, schedule, seed),
        "unseen": curve(least, times, fewer, schedule, seed),
        "affine": affine_losses(variances(train), schedule).numpy(),
        "samples": samples[:SHOWN, 0].numpy(),
        "nearest": _nearest(samples[:SHOWN], train),
    }
    return records, shown
