"""Section 7, question (ii): the flow (20), (21) run backwards, first with mollification, then with noise.

The flow is the heat equation's, v_t = Lap v, rescaled; so backwards is a matter of the amplitudes a_k = <v, phi_k>,
each multiplied by exp(lambda_k T), and of how many of them can be believed.

Without noise. Data g = v(., T) with an error of norm delta, and all that is known of the start is (21): the integral
of |grad v(., 0)|^2 is at most C. Every method below keeps of mode k the share q(lambda_k) in [0, 1],

    v(., t) = the sum over k of q(lambda_k) exp(lambda_k (T - t)) <g, phi_k> phi_k,

and all share one number, the cut-off Lambda(delta) with sqrt(C / Lambda) exp(-Lambda T) = delta: there the error is as
large as what the start may hold.

With noise. dv = Lap v dt + varsigma dW, dW white in space and time: the linear flow without (21), in its modes k >= 1
(phi_0 would wander without end). In x_k = a_k / gamma_k, with gamma_k^2 = varsigma^2 / (2 lambda_k) the variance that
the noise alone builds up, this is (8) with an alpha_bar for each mode, alpha_bar_k(t) = exp(-2 lambda_k t). So
sections 3 to 5 hold as they stand, with `diffusion.backward`'s own functions.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, lambertw

from diffusion.backward import posterior_mean, posterior_variance
from diffusion.forward import forward_leap

Array = NDArray[np.floating]

# ---- A start with corners ----------------------------------------------------------------------------------------


def polygon(corners: Sequence[tuple[float, float]], modes: int, L: float) -> Array:
    """The amplitudes <f, phi_k>, k = 1..modes, (modes,), of the function f on (0, L) that is linear between its corners
    (x / L, f), the first at x = 0 and the last at x = L. Exact, by parts: they fall as 1 / k^2.
    """
    x, f = np.array(corners, dtype=float).T
    k = np.arange(1, modes + 1)[:, None]
    slopes = np.diff(f) / np.diff(x) / L
    return np.sqrt(2 / L) * (L / (k[:, 0] * np.pi)) ** 2 * (np.diff(np.cos(k * np.pi * x), axis=1) @ slopes)


def gradient_norm(amplitudes: Array, eigenvalues: Array) -> Array:
    """(21) in the amplitudes, (..., K): the sum over k of lambda_k a_k^2."""
    return np.sum(eigenvalues * amplitudes**2, axis=-1)


def heat(amplitudes: Array, eigenvalues: Array, t: float) -> Array:
    """The heat equation's solution a time t later, (..., K); backwards where t < 0, with all that brings."""
    return amplitudes * np.exp(-eigenvalues * t)


def rescaled(amplitudes: Array, eigenvalues: Array, C: float) -> Array:
    """The multiple that has the gradient norm C of (21): what turns the heat equation's solution into that of (20)."""
    return amplitudes * np.sqrt(C / gradient_norm(amplitudes, eigenvalues))[..., None]


# ---- Backwards without noise -------------------------------------------------------------------------------------


def cut_off(delta: float, T: float, C: float) -> float:
    """Lambda(delta): the root of sqrt(C / Lambda) exp(-Lambda T) = delta, by Lambert's W function, w exp(w) = 2 T C /
    delta^2 with w = 2 Lambda T.
    """
    return float(lambertw(2 * T * C / delta**2).real / (2 * T))


def best_possible(delta: float, t: float, T: float, C: float) -> float:
    """omega(delta, t) = sqrt(C / Lambda) exp(-Lambda t): the largest norm of v(., t) among solutions with gradient
    norm at most C at time 0 and norm at most delta at time T, where Lambda(delta) is an eigenvalue; elsewhere an upper
    bound.

    Where it is reached no method has a smaller worst error. Its logarithmic slope in delta, (1 + 2 Lambda t) /
    (1 + 2 Lambda T), tends to t / T.
    """
    Lambda = cut_off(delta, T, C)
    return float(np.sqrt(C / Lambda) * np.exp(-Lambda * t))


def slope(delta: float, t: float, T: float, C: float) -> float:
    """d log omega / d log delta = (1 + 2 Lambda t) / (1 + 2 Lambda T)."""
    Lambda = cut_off(delta, T, C)
    return (1 + 2 * Lambda * t) / (1 + 2 * Lambda * T)


def by_cut_off(eigenvalues: Array, Lambda: float, T: float) -> Array:
    """q of spectral cut-off: 1 up to Lambda, 0 beyond."""
    return (eigenvalues <= Lambda).astype(float)


def by_tikhonov(eigenvalues: Array, Lambda: float, T: float) -> Array:
    """q of Tikhonov's method, the minimiser of |v(., T) - g|^2 + (delta^2 / C) times the integral of |grad v(., 0)|^2:
    1 / (1 + (lambda / Lambda) exp(2 (lambda - Lambda) T)).
    """
    return expit(-np.log(eigenvalues / Lambda) - 2 * (eigenvalues - Lambda) * T)


def by_boundary_value(eigenvalues: Array, Lambda: float, T: float) -> Array:
    """q of the quasi-boundary-value method of Clark and Oppenheimer, v(., T) + eps v(., 0) = g with eps = exp(-Lambda
    T): 1 / (1 + exp((lambda - Lambda) T)).
    """
    return expit(-(eigenvalues - Lambda) * T)


def by_reversibility(eigenvalues: Array, Lambda: float, T: float) -> Array:
    """q of quasi-reversibility as Lattes and Lions have it, v_t = Lap v + eps Lap^2 v backwards from T to 0: exp(-eps
    lambda^2 T). With eps = 1 / (4 Lambda) it amplifies no error more than the cut-off does, by exp(Lambda T). At a time
    t > 0 `recovered` then means: back to 0 by this equation, and forward to t by the true one. Back to t alone q would
    be exp(-eps lambda^2 (T - t)).
    """
    return np.exp(-(eigenvalues**2) * T / (4 * Lambda))


METHODS: dict[str, Callable[[Array, float, float], Array]] = {
    "cut_off": by_cut_off,
    "tikhonov": by_tikhonov,
    "boundary_value": by_boundary_value,
    "reversibility": by_reversibility,
}


def recovered(data: Array, eigenvalues: Array, kept: Array, t: float, T: float) -> Array:
    """v(., t) from the amplitudes of the data at time T, (..., K), with the share `kept` of each mode, (K,)."""
    with np.errstate(divide="ignore"):
        return np.exp(np.log(kept) + eigenvalues * (T - t)) * data  # either factor alone may overflow or vanish


def worst_error(eigenvalues: Array, kept: Array, delta: float, t: float, T: float, C: float) -> float:
    """The largest error of `recovered` over all starts with gradient norm at most C and all errors of norm at most
    delta.

    With A_k what is missed and B_k what the error becomes in mode k, it is the largest |A a + B e| over |a|, |e| <= 1,
    whose square is the least over 0 < s < 1 of the largest A_k^2 / s + B_k^2 / (1 - s): no duality gap for two
    constraints.
    """
    missed = (1 - kept) * np.exp(-eigenvalues * t) * np.sqrt(C / eigenvalues)
    grown = recovered(np.full_like(eigenvalues, delta), eigenvalues, kept, t, T)

    def bound(s: float) -> float:
        return float((missed**2 / s + grown**2 / (1 - s)).max())

    return minimize_scalar(bound, bounds=(1e-9, 1 - 1e-9), method="bounded", options={"xatol": 1e-10}).fun ** 0.5


def cut_off_of_data(data: Array, eigenvalues: Array, delta: float, T: float) -> float:
    """Lambda from data of the flow (20), (21), whose scale at time T says nothing of that of the heat equation: the
    first eigenvalue at which an error delta would have grown to the gradient norm of all that is below it,

        delta^2 lambda exp(2 lambda T) >= the sum over lambda_k < lambda of lambda_k exp(2 lambda_k T) data_k^2,

    which is `cut_off` with the recovered norm in the place of C. `eigenvalues` ascend; the first is always kept.
    """
    # Both sides times exp(-2 lambda T), so that nothing overflows.
    share = eigenvalues * data**2
    for i in range(1, len(eigenvalues)):
        if eigenvalues[i] > eigenvalues[i - 1]:
            norm = np.sum(share[:i] * np.exp(2 * (eigenvalues[:i] - eigenvalues[i]) * T))
            if delta**2 * eigenvalues[i] >= norm:
                return float((eigenvalues[i - 1] + eigenvalues[i]) / 2)
    # Beyond the last eigenvalue nothing more can be recovered, and the norm stays.
    norm = gradient_norm(heat(data, eigenvalues, -T), eigenvalues)
    return max(float(eigenvalues[-1]), cut_off(delta, T, float(norm)))


def growth(start: Array, eigenvalues: Array, T: float) -> float:
    """s = exp(integral of mu from 0 to T): what (21) multiplies the heat equation's solution by, from `start`, (K,)."""
    return float(np.sqrt(gradient_norm(start, eigenvalues) / gradient_norm(heat(start, eigenvalues, T), eigenvalues)))


# ---- Backwards with noise ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ModeSchedule:
    """What takes the place of `diffusion.forward.VarianceSchedule` where each mode has an alpha of its own."""

    eigenvalues: Array
    """lambda_k > 0, (K,)."""
    times: Array
    """0 = t_0 < t_1 < ... < t_J = T, (J + 1,)."""

    @classmethod
    def graded(cls, eigenvalues: Array, T: float, steps: int) -> "ModeSchedule":
        """t_j = T (j / J)^2: short steps near t = 0, where the high modes move."""
        return cls(eigenvalues, T * (np.arange(steps + 1) / steps) ** 2)

    @property
    def T(self) -> int:
        """The number of steps."""
        return len(self.times) - 1

    @cached_property
    def alpha_bar(self) -> Array:
        """exp(-2 lambda_k t_j), (J + 1, K)."""
        return np.exp(-2 * self.eigenvalues * self.times[:, None])

    @cached_property
    def alpha(self) -> Array:
        """alpha_bar_j / alpha_bar_{j-1}, (J + 1, K), and 1 for j = 0."""
        return np.exp(-2 * self.eigenvalues * np.diff(self.times, prepend=0.0)[:, None])


@dataclass(frozen=True)
class Starts:
    """A law on finitely many initial conditions, for which the best denoiser is known."""

    x_0: Array
    """Their x_k, (m, K)."""
    probability: Array
    """(m,)."""

    def weights(self, x_t: Array, alpha_bar: Array) -> Array:
        """The probability of each start given x_t, (n, K), by Bayes's rule with the density (9): (n, m)."""
        seen = alpha_bar**0.5 * self.x_0
        logits = np.log(self.probability) - (seen**2 / (1 - alpha_bar)).sum(axis=1) / 2 + x_t / (1 - alpha_bar) @ seen.T
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def denoised(self, x_t: Array, alpha_bar: Array) -> Array:
        """E[x_0 | x_t], (n, K): what Algorithm 1's network would learn, as x_0 in place of the noise."""
        return self.weights(x_t, alpha_bar) @ self.x_0


def carried_forward(x_0: Array, j: int, eps: Array, schedule: ModeSchedule) -> Array:
    """(8), mode by mode: the forced heat flow at time t_j from x_0, with standard Gaussians eps, both (n, K)."""
    leap: Any = forward_leap  # as in diffusion/algebra.py, with arrays in the place of tensors
    return leap(x_0, j, eps, schedule)


def backward_process(
    starts: Starts, x_T: Array, z: Callable[[int], Array], schedule: ModeSchedule
) -> Iterator[tuple[int, Array]]:
    """Algorithm 2 from x_T, (n, K), with the best denoiser: yields (j, x at t_j) for j = J, ..., 0.

    The step is N(mu, sigma^2) of (16), (15) with E[x_0 | x_t] in the place of x_0, which is (19). In the form (18) it
    divides by sqrt(alpha), which for a fast mode is below the rounding error of what it divides.
    """
    mean: Any = posterior_mean
    variance: Any = posterior_variance
    x = x_T
    yield schedule.T, x
    for j in range(schedule.T, 0, -1):
        x = mean(x, starts.denoised(x, schedule.alpha_bar[j]), j, schedule) + variance(j, schedule) ** 0.5 * z(j)
        yield j - 1, x


def stationary_deviation(eigenvalues: Array, noise: float) -> Array:
    """gamma_k = varsigma / sqrt(2 lambda_k), (K,): the deviation of a_k that the noise alone builds up."""
    return noise / np.sqrt(2 * eigenvalues)


def time_to_forget(start: Array, eigenvalues: Array, noise: float) -> float:
    """T* = log(|a_1| / gamma_1) / lambda_1, after which the slowest mode of `start`, (K,), is below its noise.

    It grows as log(1 / varsigma): from a fixed T the flow's end is not its stationary law as varsigma -> 0.
    """
    deviation = stationary_deviation(eigenvalues[:1], noise)[0]
    return float(np.log(np.abs(start[0]) / deviation) / eigenvalues[0])
