"""Section 7, question (i): what noise does to the norm-preserving flow (20), (21).

With a_k = sqrt(lambda_k / C) <u, phi_k>, the flow of n modes is da = -P Lambda a dt on the unit sphere, where Lambda =
diag(lambda_1, ..., lambda_n) and P = I - a a': (21) is |a| = 1, and a_k^2 is the share of phi_k in it. Noise that keeps
(21) is tangential, and in the sense of Stratonovich:

    da = -P Lambda a dt + sigma P o dW

with W a Brownian motion in R^n. This is the gradient flow of a' Lambda a / 2 on the sphere, driven by a Brownian motion
of the sphere; so its stationary law has the density exp(-a' Lambda a / sigma^2), up to a factor, with respect to the
sphere's surface: a Bingham distribution.

Arrays of states have the shape (..., n), `levels` are lambda_1..lambda_n, (n,), and times are those of (20).
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.special import ive, logsumexp

from diffusion.pde import Grid, Stepper

Array = NDArray[np.floating]


def tangential(a: Array, w: Array) -> Array:
    """P w = w - a (a . w), the part of w along the sphere at a."""
    return w - a * np.sum(a * w, axis=-1, keepdims=True)


def gradient_flow(a: Array, levels: Array, t: float) -> Array:
    """The solution of da = -P Lambda a dt a time t after a: exp(-t Lambda) a, rescaled to length 1."""
    moved = a * np.exp(-t * (levels - levels.min()))
    return moved / np.linalg.norm(moved, axis=-1, keepdims=True)


def geodesic(a: Array, xi: Array) -> Array:
    """The point that a great circle reaches which starts in a along the tangential xi, and has the length |xi|."""
    length = np.linalg.norm(xi, axis=-1, keepdims=True)
    return a * np.cos(length) + xi * np.sinc(length / np.pi)


def step(a: Array, levels: Array, sigma: float, dt: float, dW: Array) -> Array:
    """One step of size dt of da = -P Lambda a dt + sigma P o dW, with dW the increment of W, of variance dt, (..., n).

    Half a step of `gradient_flow`, which is exact; the `geodesic` along xi = s P dW; and the other half. The factor
    s^2 = sigma^2 (1 - (n - 2) sigma^2 dt / 6) makes the walk's law that of Brownian motion on the sphere up to dt^3: it
    takes f to f + v Lap f / 2 + v^2 (Lap^2 f / 8 + (n - 2) Lap f / 12) + ..., where v = s^2 dt, by the expansion of a
    function's mean over small circles of the unit sphere in R^n. So the order is 2 in law; along paths it is 1/2, since
    the fields of the noise do not commute. |a| = 1 is kept to rounding, whatever dt.

    Raises ValueError for a step so large that s^2 would not be positive.
    """
    n = len(levels)
    kept = 1 - (n - 2) * sigma**2 * dt / 6
    if not kept > 0:
        raise ValueError(f"the step dt = {dt:g} is too large for sigma = {sigma:g} and {n} modes")
    a = gradient_flow(a, levels, dt / 2)
    a = geodesic(a, sigma * np.sqrt(kept) * tangential(a, dW))
    return gradient_flow(a, levels, dt / 2)


def heun_step(a: Array, levels: Array, sigma: float, dt: float, dW: Array) -> Array:
    """One step of Heun's method for the equation as written, rescaled to |a| = 1: slow, and independent of `step`."""

    def change(b: Array) -> Array:
        return tangential(b, sigma * dW - levels * b * dt)

    slope = change(a)
    a = a + (slope + change(a + slope)) / 2
    return a / np.linalg.norm(a, axis=-1, keepdims=True)


def run(a: Array, levels: Array, sigma: float, dt: float, increments: Array) -> Array:
    """The state after `step`s of size dt with these increments of W, (steps, ..., n), from a, (..., n)."""
    for dW in increments:
        a = step(a, levels, sigma, dt, dW)
    return a


# ---- the same in u -------------------------------------------------------------------------------------------------


def field(a: Array, grid: Grid, C: float = 1.0) -> Array:
    """u on the grid's cells, (N,), that has the shares a_k^2 of (21), a being those of phi_1..phi_n, (n,), n < N."""
    amplitudes = np.zeros(grid.N)
    amplitudes[1 : len(a) + 1] = a * np.sqrt(C / grid.eigenvalues[1 : len(a) + 1])
    return grid.from_amplitudes(amplitudes)


def coordinates(u: Array, grid: Grid, n: int, C: float = 1.0) -> Array:
    """a of a field u: the inverse of `field`."""
    return (np.sqrt(grid.eigenvalues / C) * grid.amplitudes(u))[1 : n + 1]


def field_step(u: Array, half: Stepper, sigma: float, dt: float, dW: Array) -> Array:
    """`step` in u on the grid, (N,): half a step of (20), (21) by the solver of figure 7, of any of its orders, a
    tangential kick, and the other half. `half` is that solver for steps of dt / 2, and dW is as in `step`, for the
    modes phi_1..phi_n.

    In u, the noise is sqrt(C) sigma (-Lap)^(-1/2) dW less its part along u in the inner product of the gradients, in
    which (21) says that u lies on a sphere.
    """
    grid, C, n = half.grid, half.C, len(dW)
    kept = 1 - (n - 2) * sigma**2 * dt / 6
    u = half(u)
    kick = field(sigma * np.sqrt(kept) * dW, grid, C)
    kick -= u * grid.integral(-grid.laplacian(u) * kick) / C
    length = np.sqrt(grid.gradient_norm(kick) / C)
    return half(u * np.cos(length) + kick * np.sinc(length / np.pi))


# ---- cascades ------------------------------------------------------------------------------------------------------


def takeover(a: Array, levels: Array, sigma: float, dt: float, kicks: Iterable[Array]) -> tuple[Array, Array]:
    """When phi_1 takes over, and how many modes have led until then, on each path, (paths,): first the time at which
    its share a_1^2 first exceeds 1/2, by linear interpolation between steps, and infinite if it never does; then the
    number of different modes whose share was the largest one at some step until then.

    `a`, (paths, n), are the starts, and `kicks` the increments of W, (paths, n) for each step.
    """
    before, rows = a[:, 0] ** 2, np.arange(len(a))
    time = np.where(before > 0.5, 0.0, np.inf)
    led = np.zeros(a.shape, bool)
    led[rows, (a**2).argmax(axis=1)] = True
    for i, dW in enumerate(kicks):
        a = step(a, levels, sigma, dt, dW)
        share, running = a[:, 0] ** 2, np.isinf(time)
        led[rows[running], (a[running] ** 2).argmax(axis=1)] = True
        over = running & (share > 0.5)
        time[over] = (i + (0.5 - before[over]) / (share[over] - before[over])) * dt
        if over.sum() == running.sum():
            break
        before = share
    return time, led.sum(axis=1)


def seeds(a: Array, levels: Array, sigma: float) -> Array:
    """How much small noise adds to each mode of a start a, (n,): standard deviations, (n,).

    a is v / |v| with dv = -Lambda v dt + sigma |v| o dW, so v_k is exp(-lambda_k t) times a_k + sigma times the
    integral of exp(lambda_k s) |v| dW_k. To first order |v|^2 is the sum over j of a_j^2 exp(-2 lambda_j s). Of what
    the higher modes, j > k, add to it the integral converges: for t well beyond 1 / (lambda_j - lambda_k) the noise is
    as a start with the variance sigma^2 sum_{j > k} a_j^2 / (2 (lambda_j - lambda_k)) more in mode k. What the modes
    j <= k add grows with t, and is left out: it is small as long as higher modes lead.
    """
    ahead = np.maximum(levels - levels[:, None], 0)
    return sigma * np.sqrt(np.sum(np.where(ahead > 0, a**2 / (2 * np.where(ahead > 0, ahead, 1)), 0), axis=1))


LONGEST = 100.0
"""In units of 1 / lambda_1: a start that takes longer, or for ever, is one without a cascade to phi_1."""


def takeover_from(a: Array, levels: Array) -> Array:
    """When phi_1 holds half of (21) without noise, from starts a, (m, n), by the exact solution and bisection: (m,);
    infinite if that takes longer than LONGEST.
    """
    with np.errstate(divide="ignore"):  # of an amplitude that is 0
        logs = np.log(np.abs(a))

    def over(
        t: Array,
    ) -> NDArray[np.bool_]:  # in logarithms: squares of small parts would vanish
        return logs[:, 0] > logsumexp(2 * (logs[:, 1:] - np.outer(t, levels[1:] - levels[0])), axis=1) / 2

    low, high = np.zeros(len(a)), np.full(len(a), LONGEST)
    reached = over(high)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = np.where(over(middle), low, middle), np.where(over(middle), middle, high)
    return np.where(reached, high, np.inf)


# ---- the stationary law --------------------------------------------------------------------------------------------


def first_share_of_two(levels: Array, sigma: float) -> float:
    """E a_1^2 = (1 + I_1(q) / I_0(q)) / 2 with q = (lambda_2 - lambda_1) / (2 sigma^2), for two modes.

    There a = (cos w, sin w), and 2 w has the von Mises distribution about 0 of concentration q.
    """
    q = (levels[1] - levels[0]) / (2 * sigma**2)
    return float((1 + ive(1, q) / ive(0, q)) / 2)


POINTS = 240
"""Of the trapezoidal rule in `log_density_of_squares`."""


def log_density_of_squares(rates: Array, r: Array, degrees: Array) -> Array:
    """The logarithm of the density at r, (m,), of the sum over k of x_k^2, where x_k^2 is chi-square of `degrees` d_k
    times 1 / (2 rates_k): for d_k = 1, of |x|^2 with independent x_k from N(0, 1 / (2 rates_k)).

    The inverse Laplace transform of the product over k of (1 + s / rates_k)^(-d_k / 2),

        f(r) = 1 / (2 pi i) integral of exp(s r) prod_k (1 + s / rates_k)^(-d_k / 2) ds,

    by the trapezoidal rule on the parabola s = -min rates + b (1 + i t)^2, which goes round the branch points, all on
    the left of it. b is chosen such that the parabola meets the real axis in the integrand's saddle point, the s for
    which r = sum_k d_k / (2 (rates_k + s)); so the integrand is largest there, and nothing cancels.
    """
    rates, degrees = rates[degrees > 0], degrees[degrees > 0]
    above = rates - rates.min()
    low, high = np.full(len(r), degrees[above == 0].sum()) / (2 * r), np.full(len(r), degrees.sum()) / (2 * r)
    for _ in range(40):  # bisection in b, where r - sum_k d_k / (2 (above_k + b)) rises from <= 0 to >= 0
        middle = np.sqrt(low * high)
        rises = np.array([np.sum(degrees / (above + b)) / 2 for b in middle]) < r
        low, high = np.where(rises, low, middle), np.where(rises, middle, high)
    logs = np.empty(len(r))
    for i, (b, at) in enumerate(zip(np.sqrt(low * high), r, strict=True)):
        t = np.linspace(0, np.sqrt(45 / (b * at)), POINTS)  # exp(-45) of the largest value at the end
        z = b * (1 + 1j * t) ** 2
        powers = np.zeros(POINTS, complex)
        for shift, degree in zip(above, degrees, strict=True):
            powers -= degree / 2 * np.log(z + shift)
        exponent = (z - b) * at + powers
        scale = exponent[0].real
        values = (np.exp(exponent - scale) * 2 * b * (1 + 1j * t)).real
        integral = (values.sum() - values[0] / 2) * (t[1] - t[0]) / np.pi
        logs[i] = scale + np.log(integral) + (b - rates.min()) * at
    return logs + np.sum(degrees * np.log(rates)) / 2


def bingham_squares(levels: Array, sigma: float, modes: int | None = None) -> Array:
    """E a_k^2 of the stationary law for k = 1..modes (all, if not given), to nine digits or more.

    The law is that of a Gaussian vector x with independent x_k from N(0, sigma^2 / (2 lambda_k)), given |x| = 1. So
    E a_k^2 = sigma^2 / (2 lambda_k) times the density of |x|^2 at 1 with two degrees of freedom more in place k, over
    that density.
    """
    rates, one = levels / sigma**2, np.ones(1)
    degrees = np.ones(len(levels))
    whole = log_density_of_squares(rates, one, degrees)[0]
    squares = []
    for k in range(len(levels) if modes is None else modes):
        degrees[k] = 3
        squares.append(np.exp(log_density_of_squares(rates, one, degrees)[0] - whole) / (2 * rates[k]))
        degrees[k] = 1
    return np.array(squares)


def bingham_marginal(levels: Array, sigma: float, k: int, points: int = 400) -> tuple[Array, Array]:
    """The distribution function of |a_k|, k = 1..n, in the stationary law, at `points` + 1 places from 0 to 1: x, P.

    Its density is, up to a factor, exp(-lambda_k x^2 / sigma^2) f(1 - x^2) with f the density of the sum of the other
    squares of the Gaussian vector. In w, x = sin w, it is smooth also for n = 2, and the midpoint rule integrates it.
    """
    rates = levels / sigma**2
    degrees = np.ones(len(levels))
    degrees[k - 1] = 0
    w = np.linspace(0, np.pi / 2, points + 1)
    middle = (w[:-1] + w[1:]) / 2
    logs = -rates[k - 1] * np.sin(middle) ** 2 + log_density_of_squares(rates, np.cos(middle) ** 2, degrees)
    mass = np.exp(logs - logs.max()) * np.cos(middle)
    return np.sin(w), np.concatenate([[0], np.cumsum(mass)]) / mass.sum()


def multiplier_moments(levels: Array, sigma: float, h: float = 0.003) -> tuple[float, float]:
    """The mean and the variance of mu = a' Lambda a of (22) in the stationary law, for levels (n,).

    With Z(b) the integral of exp(-b a' Lambda a) over the sphere they are -(log Z)' and (log Z)'' at b = 1 / sigma^2:
    by central differences of relative step h. Up to a constant log Z(b) is the logarithm of the density of |x|^2 at 1,
    for a Gaussian x with variances 1 / (2 b lambda_k), less n / 2 log b.
    """
    n, b = len(levels), np.array([1 - h, 1, 1 + h]) / sigma**2
    log_Z = [log_density_of_squares(one * levels, np.ones(1), np.ones(n))[0] - n / 2 * np.log(one) for one in b]
    step = h / sigma**2
    return float((log_Z[0] - log_Z[2]) / (2 * step)), float((log_Z[0] - 2 * log_Z[1] + log_Z[2]) / step**2)


def small_noise(levels: Array, sigma: float) -> float:
    """1 - E a_1^2 for small sigma: the sum over k >= 2 of sigma^2 / (2 (lambda_k - lambda_1)), since near phi_1 each
    other a_k is an Ornstein-Uhlenbeck process of rate lambda_k - lambda_1. A simple lambda_1 is taken for granted.
    """
    return float(np.sum(sigma**2 / (2 * (levels[1:] - levels[0]))))


def cube_levels(n: int, d: int) -> Array:
    """The n least positive eigenvalues of -Lap on the cube (0, pi)^d without flux: sums of d squares, in order."""
    reach = 1
    while True:
        squares = np.sum(np.meshgrid(*[np.arange(reach + 1) ** 2] * d, indexing="ij"), axis=0).ravel()
        inside = np.sort(squares[(squares > 0) & (squares <= reach**2)])  # beyond reach^2 some are missing
        if len(inside) >= n:
            return inside[:n].astype(float)
        reach *= 2
