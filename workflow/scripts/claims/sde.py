"""Section 6: (4) and (19) as steps of stochastic differential equations, and the order at which they converge.

One function for each record of claims/sde.json.
"""

import logging

import numpy as np

from diffusion.forward import VarianceSchedule
from diffusion.sde import GaussianData, strong_errors
from engine.randomness import generator

logger = logging.getLogger(__name__)

REFINEMENTS, FINEST, PATHS = [1, 2, 4, 8], 64, 400
"""Steps in place of each one of T: of the runs that are compared, and of the fine solution; and Brownian paths."""
DATA = GaussianData(mean=0.4, variance=0.25)


def forward(schedule: VarianceSchedule, seed: int) -> dict:
    """The strong order of the step (4), with T steps and with multiples of them."""
    return _convergence("forward", schedule, seed)


def backward(schedule: VarianceSchedule, seed: int) -> dict:
    """The strong order of the step (19), with the exact noise prediction for Gaussian data."""
    return _convergence("backward", schedule, seed)


def _convergence(name: str, schedule: VarianceSchedule, seed: int) -> dict:
    source = generator(seed, f"claims, {name} equation")
    errors = strong_errors(schedule, REFINEMENTS, FINEST, PATHS, source, DATA, backward=name == "backward")
    logger.info("%s: strong errors %s", name, errors)
    return {
        "order": observed_order(REFINEMENTS, errors),
        "errors": errors,
        "error_coarsest": errors[0],
        "error_finest": errors[-1],
        "steps": schedule.T,
        "steps_finest": schedule.T * REFINEMENTS[-1],
        "paths": PATHS,
    }


def observed_order(refinements: list[int], errors: list[float]) -> float:
    """The p of error = constant / refinement^p, by least squares on the logarithms."""
    return float(-np.polyfit(np.log(refinements), np.log(errors), 1)[0])


def measure(schedule: VarianceSchedule, seed: int) -> dict[str, dict]:
    """All records of claims/sde.json."""
    return {"forward": forward(schedule, seed), "backward": backward(schedule, seed)}
