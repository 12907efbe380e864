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

import numpy as np
from numpy.typing import NDArray

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
