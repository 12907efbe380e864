"""Beyond the paper, on section 6: networks trained on few embedded digits, and the share of copies among their samples.

One function for each record of beyond/memory_digits.json.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from beyond.memory import Minimiser, small_digits, train_small
from claims.memory import SHOWN, between, copied, nearest_images, over, sampled
from diffusion.forward import VarianceSchedule
from diffusion.images import rescale
from diffusion.training import TrainingSettings
from engine.randomness import generator

logger = logging.getLogger(__name__)

HELD_OUT, NOISED = 500, 1000
"""Digits that no network is trained on, at most; and noised images, each at one t, on which losses are compared."""


@dataclass(frozen=True)
class Plan:
    """How much is trained and measured, of the settings `beyond.memory`."""

    sizes: Sequence[int]
    """Images in each training set."""
    width: int
    """Of a network's layers."""
    steps: int
    """Of each training, whatever the number of images."""
    batch_size: int
    learning_rate: float
    samples: int
    """Of each network."""

    def training(self, seed: int) -> TrainingSettings:
        """The training of each network."""
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


@dataclass(frozen=True)
class Trained:
    """What came of a network trained on the first `size` digits."""

    size: int
    parameters: int
    samples: Tensor
    of_network: dict
    """As `copied` has it, of the network's samples; below, of the exact minimiser's and of digits held out."""
    of_minimiser: dict
    of_held_out: dict
    stands: dict
    """Between the exact minimiser and the affine prediction: see `between`."""

    @classmethod
    def on(cls, size: int, digits: Tensor, held_out: Tensor, plan: Plan, schedule: VarianceSchedule, seed: int):
        """Trained on the first `size` of the digits, (n, 1, 8, 8) uint8."""
        train = rescale(digits[:size])
        least = Minimiser.of(train, schedule)
        network = train_small(digits[:size], plan.width, plan.training(seed), schedule)
        drawn = torch.randint(size, (NOISED,), generator=generator(seed, "beyond, memory, digits", size))
        samples = sampled(network, train, plan.samples, schedule, seed)
        return cls(
            size,
            sum(p.numel() for p in network.parameters()),
            samples,
            copied(samples, train),
            copied(sampled(least, train, plan.samples, schedule, seed), train),
            copied(held_out, train),
            between(over(train[drawn], schedule.T, seed), network, least),
        )


def small(rows: Sequence[Trained], plan: Plan) -> dict:
    """The share of copies of the network trained on the fewest and of that trained on the most digits, with intervals;
    the least share among the minimiser's samples, and the largest among digits held out, which the rule should spare;
    and where each network stands, as in `between`.
    """
    first, last = rows[0], rows[-1]
    names = ("copies", "copies_low", "copies_high")
    return {
        "sizes": [row.size for row in rows],
        "copies": [row.of_network["copies"] for row in rows],
        "position": [row.stands["position"] for row in rows],
        "standard_errors": max((row.stands["standard_errors"] for row in rows), key=abs),
        "smallest": first.size,
        "largest": last.size,
        **{f"smallest_{name}": first.of_network[name] for name in names},
        **{f"largest_{name}": last.of_network[name] for name in names},
        "of_minimiser": min(row.of_minimiser["copies"] for row in rows),
        "of_held_out": max(row.of_held_out["copies"] for row in rows),
        "held_out": first.of_held_out["samples"],
        "samples": plan.samples,
        "steps": plan.steps,
        "image_visits": plan.steps * plan.batch_size,
        "parameters": first.parameters,
    }


def measure(schedule: VarianceSchedule, plan: Plan, seed: int) -> tuple[dict[str, dict], dict]:
    """All records of beyond/memory_digits.json, and what the figure shows."""
    digits = small_digits(seed)
    held_out = rescale(digits[max(plan.sizes) :][:HELD_OUT])
    rows = []
    for size in sorted(plan.sizes):
        rows.append(Trained.on(size, digits, held_out, plan, schedule, seed))
        logger.info("%d digits: %s", size, rows[-1].of_network)
    shown = {
        "sizes": np.array([row.size for row in rows]),
        **{name: np.array([row.of_network[name] for row in rows]) for name in ("copies", "copies_low", "copies_high")},
        "of_minimiser": np.array([row.of_minimiser["copies"] for row in rows]),
        "of_held_out": np.array([row.of_held_out["copies"] for row in rows]),
        "samples": torch.stack([row.samples[:SHOWN, 0] for row in rows]).numpy(),
        "nearest": np.stack([nearest_images(row.samples[:SHOWN], rescale(digits[: row.size])) for row in rows]),
    }
    return {"small": small(rows, plan)}, shown
