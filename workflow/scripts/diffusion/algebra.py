"""The paper's objects in symbols, for sympy: the Gaussian (1), the steps of sections 3 and 4, and section 7 on (0, L)
and on a rectangle.

Gaussians are isotropic, so that one coordinate stands for all. The steps are the functions of `forward` and `backward`
themselves, called with symbols. (claims/algebra.py checks the paper's identities with them.)
"""

from types import SimpleNamespace
from typing import Any

import sympy
from sympy import Expr, cos, diff, exp, expand, integrate, nsimplify, pi, sqrt, symbols

from diffusion import backward, forward

x, x_0, x_t, y, z, eps = symbols("x x_0 x_t y z epsilon", real=True)
a, before = symbols("alpha_t abar_before", positive=True)
"""alpha_t, and alpha_bar_{t-1}: with (7), alpha_bar_t is their product."""
L, M, C = symbols("L M C", positive=True)


def density(x: Expr, mean: Expr, variance: Expr) -> Expr:
    """(1) in one coordinate."""
    return exp(-((x - mean) ** 2) / (2 * variance)) / sqrt(2 * pi * variance)


# Arguments (x, eps) that give the two coefficients of a step; Any, like the schedule, since the functions that take
# tensors are called with symbols here.
UNITS: Any = ((1, 0), (0, 1))


def _schedule(alpha: Expr, alpha_bar: Expr, before: Expr = before) -> Any:
    """A variance schedule of symbols, at the step t = 2."""
    return SimpleNamespace(alpha={2: alpha}, alpha_bar={1: before, 2: alpha_bar})


def _exact(value: Expr) -> Expr:
    """With rational exponents: the functions take roots as powers of 0.5."""
    return nsimplify(value, rational=True)


def forward_step(alpha: Expr) -> tuple[Expr, Expr]:
    """(4) as the scale of x_{t-1} and the variance of the noise."""
    schedule = _schedule(alpha, alpha * before)
    scale, deviation = (_exact(forward.forward_step(old, 2, noise, schedule)) for old, noise in UNITS)
    return scale, deviation**2


def forward_leap(alpha_bar: Expr) -> tuple[Expr, Expr]:
    """(8) as the scale of x_0 and the variance of the noise."""
    schedule = _schedule(a, alpha_bar)
    scale, deviation = (_exact(forward.forward_leap(old, 2, noise, schedule)) for old, noise in UNITS)
    return scale, deviation**2


def posterior_variance(alpha: Expr, before: Expr) -> Expr:
    """(15), with alpha_bar_t from (7)."""
    return _exact(backward.posterior_variance(2, _schedule(alpha, alpha * before, before)))


def posterior_mean(alpha: Expr, before: Expr) -> Expr:
    """(16), with alpha_bar_t from (7)."""
    return _exact(backward.posterior_mean(x_t, x_0, 2, _schedule(alpha, alpha * before, before)))


def denoising_mean(alpha: Expr, alpha_bar: Expr, noise: Expr = eps) -> Expr:
    """(18)."""
    return _exact(backward.denoising_mean(x_t, noise, 2, _schedule(alpha, alpha_bar)))


def denoising_step(alpha: Expr, before: Expr) -> Expr:
    """(19), with the predicted noise eps, the standard Gaussian z, and alpha_bar_t from (7)."""
    return _exact(backward.denoising_step(x_t, eps, z, 2, _schedule(alpha, alpha * before, before)))


def eigenvalue(k: Expr) -> Expr:
    """lambda_k of -Lap on (0, L) without flux through the ends."""
    return (k * pi / L) ** 2


def eigenfunction(k: Expr) -> Expr:
    """phi_k, for k >= 1 of norm 1 in L2(0, L)."""
    return sqrt(2 / L) * cos(k * pi * x / L)


def over_interval(u: Expr) -> Expr:
    """The integral of u over (0, L)."""
    return integrate(expand(u), (x, 0, L))


def right_hand_side(u: Expr, gradient_norm: Expr) -> Expr:
    """The right-hand side of (22)."""
    return diff(u, x, 2) + over_interval(diff(u, x, 2) ** 2) / gradient_norm * u


def keeping_another_norm(u: Expr, m: int, p: int) -> Expr:
    """u_t of another equation with another norm kept: u_t = -(-Lap)^p u + mu u. Here mu, the integral of
    (D^(m + p) u)^2 over that of (D^m u)^2, keeps the norm of the m-th derivative D^m u. With m = p = 1 it is (22).
    """
    mu = over_interval(diff(u, x, m + p) ** 2) / over_interval(diff(u, x, m) ** 2)
    return -((-1) ** p) * diff(u, x, 2 * p) + mu * u


def steady_state(k: Expr) -> Expr:
    """u_k = sqrt(C / lambda_k) phi_k."""
    return sqrt(C / eigenvalue(k)) * eigenfunction(k)


def over_rectangle(u: Expr) -> Expr:
    """The integral of u over (0, L) x (0, M)."""
    return integrate(expand(u), (x, 0, L), (y, 0, M))


def along_y(u: Expr) -> Expr:
    """A function of x and L as the same function of y and M."""
    return sympy.sympify(u).subs({x: y, L: M}, simultaneous=True)


def eigenvalue_on_rectangle(j: Expr, k: Expr) -> Expr:
    """lambda_jk of -Lap on (0, L) x (0, M) without flux through the boundary, whose phi_jk is phi_j(x) phi_k(y)."""
    return eigenvalue(j) + along_y(eigenvalue(k))


def steady_state_on_rectangle(j: Expr, k: Expr) -> Expr:
    """u_jk = sqrt(C / lambda_jk) phi_jk, for j, k >= 1."""
    return sqrt(C / eigenvalue_on_rectangle(j, k)) * eigenfunction(j) * along_y(eigenfunction(k))


def growth_rate(k: Expr, j: Expr) -> Expr:
    """The rate, from (23), at which phi_j grows near the steady state u_k."""
    return sympy.sympify(eigenvalue(k) - eigenvalue(j))


def heat_decay(rate: Expr, t: Expr) -> Expr:
    """What the heat equation leaves of a mode's amplitude after a time t."""
    return exp(-rate * t)


def heat_kernel(tau: Expr) -> Expr:
    """The heat equation's solution on the line, a time tau after it was a point mass at 0."""
    return density(x, 0, 2 * tau)
