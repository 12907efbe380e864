"""Chapter `forcing`: what runs of da = -P Lambda a dt + sigma P o dW say, beside exact laws.

One function for each record of beyond/forcing.json; each also returns what the figures show of it, or nothing.
"""

import logging
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from beyond.forcing import (
    LONGEST,
    bingham_marginal,
    bingham_squares,
    coordinates,
    cube_levels,
    field,
    field_step,
    first_share_of_two,
    multiplier_moments,
    run,
    seeds,
    small_noise,
    step,
    takeover,
    takeover_from,
)
from claims.statistics import largest, two_sided
from diffusion.pde import Grid, Stepper, eigenvalue
from engine.randomness import generator

logger = logging.getLogger(__name__)

Array = NDArray[np.floating]
Record = dict[str, Any]
Shown = dict[str, Any]

FOUR, SIX = np.arange(1, 5) ** 2.0, np.arange(1, 7) ** 2.0
"""lambda_k = k^2 of (0, pi), for as many modes."""


def kicks(seed: int, name: str, steps: int, dt: float, *shape: int) -> Iterator[Array]:
    """The increments of W over `steps` steps of size dt, one step after another, from a stream of their own."""
    source = generator(seed, f"forcing, {name}")
    for _ in range(steps):
        yield torch.randn(shape, generator=source, dtype=torch.float64).numpy() * dt**0.5


def everywhere(seed: int, name: str, *shape: int) -> Array:
    """Points of the unit sphere, uniformly distributed: (..., n)."""
    (a,) = kicks(seed, f"{name}, start", 1, 1.0, *shape)
    return a / np.linalg.norm(a, axis=-1, keepdims=True)


def long_run(
    seed: int, name: str, levels: Array, sigma: float, dt: float, paths: int, burn: float = 2.0, time: float = 4.0
) -> Array:
    """The mean squares of a on each path over `time` after `burn`: (paths, n)."""
    a, first, steps = everywhere(seed, name, paths, len(levels)), round(burn / dt), round((burn + time) / dt)
    total = np.zeros_like(a)
    for i, dW in enumerate(kicks(seed, name, steps, dt, *a.shape)):
        a = step(a, levels, sigma, dt, dW)
        if i >= first:
            total += a**2
    return total / (steps - first)


def with_error(of_paths: Array) -> tuple[float, float]:
    """The mean over independent paths, and its standard error."""
    return float(of_paths.mean()), float(of_paths.std(ddof=1) / len(of_paths) ** 0.5)


def norm(seed: int, paths: int = 100, steps: int = 1000) -> Record:
    """How far |a| leaves 1 over all steps, of six modes."""
    a, worst = everywhere(seed, "norm", paths, 6), 0.0
    for dW in kicks(seed, "norm", steps, 0.01, *a.shape):
        a = step(a, SIX, 1.0, 0.01, dW)
        worst = largest(worst, np.abs(np.linalg.norm(a, axis=-1) - 1).max())
    return {"drift": worst, "steps": steps, "paths": paths}


def strong(seed: int, paths: int = 1000, end: float = 0.5, finest: int = 4096) -> Record:
    """The strong order, of four modes: root mean square errors at `end` against a fine solution on the same paths."""
    steps = [16, 32, 64, 128, 256]
    start = np.full((paths, 4), 0.5)
    dW = np.stack(list(kicks(seed, "strong", finest, end / finest, paths, 4)))
    fine = run(start, FOUR, 1.0, end / finest, dW)
    errors = []
    for number in steps:
        coarse = run(start, FOUR, 1.0, end / number, dW.reshape(number, -1, paths, 4).sum(axis=1))
        errors.append(float(np.sqrt(np.sum((coarse - fine) ** 2, axis=1).mean())))
    return {"order": order(end / np.array(steps), errors), "errors": errors, "steps": steps, "finest": finest}


def weak(seed: int, paths: int) -> Record:
    """The order in law, of four modes with sigma = 1: the error of the long-run mean of one function, a' Lambda a,
    against the exact one. The 95% interval takes the order as linear in the relative errors of the errors.
    """
    dts, times = [0.1, 0.05, 0.025], [8.0, 8.0, 32.0]  # the smallest error is averaged longest
    exact = float(FOUR @ bingham_squares(FOUR, 1.0))
    runs = [
        with_error(long_run(seed, f"weak, {dt}", FOUR, 1.0, dt, paths, time=time) @ FOUR)
        for dt, time in zip(dts, times, strict=True)
    ]
    errors, noise = exact - np.array([mean for mean, _ in runs]), np.array([error for _, error in runs])
    value = order(dts, np.abs(errors))
    x = np.log(dts) - np.mean(np.log(dts))
    half = two_sided(1) * float(np.linalg.norm(x / np.sum(x**2) * noise / errors))
    return {
        "order": value,
        "order_low": value - half,
        "order_high": value + half,
        "uncertainty": half,
        "paths": paths,
        "errors": errors.tolist(),
        "noise": noise.tolist(),
        "steps": dts,
        "exact": exact,
    }


def order(sizes: ArrayLike, errors: ArrayLike) -> float:
    """The p of error = constant size^p, by least squares on the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


def on_grid(seed: int, cells: int = 400, steps: int = 200, dt: float = 0.01, sigma: float = 0.5) -> Record:
    """The forced flow in u on the grid of figure 7 beside that of a, six modes, on the same Brownian path, with figure
    7's solver at order 6 (the figure itself takes order 2, whose error would hide that of the noise): the largest
    difference of the a_k over all steps, and the largest relative drift of (21) in u. The levels are the grid's own, so
    that what is left is how far the grid's heat steps are from exact ones.
    """
    grid, start = Grid(np.pi, cells), np.arange(1.0, 7.0) / np.sqrt(91)
    levels, half = grid.eigenvalues[1:7], Stepper(grid, dt / 2, 1.0, order=6)
    a, u, apart, drift = start, field(start, grid), 0.0, 0.0
    for dW in kicks(seed, "grid", steps, dt, 6):
        a, u = step(a, levels, sigma, dt, dW), field_step(u, half, sigma, dt, dW)
        apart = largest(apart, np.abs(coordinates(u, grid, 6) - a).max())
        drift = largest(drift, abs(grid.gradient_norm(u) - 1))
    return {"difference": apart, "drift": drift, "cells": cells, "steps": steps}


def distance(sample: Array, x: Array, P: Array, cases: int = 1) -> dict[str, float]:
    """The Kolmogorov-Smirnov distance of a sample from the distribution function that is P at x, and the upper end of
    the 95% interval of the law's own, by the inequality of Dvoretzky, Kiefer and Wolfowitz with Massart's constant;
    with Bonferroni's correction, if it is to hold for the worst of several `cases`.
    """
    n, exact = len(sample), np.interp(np.sort(sample), x, P)
    d = max(float((np.arange(1, n + 1) / n - exact).max()), float((exact - np.arange(n) / n).max()))
    return {"distance": d, "distance_high": d + float(np.sqrt(np.log(2 * cases / 0.05) / (2 * n)))}


def law(seed: int, levels: Array, paths: int, dt: float = 0.01, end: float = 3.0) -> Array:
    """States at `end` of independent paths with sigma = 1, from everywhere: (paths, n)."""
    name = f"law of {len(levels)}"
    a = everywhere(seed, name, paths, len(levels))
    for dW in kicks(seed, name, round(end / dt), dt, *a.shape):
        a = step(a, levels, 1.0, dt, dW)
    return a


def two_modes(seed: int, paths: int) -> tuple[Record, Shown]:
    """The law of two modes with sigma = 1 beside the von Mises distribution of twice the angle, and E a_1^2."""
    levels = FOUR[:2]
    a = law(seed, levels, paths)
    twice = (2 * np.arctan2(a[:, 1], a[:, 0]) + np.pi) % (2 * np.pi) - np.pi
    q = float((levels[1] - levels[0]) / 2)
    x = np.linspace(-np.pi, np.pi, 2001)
    density = np.exp(q * np.cos(x))
    P = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    square = float(np.mean(a[:, 0] ** 2))
    record = distance(twice, x, P / P[-1]) | {
        "concentration": q,
        "share": square,
        "share_exact": first_share_of_two(levels, 1.0),
        "paths": paths,
    }
    counts, edges = np.histogram(twice, bins=48, range=(-np.pi, np.pi))
    width = edges[1] - edges[0]
    shown = {
        "two_edges": edges,
        "two_density": counts / paths / width,
        "two_x": x,
        "two_exact": density / (P[-1] * (x[1] - x[0])),
    }
    return record | {"share_error": abs(record["share"] - record["share_exact"])}, shown


def four_modes(seed: int, paths: int) -> tuple[Record, Shown]:
    """The law of four modes with sigma = 1 beside the Bingham distribution: the largest distance of an |a_k| from its
    exact law, with a bound that holds for all four, and the mean squares.
    """
    a = np.abs(law(seed, FOUR, paths))
    exact = [bingham_marginal(FOUR, 1.0, k) for k in range(1, 5)]
    distances = [distance(column, *marginal, cases=4) for column, marginal in zip(a.T, exact, strict=True)]
    worst = distances[int(np.argmax([one["distance"] for one in distances]))]
    squares, expected = np.mean(a**2, axis=0), bingham_squares(FOUR, 1.0)
    record = worst | {
        "squares": squares.tolist(),
        "squares_exact": expected.tolist(),
        "squares_error": float(np.abs(squares - expected).max()),
        "paths": paths,
    }
    quantiles = (np.arange(1, 100)) / 100
    shown = {"four_P": quantiles, "four_sample": np.quantile(a, quantiles, axis=0)}
    return record, shown | {"four_x": np.stack([x for x, _ in exact]), "four_exact": np.stack([P for _, P in exact])}


def share(seed: int, paths: int) -> tuple[Record, Shown]:
    """The share of phi_1 in the long run against sigma, six modes: simulated and exact, and the largest difference with
    intervals that hold for all sigma at once.
    """
    sigmas, curve = np.array([0.1, 0.2, 0.35, 0.6, 1.0, 1.7, 3.0]), np.geomspace(0.08, 4, 60)
    runs = [long_run(seed, f"share, {s}", SIX, s, min(0.01, 0.02 / s**2), paths) for s in sigmas]
    means, errors = np.transpose([with_error(squares[:, 0]) for squares in runs])
    exact = np.array([bingham_squares(SIX, s, 1)[0] for s in sigmas])
    record = {
        "difference_high": float((np.abs(means - exact) + two_sided(len(sigmas)) * errors).max()),
        "sigmas": sigmas.tolist(),
        "means": means.tolist(),
        "exact": exact.tolist(),
    }
    shown = {
        "share_sigma": sigmas,
        "share_mean": means,
        "share_error": errors,
        "share_curve": curve,
        "share_exact": np.array([bingham_squares(SIX, s, 1)[0] for s in curve]),
        "share_small": np.array([1 - small_noise(SIX, s) for s in curve]),
    }
    return record, shown


def small(sigmas: Sequence[float] = (0.2, 0.1, 0.05)) -> Record:
    """1 - E a_1^2 over what theory says for small sigma, six modes: both exact."""
    ratios = [float((1 - bingham_squares(SIX, s, 1)[0]) / small_noise(SIX, s)) for s in sigmas]
    return {"ratio": ratios[-1], "ratios": ratios, "sigmas": list(sigmas), "sigma": sigmas[-1]}


def cascade(
    seed: int, amplitudes: Sequence[float], length: float, sigma: float, paths: int = 400, dt: float = 1e-3
) -> tuple[Record, Shown]:
    """The cascade of figure 7, from its start: the time until phi_1 holds half of (21), in units of 1 / lambda_1, and
    how many modes lead until then, without noise and, in the median over paths, with noise of increasing sigma; beside
    it the time by theory, in which noise only adds to the start (`seeds`). To be shown, one path with `sigma`, and the
    one without. A start from which phi_1 never gets there without noise has no time `quiet`.
    """
    n = len(amplitudes)
    levels = eigenvalue(np.arange(1, n + 1), length)
    levels, start = levels / levels[0], np.sqrt(levels) * np.array(amplitudes)
    start /= np.linalg.norm(start)
    steps = round(1.5 * min(takeover_from(start[None], levels)[0], LONGEST) / dt)
    quiet, led_quiet = takeover(start[None], levels, 0.0, dt, repeat(np.zeros((1, n)), steps))
    sigmas, times, theory, led = np.geomspace(1e-13, 1e-1, 13), [], [], []
    (normal,) = kicks(seed, "cascade, seeds", 1, 1.0, 4000, n)
    for one in sigmas:
        source = kicks(seed, f"cascade, {one:.0e}", steps, dt, paths, n)
        time, modes = takeover(np.tile(start, (paths, 1)), levels, one, dt, source)
        times.append(np.quantile(np.minimum(time, steps * dt), [0.05, 0.5, 0.95]))
        led.append(float(np.median(modes)))
        theory.append(float(np.median(takeover_from(start + seeds(start, levels, one) * normal, levels))))
    medians = np.array(times)[:, 1]
    weak = sigmas < 0.05
    record = {
        "quiet": float(quiet[0]) if np.isfinite(quiet[0]) else None,
        "longest": LONGEST,
        "modes_quiet": int(led_quiet[0]),
        "sigmas": sigmas.tolist(),
        "times": medians.tolist(),
        "theory": theory,
        "modes": led,
        "time_loud": float(medians[-1]),
        "modes_loud": led[-1],
        "sigma_loud": float(sigmas[-1]),
        "theory_error": float(np.abs(medians / theory - 1)[weak].max()),
    }
    every, end = 2, 3000
    shown = {"cascade_t": np.arange(0, end + 1, every) * dt, "cascade_theory": np.array(theory)}
    for name, strength in (("quiet", 0.0), ("forced", sigma)):
        states, a = [start], start
        for i, dW in enumerate(kicks(seed, "one path", end, dt, n), 1):
            a = step(a, levels, strength, dt, dW)
            if i % every == 0:
                states.append(a)
        shown[f"cascade_{name}"] = np.abs(np.array(states))
    shown |= {"cascade_sigma": sigmas, "cascade_times": np.array(times), "cascade_led": np.array(led)}
    return record, shown | {"cascade_quiet_time": quiet[0], "cascade_shown_sigma": np.array(sigma)}


def many_modes(seed: int, paths: int = 600) -> tuple[Record, Shown]:
    """The share of the first eigenvalue in the long run against the number n of modes, with sigma = 1, on the interval,
    the square and the cube: exact, and simulated for n = 2..64 on the first two, with intervals that hold for all these
    runs at once.

    On the interval what is left to the limit falls as a power of n, and so does on the square the share itself: the two
    `power`s, over the last two doublings of n.
    """
    exact_n, run_n = 2 ** np.arange(1, 13), 2 ** np.arange(1, 7)
    z = two_sided(2 * len(run_n))
    exact, first, shown, worst = {}, {1: 1, 2: 2, 3: 3}, {"many_n": exact_n, "many_run_n": run_n}, 0.0
    for d in (1, 2, 3):
        levels = cube_levels(2 * exact_n[-1], d)
        exact[d] = np.array([first_space(levels[:n], first[d]) for n in exact_n])
        shown[f"many_exact_{d}"] = exact[d]
        if d == 3:
            continue
        runs = []
        for n in run_n:
            dt = float(min(0.01, 2 / levels[n - 1]))
            squares = long_run(seed, f"many, {d}, {n}", levels[:n], 1.0, dt, paths)
            runs.append(with_error(squares[:, : first[d]].sum(axis=1)))
        means, errors = np.transpose(runs)
        shown |= {f"many_mean_{d}": means, f"many_error_{d}": errors}
        worst = largest(worst, (np.abs(means - exact[d][: len(run_n)]) + z * errors).max())
    limit = first_space(cube_levels(4 * exact_n[-1], 1), 1)
    record = {
        "difference_high": worst,
        "limit": limit,
        "power_interval": -order(exact_n[5:9], exact[1][5:9] - limit),
        "power_square": -order(exact_n[-3:], exact[2][-3:]),
        "square": float(exact[2][-1]),
        "cube": float(exact[3][-1]),
        "most": int(exact_n[-1]),
    }
    return record, shown | {"many_limit": np.array(limit)}


def first_space(levels: Array, dimension: int) -> float:
    """The long-run share of the first eigenvalue, of that dimension, with sigma = 1: its modes have equal ones."""
    return float(bingham_squares(levels, 1.0, 1)[0]) * min(dimension, len(levels))


def multiplier(modes: Sequence[int] = (16, 64, 256)) -> Record:
    """The long-run variance of mu = a' Lambda a of (22) over sigma^4 n / 2, on the interval with sigma = 1, and the
    mean less sigma^2 n / 2, which is the correction from Stratonovich's sense to Ito's: exact.
    """
    moments = [multiplier_moments(np.arange(1, n + 1) ** 2.0, 1.0) for n in modes]
    ratios = [variance / (n / 2) for n, (_, variance) in zip(modes, moments, strict=True)]
    return {
        "ratio": ratios[-1],
        "ratios": ratios,
        "means_left": [mean - n / 2 for n, (mean, _) in zip(modes, moments, strict=True)],
        "modes": list(modes),
        "most": modes[-1],
    }


def measure(
    amplitudes: Sequence[float], length: float, sigma: float, paths: int, seed: int
) -> tuple[dict[str, Record], Shown]:
    """All records of beyond/forcing.json, and what the figures show, beyond/forcing.npz.

    `amplitudes` and `length` are those of figure 7, `sigma` is the noise of the path that is shown, and `paths` are
    those of the laws.
    """
    records: dict[str, Record] = {
        "norm": norm(seed),
        "strong": strong(seed),
        "weak": weak(seed, paths // 5),
        "on_grid": on_grid(seed),
        "small": small(),
        "multiplier": multiplier(),
    }
    shown: Shown = {}
    for name, (record, arrays) in {
        "two_modes": two_modes(seed, paths),
        "four_modes": four_modes(seed, paths),
        "share": share(seed, paths // 20),
        "cascade": cascade(seed, amplitudes, length, sigma),
        "many_modes": many_modes(seed),
    }.items():
        records[name] = record
        shown |= arrays
    for name, record in records.items():
        logger.info("%s: %s", name, record)
    return records, shown
