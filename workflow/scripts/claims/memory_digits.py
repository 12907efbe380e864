"""Beyond the paper, on section 6: networks trained on few embedded digits, and the share of copies among their samples.

One function for each record of beyond/memory_digits.json. There is one training for each set, whose network is looked
at after each of some numbers of gradient steps; so an interval is that of a network's samples, not of trainings.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from beyond.memory import Minimiser, Noised, SmallNetwork, small_digits, stages
from claims.memory import SHOWN, between, copied, in_standard_errors, nearest_images, over, residual, sampled
from diffusion.affine import AffineFilter
from diffusion.forward import VarianceSchedule
from diffusion.images import rescale
from diffusion.training import TrainingSettings
from engine.randomness import generator

logger = logging.getLogger(__name__)

HELD_OUT, NOISED = 500, 1000
"""Digits that no network is trained on, at most; and noised images, each at one t, on which losses are compared."""
HALVINGS = 4
"""A network is looked at after all steps of its training, after half of them, after half of these, and so on."""
NAMES = ("copies", "copies_low", "copies_high")


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

    @property
    def looks(self) -> list[int]:
        """The numbers of gradient steps after which a network is looked at, rising."""
        return sorted({max(1, self.steps >> halvings) for halvings in range(HALVINGS + 1)})

    def training(self, seed: int) -> TrainingSettings:
        """The training of each network, at a constant rate with averaged weights, so that its state after some of the
        steps is that of a training of this length.
        """
        return TrainingSettings(
            seed,
            self.steps,
            self.batch_size,
            self.learning_rate,
            adam_decays=(0.9, 0.999),
            warmup_steps=200,
            averaging=0.999,
            stratified_t=True,
        )


def pythagoras(noised: Noised, network: SmallNetwork, least: Minimiser) -> dict[str, float]:
    """Of three unrelated predictions of the noise, the trained network, the best affine one and none at all, by how
    many standard errors loss = least loss + distance is missed on the noised images.
    """
    images = least.images.reshape(-1, *noised.x_0.shape[1:])
    predictions = {
        "network": network,
        "affine": AffineFilter.of(images, least.schedule),
        "none": lambda x, t: torch.zeros_like(x),
    }
    return {name: in_standard_errors(residual(noised, f, least)) for name, f in predictions.items()}


@dataclass(frozen=True)
class Trained:
    """What came of a network trained on the first `size` digits."""

    size: int
    parameters: int
    samples: Tensor
    of_network: Mapping[int, dict]
    """By the number of gradient steps: as `copied` has it, of the network's samples."""
    of_minimiser: dict
    """The same of the exact minimiser's samples, and below of digits held out."""
    of_held_out: dict
    stands: dict
    """Between the exact minimiser and the affine prediction: see `between`."""
    standard_errors: dict[str, float]
    """See `pythagoras`."""

    @classmethod
    def on(cls, size: int, digits: Tensor, held_out: Tensor, plan: Plan, schedule: VarianceSchedule, seed: int):
        """Trained on the first `size` of the digits, (n, 1, 8, 8) uint8."""
        train = rescale(digits[:size])
        least = Minimiser.of(train, schedule)
        drawn = torch.randint(size, (NOISED,), generator=generator(seed, "beyond, memory, digits", size))
        noised, of_network = over(train[drawn], schedule.T, seed), {}
        for step, network in stages(digits[:size], plan.width, plan.training(seed), schedule, plan.looks):
            samples = sampled(network, train, plan.samples, schedule, seed)
            of_network[step] = copied(samples, train)
            logger.info("%d digits, %d steps: %s", size, step, of_network[step])
        return cls(
            size,
            sum(p.numel() for p in network.parameters()),
            samples,
            of_network,
            copied(sampled(least, train, plan.samples, schedule, seed), train),
            copied(held_out, train),
            between(noised, network, least),
            pythagoras(noised, network, least),
        )

    @property
    def end(self) -> dict:
        """`of_network` after the whole training."""
        return self.of_network[max(self.of_network)]


def small(rows: Sequence[Trained], plan: Plan) -> dict:
    """The share of copies of the network trained on the fewest and of that trained on the most digits, with intervals;
    the least share among the minimiser's samples, and the largest among digits held out, which the rule should spare;
    where each network stands, as in `between`; and of all predictions the largest deviation from `pythagoras`.
    """
    first, last = rows[0], rows[-1]
    misses = [z for row in rows for z in row.standard_errors.values()]
    return {
        "sizes": [row.size for row in rows],
        "copies": [row.end["copies"] for row in rows],
        "position": [row.stands["position"] for row in rows],
        "standard_errors": misses[int(np.argmax(np.abs(misses)))],
        "predictions": sum(len(row.standard_errors) for row in rows),
        "smallest": first.size,
        "largest": last.size,
        **{f"smallest_{name}": first.end[name] for name in NAMES},
        **{f"largest_{name}": last.end[name] for name in NAMES},
        "of_minimiser": min(row.of_minimiser["copies"] for row in rows),
        "of_held_out": max(row.of_held_out["copies"] for row in rows),
        "held_out": first.of_held_out["samples"],
        "samples": plan.samples,
        "steps": plan.steps,
        "image_visits": plan.steps * plan.batch_size,
        "parameters": first.parameters,
    }


def length(rows: Sequence[Trained]) -> dict:
    """The share of copies of the network trained on the fewest digits after the fewest of the steps at which it was
    looked at, with its interval, and after each of them.
    """
    first = rows[0]
    fewest, most = min(first.of_network), max(first.of_network)
    return {
        "size": first.size,
        "looks": list(first.of_network),
        "shares": [found["copies"] for found in first.of_network.values()],
        "fewest": fewest,
        "most": most,
        **{name: first.of_network[fewest][name] for name in NAMES},
        "at_end": first.end["copies"],
        "samples": first.end["samples"],
    }


def measure(schedule: VarianceSchedule, plan: Plan, seed: int) -> tuple[dict[str, dict], dict]:
    """All records of beyond/memory_digits.json, and what the figure shows."""
    digits = small_digits(seed)
    held_out = rescale(digits[max(plan.sizes) :][:HELD_OUT])
    rows = [Trained.on(size, digits, held_out, plan, schedule, seed) for size in sorted(plan.sizes)]
    shown = {
        "sizes": np.array([row.size for row in rows]),
        "steps": np.array(plan.looks),
        **{name: np.array([[found[name] for found in row.of_network.values()] for row in rows]) for name in NAMES},
        "of_minimiser": np.array([row.of_minimiser["copies"] for row in rows]),
        "of_held_out": np.array([row.of_held_out["copies"] for row in rows]),
        "samples": torch.stack([row.samples[:SHOWN, 0] for row in rows]).numpy(),
        "nearest": np.stack([nearest_images(row.samples[:SHOWN], rescale(digits[: row.size])) for row in rows]),
    }
    return {"small": small(rows, plan), "length": length(rows)}, shown
