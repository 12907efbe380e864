"""Section 7: the diffusion PDE (20)-(22) on an interval, continuously rescaled to keep the norm of its gradient.

    (20)  u_t = Lap u + mu(t) u  on (0, L),  u_x = 0 at both ends,  u(x, 0) = u_0(x) of zero mean
    (21)  integral of |u_x|^2 dx = C  for all t >= 0, with C set by u_0

Grids are cell-centred: N cells of width h = L / N, values at x_i = (i + 1/2) h.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import factorial
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, idct
from scipy.linalg.lapack import zgttrf, zgttrs

from engine.errors import UserError

Array = NDArray[np.floating]

MOST_VALUES = 20_000_000
"""The most values of u that are kept (160 MB); very fine grids keep fewer times."""


@overload
def eigenvalue(k: int, L: float) -> float: ...


@overload
def eigenvalue(k: NDArray[np.integer], L: float) -> Array: ...


def eigenvalue(k, L):
    """lambda_k = (k pi / L)^2 of -Lap phi_k = lambda_k phi_k with no flux at the ends of (0, L), k = 0, 1, ..."""
    return (k * np.pi / L) ** 2


def eigenfunction(k: int, x: Array, L: float) -> Array:
    """phi_k(x) = sqrt(2 / L) cos(k pi x / L), k >= 1, and phi_0 = sqrt(1 / L): orthonormal on (0, L)."""
    return np.sqrt((2 if k else 1) / L) * np.cos(k * np.pi * x / L)


def combination(amplitudes: Array, x: Array, L: float) -> Array:
    """The sum over k = 1..K of amplitudes[k - 1] phi_k(x)."""
    return sum((a * eigenfunction(k, x, L) for k, a in enumerate(amplitudes, start=1)), np.zeros_like(x))


def steady_state(k: int, x: Array, L: float, C: float) -> Array:
    """u_k = sqrt(C / lambda_k) phi_k, k >= 1: the steady states of section 7, up to their sign."""
    if k < 1:
        raise ValueError(f"there is no steady state for k = {k}: phi_0 is constant, and its gradient has no norm")
    return np.sqrt(C / eigenvalue(k, L)) * eigenfunction(k, x, L)


@dataclass(frozen=True)
class Grid:
    """N cells on (0, L), second-order differences, no flux through the ends."""

    L: float
    N: int

    @property
    def h(self) -> float:
        """The width of a cell."""
        return self.L / self.N

    @cached_property
    def x(self) -> Array:
        """Centres of the cells, (N,)."""
        return (np.arange(self.N) + 0.5) * self.h

    @cached_property
    def eigenvalues(self) -> Array:
        """The eigenvalues 4/h^2 sin^2(k pi h / (2 L)) of -Lap_h for k = 0..N-1; its eigenvectors are the phi_k at x."""
        return 4 / self.h**2 * np.sin(np.arange(self.N) * np.pi / (2 * self.N)) ** 2

    def laplacian(self, u: Array) -> Array:
        """Lap_h u: second differences, the value beyond an end being that inside it."""
        return np.diff(np.concatenate([u[:1], u, u[-1:]]), n=2) / self.h**2

    def integral(self, u: Array) -> float:
        """The midpoint rule."""
        return float(np.sum(u)) * self.h

    def gradient_norm(self, u: Array) -> float:
        """The integral of |u_x|^2 in (21), by differences at the cells' interfaces; equals -integral of u Lap_h u."""
        return float(np.sum(np.diff(u) ** 2)) / self.h

    def amplitudes(self, u: Array) -> Array:
        """The integrals of u phi_k for k = 0..N-1, by a DCT-II over the last axis."""
        return dct(u, type=2, norm="ortho", axis=-1) * np.sqrt(self.h)

    def from_amplitudes(self, a: Array) -> Array:
        """The inverse of `amplitudes`."""
        return idct(a, type=2, norm="ortho", axis=-1) / np.sqrt(self.h)


def multiplier(u: Array, grid: Grid) -> float:
    """mu(t) = integral of (Lap u)^2 dx / C of (22), with C the current value of (21)."""
    return grid.integral(grid.laplacian(u) ** 2) / grid.gradient_norm(u)


@lru_cache
def _factors_of_p(order: int) -> list[complex]:
    """a for each pair of roots, -1 / a and its conjugate, of p in `Stepper`: p(s) is the product of the |1 + a s|^2."""
    roots = np.roots([1 / factorial(k) for k in range(order, -1, -1)])  # the coefficients of s^m, ..., s, 1
    return [-1 / z for z in roots[roots.imag > 0]]


class Stepper:
    """One step of size dt of (20)-(21), in O(N) work: a heat step, then the rescaling that (21) asks for.

    u solves (20)-(21) exactly if it is v / |v_x| times sqrt(C), with v_t = Lap v; mu(t) is the rate of the rescaling.
    So a step takes the heat equation forward by 1 / p(s) in place of exp(-s), with s = -dt Lap_h and p(s) = 1 + s +
    s^2 / 2 + ... + s^m / m! for an even order m, and rescales. This approximation has order m, is positive, and
    decreases in s: no mode grows at any dt, and a lower mode never decays faster than a higher one, which is what
    decides where the rescaled solution goes.

    p is the product of |1 + a s|^2 over its pairs of roots -1 / a, and 1 / |1 + a s|^2 = Im(a / (1 + a s)) / Im a: one
    complex tridiagonal solve a pair. (The partial fractions of 1 / p itself cancel to s^-m in high modes and at large
    dt, where rounding leaves eps / s: with order 4 and more, what was left of phi_1 was lost in it.) In floating point
    an error of about eps dt lambda_{N-1} of u remains, relative, whatever the order.

    The mean is taken out and the norm restored: (22) as written lets an error of the norm grow as exp(2 integral of
    mu dt), and one of the mean as exp(integral of mu dt).

    Raises ValueError for an order that is odd or below 2, for a dt or C that is not positive, and for a dt so large
    that rounding would be more than a thousandth of u.
    """

    LARGEST = 1e-3 / np.finfo(float).eps
    """Of dt times the grid's largest eigenvalue."""

    def __init__(self, grid: Grid, dt: float, C: float, order: int = 2) -> None:
        if not (dt > 0 and C > 0):
            raise ValueError(f"the step dt = {dt} and the gradient norm C = {C} must be positive")
        if order < 2 or order % 2:
            raise ValueError(f"the order {order} must be even and at least 2")
        if dt * grid.eigenvalues[-1] > self.LARGEST:
            largest = self.LARGEST / grid.eigenvalues[-1]
            raise ValueError(f"the step dt = {dt:g} would lose u in rounding errors: take at most {largest:.1e}")
        self.grid, self.C = grid, C
        self.solves = [(a, self._factors(a * dt)) for a in _factors_of_p(order)]

    def _factors(self, a_dt: complex) -> list[Array]:
        """Of 1 - a dt Lap_h, tridiagonal."""
        N, r = self.grid.N, a_dt / self.grid.h**2
        diagonal = np.full(N, 1 + 2 * r)
        diagonal[[0, -1]] = 1 + r
        off_diagonal = np.full(N - 1, -r)
        *factors, info = zgttrf(off_diagonal, diagonal, off_diagonal)
        if info:
            raise FloatingPointError(f"the tridiagonal factorisation failed at row {info}")
        return factors

    def __call__(self, u: Array) -> Array:
        for a, factors in self.solves:
            u = (a * zgttrs(*factors, u)[0]).imag / a.imag
            u -= u.mean()
        return u * np.sqrt(self.C / self.grid.gradient_norm(u))


@dataclass(frozen=True)
class Solution:
    """u at the times t: t (m,), u (m, N), mu (m,), and how well (21) and the zero mean were kept over *all* steps."""

    t: Array
    u: Array
    mu: Array
    C: float
    norm_drift: float
    """max over steps of |integral of |u_x|^2 - C| / C."""
    mean_drift: float
    """max over steps of |mean of u| / max |u|."""


def solve(
    u_0: Array, grid: Grid, dt: float, steps: int, save_every: int = 1, order: int = 2, also: Collection[int] = ()
) -> Solution:
    """(20)-(22) from u_0, (N,), over `steps` steps of size dt; u is kept after every `save_every`-th and `also`.

    `order` is the order in time, an even number: a step costs order / 2 tridiagonal solves, and where only the end is
    needed, a few steps of order 6 replace hundreds of order 2.
    The mean of u_0 is removed. Raises ValueError if nothing is left: a constant has no gradient to keep. Raises
    UserError if u, mu or a drift is not finite.
    """
    u = np.asarray(u_0, dtype=np.float64) - np.mean(u_0)
    C = grid.gradient_norm(u)
    if not C > 0:
        raise ValueError("u_0 is constant: (21) needs an initial condition whose gradient has a positive norm")
    step = Stepper(grid, dt, C, order)
    times, states, rates = [0.0], [u], [multiplier(u, grid)]
    norm_drift = mean_drift = 0.0
    for n in range(1, steps + 1):
        u = step(u)
        norm_drift = max(norm_drift, abs(grid.gradient_norm(u) - C) / C)
        mean_drift = max(mean_drift, abs(float(u.mean())) / float(np.abs(u).max()))
        if n % save_every == 0 or n in also:
            times.append(n * dt)
            states.append(u)
            rates.append(multiplier(u, grid))
    if not (np.isfinite(u).all() and np.isfinite([C, norm_drift, mean_drift, *rates]).all()):
        raise UserError(
            f"the solution of the PDE is not finite after {steps} steps of {dt:g} on {grid.N} cells: it left the range "
            "of floating-point numbers; look at pde.amplitudes, pde.length and pde.dt for one too large or small"
        )
    return Solution(np.array(times), np.array(states), np.array(rates), C, norm_drift, mean_drift)


def mode_shares(amplitudes: Array, eigenvalues: Array) -> Array:
    """Each mode's share of the gradient norm (21), which is the sum over k of lambda_k a_k^2: (m, K + 1).

    `amplitudes`, (m, K + 1), are those of phi_0..phi_K at m times, `eigenvalues`, (K + 1,), their lambda_k. The shares
    of a time sum to 1, and that of the constant phi_0 is 0.
    """
    parts = eigenvalues * amplitudes**2
    return parts / parts.sum(axis=-1, keepdims=True)


def leading_modes(t: Array, amplitudes: Array, eigenvalues: Array) -> list[dict]:
    """The succession of modes that hold the largest share of (21): [{"k", "from", "to"}, ...] over the times t, (m,).

    `amplitudes` and `eigenvalues` are as in `mode_shares`. A mode leads from the first time at which its share is the
    largest to the first at which another's is, or to the last time.
    """
    leader = mode_shares(amplitudes, eigenvalues).argmax(axis=1)
    starts = np.flatnonzero(np.diff(leader, prepend=0))
    ends = np.append(starts[1:], len(t) - 1)
    return [{"k": int(leader[a]), "from": float(t[a]), "to": float(t[b])} for a, b in zip(starts, ends, strict=True)]


def motion(amplitudes: Array, eigenvalues: Array) -> Array:
    """(22) in the amplitudes a_k of any domain's eigenfunctions: da_k/dt = (mu - lambda_k) a_k. Here mu of (22) is the
    sum of lambda_k^2 a_k^2 over that of lambda_k a_k^2. Both are (K,).
    """
    mu = np.sum(eigenvalues**2 * amplitudes**2) / np.sum(eigenvalues * amplitudes**2)
    return (mu - eigenvalues) * amplitudes


def exact_amplitudes(amplitudes: Array, eigenvalues: Array, t: float) -> Array:
    """The solution of `motion` a time t after it had these amplitudes, (K,): sqrt(C) v / |grad v|, with v the heat
    equation's solution. Exponents are taken relative to the slowest mode that is present and not the constant, so that
    nothing underflows.
    """
    C = np.sum(eigenvalues * amplitudes**2)
    present = amplitudes != 0
    slowest = eigenvalues[present & (eigenvalues > 0)].min()
    v = amplitudes * np.exp(np.where(present, slowest - eigenvalues, 0) * t)
    return v * np.sqrt(C / np.sum(eigenvalues * v**2))


def exact_solution(amplitudes: Array, x: Array, t: float, L: float) -> Array:
    """u(x, t) exactly, for u_0 the sum over k = 1..K of amplitudes[k - 1] phi_k."""
    return combination(exact_amplitudes(amplitudes, eigenvalue(np.arange(1, len(amplitudes) + 1), L), t), x, L)


def exact_semidiscrete(u_0: Array, grid: Grid, t: float) -> Array:
    """The exact solution of (20)-(22) discretised in space alone, from u_0, (N,), less its mean, by a DCT-II."""
    a = grid.amplitudes(u_0)
    a[0] = 0
    return grid.from_amplitudes(exact_amplitudes(a, grid.eigenvalues, t))


def l2_error(u: Array, reference: Array, grid: Grid) -> float:
    """The norm of u - reference in L2(0, L), relative to that of the reference."""
    return float(np.sqrt(grid.integral((u - reference) ** 2) / grid.integral(reference**2)))


def growth_rate(k: int, j: int, grid: Grid, dt: float, C: float = 1.0, size: float = 1e-6) -> float:
    """The rate at which a perturbation along phi_j of the steady state u_k grows, measured on a run of `solve`.

    By (23) it is lambda_k - lambda_j. The run lasts until, by theory, it has grown or decayed tenfold; the rate is the
    slope of log |amplitude_j| by least squares.
    """
    u_0 = steady_state(k, grid.x, grid.L, C) + size * eigenfunction(j, grid.x, grid.L)
    duration = np.log(10) / abs(grid.eigenvalues[k] - grid.eigenvalues[j])
    steps = max(10, round(duration / dt))
    solution = solve(u_0, grid, duration / steps, steps, save_every=max(1, steps * grid.N // MOST_VALUES))
    amplitude = np.abs(grid.amplitudes(solution.u)[:, j])
    return float(np.polyfit(solution.t, np.log(amplitude), 1)[0])


def figure_7(
    length: float,
    cells: int,
    dt: float,
    t_end: float,
    amplitudes: Sequence[float],
    profile_times: Sequence[float] = (),
) -> tuple[dict[str, Any], dict[str, float]]:
    """The solution that figure 7 shows, from u_0 the sum over k = 1..K of amplitudes[k - 1] phi_k, until t_end.

    First the solution at about a thousand times t, (m,), fewer on a very fine grid, and at the
    `profile_times`: x, t, u, mu and C as in `Solution`, and the amplitudes, (m, K + 1), and eigenvalues, (K + 1,), of
    phi_0..phi_K. Then C, the drifts over all steps, and their number.
    """
    grid = Grid(length, cells)
    steps, modes = round(t_end / dt), slice(len(amplitudes) + 1)
    u_0 = combination(np.array(amplitudes), grid.x, grid.L)
    save_every = max(1, steps // 1000, steps * cells // MOST_VALUES)
    also = {steps, *(round(t / dt) for t in profile_times)}
    try:
        solution = solve(u_0, grid, dt, steps, save_every, also=also)
    except ValueError as reason:
        raise UserError(f"the settings of pde cannot be used for figure 7: {reason}") from None
    arrays = {
        "x": grid.x,
        "t": solution.t,
        "u": solution.u,
        "mu": solution.mu,
        "C": solution.C,
        "amplitudes": grid.amplitudes(solution.u)[:, modes],
        "profile_times": np.array(profile_times),
        "eigenvalues": grid.eigenvalues[modes],
    }
    drifts = {"norm_drift": solution.norm_drift, "mean_drift": solution.mean_drift}
    return arrays, {"C": solution.C, **drifts, "steps": steps}
