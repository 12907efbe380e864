"""Beyond the paper, on sections 2, 3 and 5: what it costs that Algorithm 2 starts from N(0, I), though x_T is not that.

One function for each record of beyond/start.json. Images are (n, 1, h, w) in [-1, 1].
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from beyond.memory import Minimiser
from beyond.start import Errors, Modes, chances, errors, kept_of_start, modes_of, noised, step_back
from claims.statistics import frechet_distance
from diffusion.affine import moments
from diffusion.classifier import CLASSES
from diffusion.forward import VarianceSchedule, forward_leap
from diffusion.images import Digits, rescale
from diffusion.sde import ContinuousSchedule
from engine.randomness import generator

NAMES = ("start", "steps", "last", "total")
"""The errors of `beyond.start.Errors`."""
LEAST = 1e-260
"""Of alpha_bar_T: a process that leaves less of the image is left out."""
ROUNDING = 1e-9
"""An error below this is one of rounding."""


@dataclass(frozen=True)
class Plan:
    """How much is measured: of the settings `beyond.start`."""

    lengths: Sequence[int]
    """T of other processes with the same beta_1 and beta_T."""
    refinements: Sequence[int]
    """Steps in place of each one of T."""
    draws: int
    """Starts over which the chances of the training images are taken."""


def gaussian(data: Modes, errors: Errors, schedule: VarianceSchedule, train: Tensor, test: Tensor) -> dict:
    """The errors of Algorithm 2 for Gaussian data in the Wasserstein-2 distance; that of the start before the first
    step, at t = T; beside the images' own spread, the root of their covariance's trace, and the distance between the
    Gaussians of the training and of the test images.
    """
    sizes, spread = errors.sizes(), float(data.variance.sum().sqrt())
    at_T = Modes.standard(len(data.mean)).distance(noised(data, schedule.T, schedule))
    between = frechet_distance(*(value.numpy() for x in (train, test) for value in moments(x)))
    return {
        **sizes,
        **{f"share_of_{name}": value for name, value in errors.shares().items()},
        "at_T": at_T,
        "kept": sizes["start"] / at_T if at_T > ROUNDING else None,
        "spread": spread,
        "relative": sizes["total"] / spread,
        "test_images": between**0.5,
        "amplitude": float(schedule.alpha_bar[-1] ** 0.5),
        "pixels": len(data.mean),
    }


def memory(data: Modes, schedule: VarianceSchedule) -> dict:
    """The largest difference, over the modes, between the displacement of x_T that Algorithm 2 passes on and the
    regression slope of x_0 on x_T, relative to the largest of these slopes; and how many modes grow.
    """
    moved, still = Modes(torch.ones_like(data.mean), data.variance), Modes(torch.zeros_like(data.mean), data.variance)
    for t in range(schedule.T, 0, -1):
        moved, still = (step_back(law, t, data, schedule) for law in (moved, still))
    exact = kept_of_start(data.variance, schedule)
    return {
        "difference": float((moved.mean - still.mean - exact).abs().max() / exact.max()),
        "largest": float(exact.max()),
        "growing": int((exact > 1).sum()),
        "modes": len(exact),
    }


def longer(by_length: dict[int, Errors], processes: dict[int, VarianceSchedule], T: int) -> dict:
    """How the start's error falls from the run's T to the largest of other T, beside what the schedules leave. A fall
    to less than ROUNDING is reported as one to that; from less there is none.
    """
    longest = max(processes)
    here, there = by_length[T].sizes(), by_length[longest].sizes()
    return {
        "T": T,
        "longest": longest,
        "times_longer": longest / T,
        "fall": here["start"] / max(there["start"], ROUNDING) if here["start"] > ROUNDING else None,
        "start": here["start"],
        "start_longest": there["start"],
        "total_longest": there["total"],
        "left": float(processes[T].alpha_bar[-1] ** 0.5),
        "left_longest": float(processes[longest].alpha_bar[-1] ** 0.5),
    }


def choices(minimiser: Minimiser, labels: Tensor, x_T: Tensor, gaussian: Tensor) -> dict:
    """What starting from N(0, I) does to the shares of the digits, if the noise is predicted perfectly for finitely
    many training images with these labels, (N,): from true starts x_T every image is as likely, to the error of
    sampling; from Gaussian ones it is not. Total variation distances are of the images' chances from 1 / N, and of the
    digits' from their shares.
    """
    of_true, of_gaussian = chances(minimiser, x_T), chances(minimiser, gaussian)
    digits = F.one_hot(labels, CLASSES).double()
    even, true, shares = digits.mean(dim=0), of_true @ digits, of_gaussian @ digits
    ratio = torch.where(even > 0, shares / even, 1.0)  # a digit that no image shows keeps its share
    rare, frequent = int(ratio.argmin()), int(ratio.argmax())
    return {
        "variation": float((of_gaussian - 1 / len(labels)).abs().sum() / 2),
        "variation_of_true": float((of_true - 1 / len(labels)).abs().sum() / 2),
        "digits_variation": float((shares - even).abs().sum() / 2),
        "digits_variation_of_true": float((true - even).abs().sum() / 2),
        "training_shares": even.tolist(),
        "shares": shares.tolist(),
        "rarest": rare,
        "rarest_ratio": float(ratio[rare]),
        "most_frequent": frequent,
        "most_frequent_ratio": float(ratio[frequent]),
        "ones": float(shares[1]),
        "ones_ratio": float(ratio[1]),
        "draws": len(x_T),
        "training_images": len(labels),
    }


def measure(digits: Digits, schedule: VarianceSchedule, plan: Plan, seed: int) -> tuple[dict[str, dict], dict]:
    """All records of beyond/start.json, and what its figure shows."""
    train = rescale(digits.train_images)
    data, vectors = modes_of(train)
    T, beta = schedule.T, schedule.beta
    every = (VarianceSchedule.linear(length, float(beta[1]), float(beta[-1])) for length in sorted({T, *plan.lengths}))
    processes = {process.T: process for process in every if process.alpha_bar[-1] > LEAST}
    finer = {times: ContinuousSchedule(schedule).refined(times) for times in plan.refinements}
    by_length = {length: errors(data, process) for length, process in processes.items()}
    by_steps = {times: errors(data, process) for times, process in finer.items()}
    eps = torch.randn(plan.draws, *train.shape[1:], generator=generator(seed, "beyond, start, draws"))
    x_0 = train[torch.randint(len(train), (plan.draws,), generator=generator(seed, "beyond, start, images"))]
    records = {
        "gaussian": gaussian(data, by_length[T], schedule, train, rescale(digits.test_images)),
        "memory": memory(data, schedule),
        "longer": longer(by_length, processes, T),
        "choices": choices(
            Minimiser.of(train, schedule), digits.train_labels, forward_leap(x_0, T, eps, schedule), eps
        ),
    }
    shown = {
        "T": np.array(list(processes)),
        **{f"{name}_by_length": _sizes(by_length.values(), name) for name in NAMES},
        "refinements": np.array(list(finer)),
        **{f"{name}_by_steps": _sizes(by_steps.values(), name) for name in NAMES},
        "variance": data.variance.numpy(),
        **{name: getattr(by_length[T], name).norm(dim=0).numpy() for name in NAMES},
        "displacement": as_image(vectors @ by_length[T].start[0], train),
        "mean": as_image(vectors @ data.mean, train),
        "training_shares": np.array(records["choices"]["training_shares"]),
        "shares": np.array(records["choices"]["shares"]),
        "run_T": T,
    }
    return records, shown


def _sizes(several: Iterable[Errors], name: str) -> np.ndarray:
    return np.array([each.sizes()[name] for each in several])


def as_image(values: Tensor, like: Tensor) -> np.ndarray:
    """The values of the pixels, (d,), as (h, w)."""
    return values.reshape(like.shape[2:]).numpy()
