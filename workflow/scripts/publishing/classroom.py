"""The page for the classroom: what its three sliders show, one dictionary a slider.

The page itself is templates/classroom.html, with its style in classroom.css and its script in classroom.js, which only
draws: whatever it shows of the mathematics is computed here.
"""

import base64
from collections.abc import Mapping
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from diffusion.backward import posterior_variance
from diffusion.forward import VarianceSchedule
from diffusion.pde import eigenfunction, leading_modes, mode_shares

Array = NDArray[np.float64]

POINTS = 201
"""Of the interval, at which the page draws the solution of the PDE."""


def sprite(images: Array) -> str:
    """Images (m, n, h, w), from -1 (black) to 1 (white), as one grey PNG in a data URL: in row i the n images of frame
    i side by side. What lies beyond that range is clipped.
    """
    m, n, h, w = images.shape
    grey = np.rint((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)
    sheet, png = grey.swapaxes(1, 2).reshape(m * h, n * w), BytesIO()
    Image.fromarray(sheet).save(png, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode("ascii")


def forward_frames(chain: Mapping[str, Array], schedule: VarianceSchedule) -> dict:
    """The chain (2), `images` (m, h, w) at the steps `t` (m,), from x_0 = images[0] at t[0] = 0.

    Each frame has three pictures: x_t, and the two parts that (8) says it is the sum of, sqrt(alpha_bar_t) x_0 and
    what remains, sqrt(1 - alpha_bar_t) eps.
    """
    t, x = chain["t"], chain["images"]
    alpha_bar = schedule.alpha_bar.numpy()[t]
    signal = np.sqrt(alpha_bar)[:, None, None] * x[0]
    return {
        "t": t.tolist(),
        "alpha_bar": alpha_bar.tolist(),
        "pixels": x.shape[-1],
        "sprite": sprite(np.stack([x, signal, x - signal], axis=1)),
    }


def backward_frames(chain: Mapping[str, Array], schedule: VarianceSchedule) -> dict:
    """Algorithm 2, `images` (m, n, h, w) at the steps `t` (m,) from T to 0, with what (19) has at each t."""
    t, x = chain["t"], chain["images"]
    return {
        "t": t.tolist(),
        "alpha": schedule.alpha.numpy()[t].tolist(),
        "alpha_bar": schedule.alpha_bar.numpy()[t].tolist(),
        "sigma": [posterior_variance(int(s), schedule).sqrt().item() if s else 0.0 for s in t],
        "pixels": x.shape[-1],
        "sprite": sprite(x),
    }


def pde_frames(solution: Mapping[str, Array], L: float) -> dict:
    """The solution of (20)-(22) on (0, L) at the times `t` (m,).

    It is given by its `amplitudes` (m, K + 1) along phi_0..phi_K and their `eigenvalues` (K + 1,).

    At each time: the amplitudes, and relative to the steady states, |a_j| sqrt(lambda_j / C), which is 1 at one; C of
    (21), mu of (22), the rates mu - lambda_j at which the modes grow now, the mean, the mode k that rules, and the
    amplitude sqrt(C / lambda_k) of the steady state on its side. For all times: the rates lambda_k - lambda_j by (23),
    in row k, how long each mode rules, and phi_0..phi_K at the points `x` that the page draws.
    """
    t, a, rate = solution["t"], solution["amplitudes"], solution["eigenvalues"]
    shares, C = mode_shares(a, rate), a**2 @ rate
    mu, x = shares @ rate, np.linspace(0, L, POINTS)
    basis = np.array([eigenfunction(k, x, L) for k in range(len(rate))])
    leader, now = shares.argmax(axis=1), np.arange(len(t))
    return {
        "L": L,
        "t": t.tolist(),
        "amplitudes": a.tolist(),
        "relative": np.sqrt(shares).tolist(),
        "C": C.tolist(),
        "mu": mu.tolist(),
        "rates": (mu[:, None] - rate).tolist(),
        "mean": (a[:, 0] / np.sqrt(L)).tolist(),
        "leader": leader.tolist(),
        "steady": (np.sign(a[now, leader]) * np.sqrt(C / rate[leader])).tolist(),
        "growth": (rate[:, None] - rate).tolist(),
        "reigns": leading_modes(t, a, rate),
        "x": x.tolist(),
        "basis": basis.tolist(),
        "largest": float(np.abs(a @ basis).max()),
    }
