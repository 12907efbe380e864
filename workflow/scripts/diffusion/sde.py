"""Section 6: (4) and (19) as steps of stochastic differential equations, and how fast they converge, path by path.

    forwards   dx = -b(t) x / 2 dt + sqrt(b(t)) dW,                        t from 0 to T
    backwards  dx = (b(t) x / 2 + b(t) score(x, t)) ds + sqrt(b(t)) dW,    s = T - t from 0 to T

b(t) is the variance schedule, continued linearly between its steps, so that (4) has the step dt = 1. With data
x_0 ~ N(m, v), abar(t) = exp(-integral of b from 0 to t) and spread(t) = abar(t) v + 1 - abar(t), the score is
-(x - sqrt(abar) m) / spread, and the noise that it predicts is -sqrt(1 - abar) score.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffusion.backward import denoising_step
from diffusion.forward import VarianceSchedule, forward_step


@dataclass(frozen=True)
class ContinuousSchedule:
    """b(t) for 0 <= t <= T, with b(t) = beta_t at the steps t = 1..T of the schedule; constant before t = 1."""

    steps: VarianceSchedule

    def rate(self, t: np.ndarray) -> np.ndarray:
        T = self.steps.T
        return np.interp(t, np.arange(1, T + 1), self.steps.beta[1:].numpy())

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


def forward_by_steps(x: Tensor, increments: Tensor, schedule: VarianceSchedule, dt: float) -> Tensor:
    """(4) from x, (n, 1), along Brownian increments (steps, n, 1) over `dt` each."""
    for t in range(1, schedule.T + 1):
        x = forward_step(x, t, increments[t - 1] / dt**0.5, schedule)
    return x


def backward_by_steps(
    x: Tensor, increments: Tensor, schedule: VarianceSchedule, dt: float, data: GaussianData
) -> Tensor:
    """(19) from x_T = x, (n, 1), along Brownian increments in the order of the steps t = T..1."""
    for n, t in enumerate(range(schedule.T, 0, -1)):
        eps = data.noise(x, schedule.alpha_bar[t].item())
        x = denoising_step(x, eps, increments[n] / dt**0.5, t, schedule)
    return x


def euler_maruyama(
    x: Tensor, increments: Tensor, schedule: ContinuousSchedule, dt: float, data: GaussianData | None = None
) -> Tensor:
    """The forward equation from x, or with `data` the backward one, by the Euler-Maruyama method."""
    steps = len(increments)
    t = np.arange(steps) * dt
    if data is not None:
        t = schedule.steps.T - t
    rate = schedule.rate(t)
    integral = np.concatenate([[0.0], np.cumsum(rate) * dt])
    alpha_bar = np.exp(integral[:-1] - integral[-1])  # backwards: what is still ahead
    for n in range(steps):
        drift = -rate[n] / 2 * x
        if data is not None:
            drift = -drift - rate[n] * data.noise(x, alpha_bar[n]) / (1 - alpha_bar[n]) ** 0.5
        x = x + drift * dt + rate[n] ** 0.5 * increments[n]
    return x


def strong_errors(
    schedule: VarianceSchedule,
    refinements: list[int],
    finest: int,
    paths: int,
    source: torch.Generator,
    data: GaussianData,
    backward: bool,
) -> list[float]:
    """E |x_N - x| at the end for (4), or for (19) if `backward`, with T r steps for each r of `refinements`.

    x is the solution on the same Brownian path by Euler-Maruyama steps, `finest` in place of one.
    """
    continuous = ContinuousSchedule(schedule)
    start = torch.randn((paths, 1), generator=source, dtype=torch.float64)
    if not backward:
        start = data.mean + data.variance**0.5 * start
    increments = torch.randn((schedule.T * finest, paths, 1), generator=source, dtype=torch.float64) / finest**0.5
    exact = euler_maruyama(start, increments, continuous, 1 / finest, data if backward else None)
    errors = []
    for r in refinements:
        sums = increments.reshape(schedule.T * r, finest // r, paths, 1).sum(dim=1)
        steps = continuous.refined(r)
        if backward:
            found = backward_by_steps(start, sums, steps, 1 / r, data)
        else:
            found = forward_by_steps(start, sums, steps, 1 / r)
        errors.append(float((found - exact).abs().mean()))
    return errors
