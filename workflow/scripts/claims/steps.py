"""How many steps? The orders at which two samplers converge, eta = 0 and eta = 1, where the score is exact.

One function for each record of beyond/steps.json.
"""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beyond.steps import Mixture, distance_of_laws, end_of_law, even_steps, flow_error, gaussian_end, path_errors
from claims.sde import observed_order
from claims.statistics import largest
from diffusion.forward import VarianceSchedule
from diffusion.sde import ContinuousSchedule

logger = logging.getLogger(__name__)

Array = NDArray[np.floating]

MIXTURE = Mixture(weights=(0.6, 0.4), means=(-0.8, 0.6), deviations=(0.1, 0.25))
"""Like the grey values of a digit: more dark than light, both blurred."""
STEPS = (10, 20, 50, 100, 250, 500, 1000, 2000, 4000)
FINEST, PATHS = 64_000, 1000
"""Steps of the fine solution of the stochastic equation, and Brownian paths."""
FEW = 10
"""With so few steps eta = 0 is known to be far better, where a network predicts the noise."""
GAUSSIAN = (0.01, 1.0)
"""Variances between which those of the mixture's components, and its own, lie."""


def flow(steps: Sequence[int], errors: Sequence[float]) -> dict:
    """Of eta = 0: the order of the error, in law and along paths, which in one variable are one number."""
    return _record(steps, errors)


def law(
    steps: Sequence[int], errors: Sequence[float], of_flow: Sequence[float], of_gaussian: Sequence[Sequence[float]]
) -> dict:
    """Of eta = 1: the order of the error in law, and the ratio of the error to that of eta = 0, with the most steps;
    beside it the orders for Gaussian data, of errors `of_gaussian` by the closed form.
    """
    gaussian = [_record(steps, errors)["order"] for errors in of_gaussian]
    return _record(steps, errors) | {"ratio_most": errors[-1] / of_flow[-1], "gaussian": gaussian}


def paths(steps: Sequence[int], errors: Sequence[float]) -> dict:
    """Of eta = 1: the order of the error along Brownian paths."""
    return _record(steps, errors)


def few(steps: Sequence[int], of_flow: Sequence[float], of_noise: Sequence[float]) -> dict:
    """The ratio of the error in law of eta = 1 to that of eta = 0, with FEW steps; and its square, since a
    Fréchet distance is one.
    """
    place = list(steps).index(FEW)
    ratio = of_noise[place] / of_flow[place]
    return {"steps": FEW, "flow": of_flow[place], "noise": of_noise[place], "ratio": ratio, "square": ratio**2}


def images(steps: Sequence[int], distances: dict[float, Array], lost: dict[float, Array], total: float) -> dict:
    """For Gaussian data with the covariance of the run's images, which has the trace `total`: Wasserstein's distance
    W_2 from it, and the share of the variance that is lost, with the fewest and with the most steps, for both eta; and
    for each number of steps how many times the square of W_2 with eta = 0 that with eta = 1 is.
    """
    record = {"steps_fewest": steps[0], "steps_most": steps[-1], "deviation": total**0.5}
    record["squares"] = [float(square) for square in (distances[1.0] / distances[0.0]) ** 2]
    for eta, name in ((0.0, "flow"), (1.0, "noise")):
        for place, which in ((0, "fewest"), (-1, "most")):
            record[f"{name}_{which}"] = float(distances[eta][place])
            record[f"lost_{name}_{which}"] = float(lost[eta][place] / total)
    return record


def gaussian_errors(variance: float, abars: Sequence[Array], eta: float) -> list[float]:
    """Of Gaussian data in one variable: Wasserstein's distance W_1 from them by the closed form, through each `abar`.

    Of a law that ends as N(m, c') in place of N(m, c), it is |sqrt(c) - sqrt(c')| sqrt(2 / pi).
    """
    ends = [gaussian_end(np.array([variance]), abar, eta)[0] for abar in abars]
    return [float(abs(variance**0.5 - end**0.5) * (2 / np.pi) ** 0.5) for end in ends]


def closed_form(schedule: VarianceSchedule, variance: float = 0.25, steps: int = 100) -> dict:
    """Of Gaussian data: the largest relative difference of Wasserstein's distance by the closed form of both samplers,
    and by the computations for mixtures, `flow_error` and `end_of_law`; and the least of these distances.
    """
    abar = even_steps(ContinuousSchedule(schedule), steps)
    data = Mixture((1.0,), (0.4,), (variance**0.5,))
    found = {0.0: flow_error(data, abar), 1.0: distance_of_laws(*end_of_law(data, abar), data)}
    expected = {eta: gaussian_errors(variance, [abar], eta)[0] for eta in found}
    difference = largest(*(abs(distance / expected[eta] - 1) for eta, distance in found.items()))
    return {"difference": difference, "least": min(expected.values()), "steps": steps}


def _record(steps: Sequence[int], errors: Sequence[float]) -> dict:
    """The order is that of the finer half, from which on the error is a power of the step."""
    half = len(steps) // 2
    return {
        "order": observed_order(list(steps[half:]), list(errors[half:])),
        "steps": list(steps),
        "errors": list(errors),
        "steps_from": steps[half],
        "steps_to": steps[-1],
        "error_fewest": errors[0],
        "error_most": errors[-1],
    }


def measure(schedule: VarianceSchedule, eigenvalues: Array, seed: int) -> tuple[dict[str, dict], dict[str, Any]]:
    """All records of beyond/steps.json, and what the figure shows. `eigenvalues` are those of the covariance of the
    run's images, (d,).
    """
    continuous = ContinuousSchedule(schedule)
    of_steps = {S: even_steps(continuous, S) for S in STEPS}
    of_flow = [flow_error(MIXTURE, abar) for abar in of_steps.values()]
    of_law = [distance_of_laws(*end_of_law(MIXTURE, abar), MIXTURE) for abar in of_steps.values()]
    of_gaussian = [gaussian_errors(variance, list(of_steps.values()), 1.0) for variance in GAUSSIAN]
    of_paths = path_errors(MIXTURE, continuous, STEPS, FINEST, PATHS, np.random.default_rng([seed, 1]))
    logger.info("errors with eta = 0: %s; with eta = 1 in law: %s, along paths: %s", of_flow, of_law, of_paths)
    ends = {eta: np.array([gaussian_end(eigenvalues, abar, eta) for abar in of_steps.values()]) for eta in (0.0, 1.0)}
    distances = {
        eta: np.sqrt(((eigenvalues**0.5 - end.clip(min=0) ** 0.5) ** 2).sum(axis=1)) for eta, end in ends.items()
    }
    total = float(eigenvalues.sum())
    records = {
        "flow": flow(STEPS, of_flow),
        "law": law(STEPS, of_law, of_flow, of_gaussian),
        "paths": paths(STEPS, of_paths),
        "few": few(STEPS, of_flow, of_law),
        "images": images(STEPS, distances, {eta: total - end.sum(axis=1) for eta, end in ends.items()}, total),
        "closed_form": closed_form(schedule),
    }
    shown = {
        "steps": np.array(STEPS),
        "flow": np.array(of_flow),
        "law": np.array(of_law),
        "paths": np.array(of_paths),
        "images_flow": distances[0.0],
        "images_noise": distances[1.0],
    }
    return records, shown
