"""How many steps? Two samplers with one parameter eta, from the same prediction of the noise: eta = 1 is Algorithm 2,
eta = 0 has no noise (Song, Meng and Ermon, Denoising diffusion implicit models, ICLR 2021, equations (12) and (16)).

In y = x / sqrt(abar), with the variance v = (1 - abar) / abar as time, the leap (8) is y_v = x_0 + sqrt(v) eps. With
D(y, v) = E[x_0 | y_v = y], these two equations carry the law of y_v to that of x_0 as v falls to 0,

    dy = (y - D) / (2 v) dv                        the probability flow,
    dy = (y - D) / v dv + dW                       the stochastic one, its noise in falling v.

Both samplers solve theirs exactly over a step from v to w < v in which D is frozen at the step's start:

    eta = 0:  y_w = D + sqrt(w / v) (y_v - D),
    eta = 1:  y_w = D + (w / v) (y_v - D) + sqrt(w (v - w) / v) z,   which is (19).

So both are exponential Euler methods. For data of one variable, here a mixture of Gaussians, what they do to the law
of x_T is computed without sampling: by `flow_error` and `end_of_law`.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special
from scipy.interpolate import CubicSpline, PchipInterpolator
from torch import Tensor

from diffusion.forward import VarianceSchedule, factors
from diffusion.sampling import NoisePredictor, Sampler
from diffusion.sde import ContinuousSchedule
from engine.device import recorded
from engine.errors import UserError

Array = NDArray[np.floating]


def subsequence(t: int, steps: int) -> tuple[int, ...]:
    """The times t = tau_S > ... > tau_1 > tau_0 = 0 of S = `steps` steps from t back to 0, as evenly spaced as whole
    numbers can be. Raises UserError unless 1 <= S <= t.
    """
    if not 1 <= steps <= t:
        raise UserError(f"from t = {t} there are no {steps} steps back to 0: use a number from 1 to {t}")
    return tuple(round(t * left / steps) for left in range(steps, -1, -1))


def step(
    x: Tensor, eps: Tensor, z: Tensor, t: int | Tensor, s: int | Tensor, schedule: VarianceSchedule, eta: float
) -> Tensor:
    """x_s from x_t, (n, 1, h, w), for s < t, with the noise eps that is predicted in x_t, and a standard Gaussian z:

        x_s = sqrt(abar_s) x_0' + sqrt(1 - abar_s - sigma^2) eps + sigma z,
        x_0' = (x_t - sqrt(1 - abar_t) eps) / sqrt(abar_t),
        sigma = eta sqrt((1 - abar_s) / (1 - abar_t)) sqrt(1 - abar_t / abar_s).

    With eta = 1 and s = t - 1 it is (19), with another s the same with alpha = abar_t / abar_s.
    """
    before, after = schedule.alpha_bar[t], schedule.alpha_bar[s]
    sigma = eta * ((1 - after) / (1 - before) * (1 - before / after)) ** 0.5
    of_x = (after / before) ** 0.5
    # At s = 0 the root is of 0, which rounding may make negative.
    of_eps = (1 - after - sigma**2).clamp(min=0) ** 0.5 - of_x * (1 - before) ** 0.5
    of_x, of_eps, of_z = factors(x, of_x, of_eps, sigma)
    return of_x * x + of_eps * eps + of_z * z


@torch.no_grad()
def backward_process(
    eps_theta: NoisePredictor,
    x: Tensor,
    z: Callable[[int], Tensor],
    schedule: VarianceSchedule,
    times: Sequence[int],
    eta: float,
) -> Iterator[tuple[int, Tensor]]:
    """Yields (t, x_t) at the falling `times`, from x at the first of them, by `step`, with z(t) the standard Gaussian
    of the step that starts at t; x and z(t) are (n, 1, h, w).
    """

    def advance(x: Tensor, z: Tensor, t: Tensor, s: Tensor) -> Tensor:
        return step(x, eps_theta(x, t), z, t, s, schedule, eta)

    advance = recorded(advance)
    steps = torch.arange(schedule.T + 1, device=x.device)
    yield times[0], x
    for t, s in itertools.pairwise(times):
        x = advance(x, z(t), steps[t : t + 1], steps[s : s + 1])
        yield s, x


@dataclass(frozen=True)
class SubsequenceSampler(Sampler):
    """A `Sampler` that stops only at some times. Sample i has the noise that it has in Algorithm 2: the same x_T, and
    the same z for the step that starts at t. So with eta = 1 and all times it is that sampler. From `of` it takes no
    step yet: `replace(sampler, times=..., eta=...)` sets the times.
    """

    times: tuple[int, ...] = (0,)
    """From where it starts, falling to 0."""
    eta: float = 1.0

    @property
    def points(self) -> int:
        return len(self.times)

    def _backward(self, x: Tensor, noise: Tensor) -> Iterator[tuple[int, Tensor]]:
        return backward_process(self.eps_theta, x, lambda t: noise[:, t], self.schedule, self.times, self.eta)


@dataclass(frozen=True)
class Mixture:
    """x_0 of one variable, component k with probability `weights[k]` from N(means[k], deviations[k]^2), for which law,
    score and best prediction of the noise are known at every t. Arrays of any shape; abar = abar_t.
    """

    weights: tuple[float, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]

    @cached_property
    def components(self) -> tuple[Array, Array, Array]:
        """Weights, means and deviations, (K,) each."""
        return np.array(self.weights), np.array(self.means), np.array(self.deviations)

    def _standardised(self, x: Array, abar: float) -> tuple[Array, Array]:
        """(x - mean) / deviation for each component of the law of x_t, (..., K), and these deviations, (K,)."""
        _, means, deviations = self.components
        spread = np.sqrt(abar * deviations**2 + 1 - abar)
        return (np.asarray(x)[..., None] - np.sqrt(abar) * means) / spread, spread

    def responsibilities(self, x: Array, abar: float) -> Array:
        """p(component | x_t = x), (..., K)."""
        standard, spread = self._standardised(x, abar)
        return special.softmax(np.log(self.components[0] / spread) - standard**2 / 2, axis=-1)

    def noise(self, x: Array, abar: float) -> Array:
        """E[eps | x_t = x] = -sqrt(1 - abar) score(x, t)."""
        standard, spread = self._standardised(x, abar)
        return np.sqrt(1 - abar) * np.sum(self.responsibilities(x, abar) * standard / spread, axis=-1)

    def distribution(self, x: Array, abar: float) -> Array:
        """P(x_t <= x)."""
        return special.ndtr(self._standardised(x, abar)[0]) @ self.components[0]

    def quantile(self, u: Array, abar: float = 1.0) -> Array:
        """The x with P(x_t <= x) = u, by bisection to rounding, for 0 < u < 1."""
        _, means, deviations = self.components
        spread = np.sqrt(abar * deviations**2 + 1 - abar)
        ends = np.sqrt(abar) * means + spread * special.ndtri(np.asarray(u))[..., None]
        low, high = ends.min(axis=-1), ends.max(axis=-1)  # those of the components enclose the mixture's
        for _ in range(60):
            middle = (low + high) / 2
            below = self.distribution(middle, abar) < u
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return (low + high) / 2

    @property
    def variance(self) -> float:
        weights, means, deviations = self.components
        return float(weights @ (deviations**2 + means**2) - (weights @ means) ** 2)

    def draw(self, n: int, random: np.random.Generator) -> tuple[Array, NDArray[np.integer]]:
        """n independent x_0, and their components, both (n,)."""
        weights, means, deviations = self.components
        component = random.choice(len(weights), n, p=weights)
        return means[component] + deviations[component] * random.standard_normal(n), component


def coefficients(abar_t: float, abar_s: float, eta: float) -> tuple[float, float, float]:
    """`step` as a x + b eps + sigma z: (a, b, sigma)."""
    sigma = eta * np.sqrt((1 - abar_s) / (1 - abar_t) * (1 - abar_t / abar_s))
    a = np.sqrt(abar_s / abar_t)
    return a, np.sqrt(max(0.0, 1 - abar_s - sigma**2)) - a * np.sqrt(1 - abar_t), sigma


def even_steps(schedule: ContinuousSchedule, steps: int) -> Array:
    """abar at evenly spaced t from T to 0, (steps + 1,): as many steps as one likes, also more than T."""
    return np.array([schedule.alpha_bar(t) for t in np.linspace(schedule.steps.T, 0, steps + 1)])


def flow_error(mixture: Mixture, abar: Array, points: int = 4001) -> float:
    """E |x_0' - x_0| of the sampler with eta = 0 through `abar`, (S + 1,), from an exact draw of x_T: x_0 is where the
    probability flow leads and x_0' the sampler's end.

    In one variable the flow rises with x and keeps P(x_t <= x), so it leads from a quantile of x_T to the same quantile
    of x_0. The steps rise too. So no other pairing of the two laws is closer, and this is also their distance W_1.
    """
    weights, means, deviations = mixture.components
    ends = means + 8 * np.outer([-1, 1], deviations)
    x_0 = np.linspace(ends.min(), ends.max(), points)
    u = mixture.distribution(x_0, 1.0)
    inside = (u > 1e-15) & (u < 1 - 1e-15)
    x_0, x = x_0[inside], mixture.quantile(u[inside], abar[0])
    for before, after in itertools.pairwise(abar):
        a, b, _ = coefficients(before, after, eta=0.0)
        x = a * x + b * mixture.noise(x, before)
    standard = (x_0[:, None] - means) / deviations
    density = np.exp(-(standard**2) / 2) / (deviations * np.sqrt(2 * np.pi)) @ weights
    return float(np.trapezoid(np.abs(x - x_0) * density, x_0))


def end_of_law(mixture: Mixture, abar: Array, cells: int = 2048) -> tuple[Array, Array]:
    """The law with which the sampler with eta = 1 ends that starts from the exact law of x_T and steps through `abar`,
    (S + 1,), from abar_T to 1: points x, rising, and P(x_0' <= x) at them, both (cells,).

    The step without its noise, x -> a x + b eps(x), rises with x, and so takes the distribution function F with it; the
    noise then smoothes F by a Gaussian, in Fourier space. The last step has none.
    """
    width = 8 * max(1.0, mixture.variance**0.5) + np.abs(mixture.means).max()
    x = np.linspace(-width, width, cells)
    frequencies = 2 * np.pi * np.fft.rfftfreq(cells, d=x[1] - x[0])
    F = mixture.distribution(x, abar[0])
    for before, after in itertools.pairwise(abar):
        a, b, sigma = coefficients(before, after, eta=1.0)
        points = a * x + b * mixture.noise(x, before)
        if sigma == 0:
            return points, F
        moved = CubicSpline(points, F)(np.clip(x, points[0], points[-1]))
        mass = np.diff(moved, prepend=0.0)  # in the cell that ends at x
        F = np.cumsum(np.fft.irfft(np.fft.rfft(mass) * np.exp(-((sigma * frequencies) ** 2) / 2), cells))
    raise ValueError("the steps do not end at t = 0, where abar = 1")


def distance_of_laws(x: Array, F: Array, mixture: Mixture) -> float:
    """Wasserstein's distance W_1 of a law, by points x and distribution function F, both (n,), from the mixture: the
    integral of |F - G|, with the mixture's distribution function G. It is the largest error of a mean E f(x_0) over all
    f of Lipschitz constant 1.
    """
    _, means, deviations = mixture.components
    ends = means + 9 * np.outer([-1, 1], deviations)
    points = np.linspace(min(x[0], ends.min()), max(x[-1], ends.max()), 8 * len(x))
    law = PchipInterpolator(x, F)(np.clip(points, x[0], x[-1]))
    return float(np.trapezoid(np.abs(law - mixture.distribution(points, 1.0)), points))


def gaussian_end(variance: Array, abar: Array, eta: float) -> Array:
    """The variances with which the sampler ends, (d,), that starts from the exact law of x_T for Gaussian data with
    independent variables of these variances, (d,), and steps through `abar`, (S + 1,), down to 1. Of data in more
    dimensions they are the eigenvalues of the covariance; the means are exact. With c for a variance, and v, w of the
    steps,

        eta = 0:  c times the product of 1 - c (sqrt(v) - sqrt(w))^2 / ((c + v) (c + w)),
        eta = 1:  c minus the sum of (v - w)^2 c^3 / (v (c + v) (c + w)^2).

    Both end too narrow. For small steps the second term is 4 c / (c + w) times the first one's: the noise costs up to
    four times as much as it saves while w < 3 c, and the contraction that comes with it pays where w > 3 c.
    """
    levels = (1 - abar) / abar
    v, w = levels[:-1], levels[1:]
    c = np.asarray(variance, dtype=np.float64)[:, None]
    c_or_1 = np.where(c > 0, c, 1.0)  # what has no variance keeps none
    if eta == 0:
        lost = c * (np.sqrt(v) - np.sqrt(w)) ** 2 / ((c_or_1 + v) * (c_or_1 + w))
        return c[:, 0] * np.prod(1 - lost, axis=1)
    return c[:, 0] - np.sum((v - w) ** 2 * c**3 / (v * (c_or_1 + v) * (c_or_1 + w) ** 2), axis=1)


def path_errors(
    mixture: Mixture,
    schedule: ContinuousSchedule,
    steps: Sequence[int],
    finest: int,
    paths: int,
    random: np.random.Generator,
) -> list[float]:
    """E |x_0' - x_0| of the sampler with eta = 1, for each number of steps, all of which divide `finest`: x_0 is where
    the stochastic equation leads on a Brownian path W from an exact draw of x_T, and x_0' the sampler's end from there
    with z = (W_w - W_v) / sqrt(v - w).

    The reference are `finest` Euler-Maruyama steps, whose noise is the whole increment W_w - W_v, also in the last one,
    and whose strong order is therefore 1.
    """
    abar = even_steps(schedule, finest)
    v = (1 - abar) / abar
    x_0, _ = mixture.draw(paths, random)
    start = x_0 + np.sqrt(v[0]) * random.standard_normal(paths)  # y at T
    reference, ends = start, dict.fromkeys(steps, start)
    left, since = {S: np.zeros(paths) for S in steps}, dict.fromkeys(steps, 0)

    def denoised(y: Array, n: int) -> Array:
        return y - np.sqrt(v[n]) * mixture.noise(np.sqrt(abar[n]) * y, abar[n])

    for n in range(finest):
        dW = np.sqrt(v[n] - v[n + 1]) * random.standard_normal(paths)
        reference = reference + (v[n] - v[n + 1]) / v[n] * (denoised(reference, n) - reference) + dW
        for S in steps:
            left[S] += dW
            if (n + 1) % (finest // S) == 0:
                m, kept = since[S], v[n + 1] / v[since[S]]
                D = denoised(ends[S], m)
                ends[S] = D + kept * (ends[S] - D) + np.sqrt(kept) * left[S]
                left[S], since[S] = np.zeros(paths), n + 1
    return [float(np.abs(ends[S] - reference).mean()) for S in steps]
