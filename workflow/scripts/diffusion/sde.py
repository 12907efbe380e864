"""Section 6: (4) and (19) as steps of stochastic differential equations, and how fast they converge, path by path.

    forwards   dx = -b(t) x / 2 dt + sqrt(b(t)) dW,                        t from 0 to T
    backwards  dx = (b(t) x / 2 + b(t) score(x, t)) ds + sqrt(b(t)) dW,    s = T - t from 0 to T

b(t) is the variance schedule, continued linearly between its steps, so that (4) has the step dt = 1. With data
x_0 ~ N(m, v), abar(t) = exp(-integral of b from 0 to t) and spread(t) = abar(t) v + 1 - abar(t), the score is
-(x - sqrt(abar) m) / spread, and the noise that it predicts is -sqrt(1 - abar) score.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp
from typing import overload

import numpy as np
import torch
from torch import Tensor

from diffusion.backward import posterior_variance
from diffusion.forward import VarianceSchedule, forward_process
from diffusion.sampling import backward_process


@dataclass(frozen=True)
class ContinuousSchedule:
    """b(t) for 0 <= t <= T, with b(t) = beta_t at the steps t = 1..T of the schedule; constant before t = 1."""

    steps: VarianceSchedule

    @overload
    def rate(self, t: float) -> float: ...

    @overload
    def rate(self, t: np.ndarray) -> np.ndarray: ...

    def rate(self, t: float | np.ndarray) -> float | np.ndarray:
        """b(t)."""
        return np.interp(t, np.arange(1, self.steps.T + 1), self.steps.beta[1:].numpy())

    @cached_property
    def _integrals(self) -> np.ndarray:
        """The integral of b from 0 to t, exactly, for t = 0, 1, ..., T."""
        b = np.concatenate([self.steps.beta[1:2].numpy(), self.steps.beta[1:].numpy()])
        return np.concatenate([[0.0], np.cumsum((b[1:] + b[:-1]) / 2)])

    def alpha_bar(self, t: float) -> float:
        """abar(t) = exp(-integral of b from 0 to t), exactly: b is linear between whole t."""
        whole = int(t)
        return exp(-self._integrals[whole] - (t - whole) * (self.rate(whole) + self.rate(t)) / 2)

    def refined(self, times: int) -> VarianceSchedule:
        """The schedule of (2) with `times` steps in place of one, each with its share of b dt."""
        t = np.arange(1, self.steps.T * times + 1) / times
        return VarianceSchedule(torch.from_numpy(np.concatenate([[0.0], self.rate(t) / times])))


@dataclass(frozen=True)
class GaussianData:
    """x_0 ~ N(mean, variance), for which the best prediction of the noise is known."""

    mean: float
    variance: float

    def noise(self, x: Tensor, alpha_bar: float) -> Tensor:
        """E[eps | x_t = x] for x_t from the leap (8)."""
        spread = alpha_bar * self.variance + 1 - alpha_bar
        return (1 - alpha_bar) ** 0.5 / spread * (x - alpha_bar**0.5 * self.mean)

    def score(self, x: Tensor, alpha_bar: float) -> Tensor:
        """The derivative of log p_t at x."""
        return -self.noise(x, alpha_bar) / (1 - alpha_bar) ** 0.5


@dataclass(frozen=True)
class Equation:
    """dx = drift(x, s) ds + volatility(s) dW, for 0 <= s <= end."""

    drift: Callable[[Tensor, float], Tensor]
    volatility: Callable[[float], float]
    end: float


def forward_equation(schedule: ContinuousSchedule) -> Equation:
    """The equation that (4) steps: from data to noise, s = t."""
    return Equation(lambda x, t: -schedule.rate(t) / 2 * x, lambda t: schedule.rate(t) ** 0.5, schedule.steps.T)


def backward_equation(schedule: ContinuousSchedule, data: GaussianData) -> Equation:
    """The equation that (19) steps, with the exact score: from noise to data, s = T - t."""
    T = schedule.steps.T

    def drift(x: Tensor, s: float) -> Tensor:
        b = schedule.rate(T - s)
        return b / 2 * x + b * data.score(x, schedule.alpha_bar(T - s))

    return Equation(drift, lambda s: schedule.rate(T - s) ** 0.5, T)


def euler_maruyama(equation: Equation, x: Tensor, increments: Tensor) -> Tensor:
    """The equation's solution at its end, from x, (n, 1), along equally long Brownian increments, (steps, n, 1)."""
    ds = equation.end / len(increments)
    for n, increment in enumerate(increments):
        x = x + equation.drift(x, n * ds) * ds + equation.volatility(n * ds) * increment
    return x


def by_euler_maruyama(x: Tensor, z: Tensor, schedule: VarianceSchedule, equation: Equation) -> Tensor:
    """The equation by as many Euler-Maruyama steps as there are standard Gaussians z, (steps, n, 1), in place of the
    schedule's own steps: from x, (n, 1), to the end.
    """
    return euler_maruyama(equation, x, z * (equation.end / len(z)) ** 0.5)


def missing_noise(schedule: VarianceSchedule) -> float:
    """The standard deviation of the noise that (19) lacks beside Euler-Maruyama steps: the root of the sum over t of
    (sqrt(beta_t) - sigma_t)^2, with sigma_t from (15). With the step h = 1 / r of a refined schedule it falls only as
    sqrt(h): near t = 0 sigma_t^2 is about (t - 1) / t times beta_t, whatever the step.
    """
    t = torch.arange(1, schedule.T + 1)
    return float((schedule.beta[1:].sqrt() - posterior_variance(t, schedule).sqrt()).square().sum().sqrt())


def forward_by_steps(x: Tensor, eps: Tensor, schedule: VarianceSchedule) -> Tensor:
    """(4) from x, (n, 1), to x_T, with the standard Gaussians eps, (T, n, 1)."""
    return _end(forward_process(x, schedule, lambda t: eps[t - 1]))


def backward_by_steps(x: Tensor, z: Tensor, schedule: VarianceSchedule, data: GaussianData) -> Tensor:
    """(19) from x_T = x, (n, 1), to x_0, with the exact noise, and the standard Gaussians z, (T, n, 1), of t = T..1."""

    def eps_theta(x: Tensor, t: Tensor) -> Tensor:
        return data.noise(x, schedule.alpha_bar[t].item())

    return _end(backward_process(eps_theta, x, lambda t: z[schedule.T - t], schedule))


def _end(process: Iterable[tuple[int, Tensor]]) -> Tensor:
    """The last x_t of a process."""
    ((_, x),) = deque(process, maxlen=1)
    return x


def strong_errors(
    steps: Callable[[Tensor, Tensor, VarianceSchedule], Tensor],
    equation: Equation,
    schedule: ContinuousSchedule,
    x: Tensor,
    refinements: Sequence[int],
    increments: Tensor,
) -> list[float]:
    """E |x_N - x(end)| over paths from x, (n, 1), for T r steps of one kind, for each r of `refinements`.

    x(end) is the equation's solution on the same Brownian paths by Euler-Maruyama steps, one for each of the
    `increments`, (T finest, n, 1); x_N is `steps(x, standard Gaussians, schedule refined r times)`.
    """
    reference = euler_maruyama(equation, x, increments)
    errors = []
    for r in refinements:
        coarse = increments.reshape(schedule.steps.T * r, -1, *x.shape).sum(dim=1)
        end = steps(x, coarse * r**0.5, schedule.refined(r))
        errors.append(float((end - reference).abs().mean()))
    return errors
