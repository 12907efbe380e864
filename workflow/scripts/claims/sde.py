"""Section 6: (4) and (19) as steps of stochastic differential equations, and the order at which they converge.

One function for each record of claims/sde.json.
"""

import logging
from functools import partial
from math import pi

import numpy as np
import torch
from torch import Tensor

from diffusion.forward import VarianceSchedule
from diffusion.sde import (
    ContinuousSchedule,
    GaussianData,
    backward_by_steps,
    backward_equation,
    by_euler_maruyama,
    forward_by_steps,
    forward_equation,
    missing_noise,
    strong_errors,
)
from engine.randomness import generator

logger = logging.getLogger(__name__)

REFINEMENTS, FINEST, PATHS = [1, 2, 4, 8], 64, 400
"""Steps in place of each one of T: of the runs that are compared, and of the fine solution; and Brownian paths."""
INCREMENTS = 2**25
"""At most so many Brownian increments are held, 268 MB: with T above 1,310 there are fewer paths."""
DATA = GaussianData(mean=0.4, variance=0.25)


def forward(schedule: VarianceSchedule, seed: int) -> dict:
    """The strong order of the step (4), with T steps and with multiples of them."""
    continuous = ContinuousSchedule(schedule)
    x, increments = _noise(seed, "forward", schedule.T)
    x_0 = DATA.mean + DATA.variance**0.5 * x
    equation = forward_equation(continuous)
    return _record(strong_errors(forward_by_steps, equation, continuous, x_0, REFINEMENTS, increments), schedule)


def backward(schedule: VarianceSchedule, seed: int) -> dict:
    """The strong order of the step (19), with the exact noise prediction for Gaussian data; beside it, the mean size of
    the noise that (19) lacks.
    """
    continuous = ContinuousSchedule(schedule)
    x_T, increments = _noise(seed, "backward", schedule.T)
    steps, equation = partial(backward_by_steps, data=DATA), backward_equation(continuous, DATA)
    record = _record(strong_errors(steps, equation, continuous, x_T, REFINEMENTS, increments), schedule)
    of_gaussian = (2 / pi) ** 0.5  # its mean absolute value over its standard deviation
    missing = [of_gaussian * missing_noise(continuous.refined(r)) for r in REFINEMENTS]
    return record | {"missing_coarsest": missing[0], "missing_finest": missing[-1]}


def backward_euler_maruyama(schedule: VarianceSchedule, seed: int) -> dict:
    """The strong order of Euler-Maruyama steps of the equation that (19) steps, on the same paths as `backward`."""
    continuous = ContinuousSchedule(schedule)
    x_T, increments = _noise(seed, "backward", schedule.T)
    equation = backward_equation(continuous, DATA)
    steps = partial(by_euler_maruyama, equation=equation)
    return _record(strong_errors(steps, equation, continuous, x_T, REFINEMENTS, increments), schedule)


def _noise(seed: int, name: str, T: int) -> tuple[Tensor, Tensor]:
    """Of each path a standard Gaussian, (n, 1), and Brownian increments, (T * FINEST, n, 1)."""
    source, n = generator(seed, f"claims, {name} equation"), number_of_paths(T)
    x = torch.randn((n, 1), generator=source, dtype=torch.float64)
    return x, torch.randn((T * FINEST, n, 1), generator=source, dtype=torch.float64) / FINEST**0.5


def number_of_paths(T: int) -> int:
    """PATHS, or as many as INCREMENTS allow."""
    return max(2, min(PATHS, INCREMENTS // (T * FINEST)))


def _record(errors: list[float], schedule: VarianceSchedule) -> dict:
    logger.info("strong errors %s", errors)
    return {
        "order": observed_order(REFINEMENTS, errors),
        "errors": errors,
        "error_coarsest": errors[0],
        "error_finest": errors[-1],
        "steps": schedule.T,
        "steps_finest": schedule.T * REFINEMENTS[-1],
        "paths": number_of_paths(schedule.T),
    }


def observed_order(refinements: list[int], errors: list[float]) -> float:
    """The p of error = constant / refinement^p, by least squares on the logarithms."""
    return float(-np.polyfit(np.log(refinements), np.log(errors), 1)[0])


def measure(schedule: VarianceSchedule, seed: int) -> dict[str, dict]:
    """All records of claims/sde.json."""
    return {record.__name__: record(schedule, seed) for record in (forward, backward, backward_euler_maruyama)}
