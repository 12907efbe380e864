"""Section 7, question (ii): what runs of the flow backwards say, with mollification and with noise.

Four studies, whose arrays the figures show too, and one function for each record of beyond/reversal.json.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from beyond.reversal import (
    METHODS,
    ModeSchedule,
    Starts,
    backward_process,
    best_possible,
    by_cut_off,
    carried_forward,
    cut_off,
    cut_off_of_data,
    gradient_norm,
    growth,
    heat,
    polygon,
    recovered,
    rescaled,
    slope,
    stationary_deviation,
    time_to_forget,
    worst_error,
)
from claims.statistics import largest, total_variation, total_variation_bound
from diffusion.pde import Grid, combination, eigenvalue
from engine.randomness import numpy_generator

Array = NDArray[np.floating]

L = np.pi
MODES = 512
"""Of the start; the share of (21) beyond them is below a thousandth."""
CORNERS = [(0.0, 0.0), (0.15, 0.0), (0.25, 1.0), (0.45, 0.4), (0.6, 0.4), (0.7, -0.8), (0.8, -0.2), (1.0, -0.2)]
"""Of the start u_0, as (x / L, u_0): it has corners, and so is hardly smoother than (21) says."""
CELLS = 64
"""Number of modes in which the data's error is white."""
FRACTIONS = [0.0, 0.25, 0.5, 0.75]
"""The times t / T to which the runs go back."""
DELTAS = 10.0 ** -np.arange(1, 12.5, 0.5)
"""Errors of the data, where u_0 has norm 1."""
FITTED = DELTAS <= 1e-4
"""Those on which slopes are fitted: the exponents are limits for small errors."""
GRIDS = [64, 128, 256, 512]
BUMPS = [
    [(0.0, 1.0), (0.3, 1.0), (0.4, 0.0), (1.0, 0.0)],
    [(0.0, 0.0), (0.25, 0.0), (0.4, 1.0), (0.55, 0.0), (1.0, 0.0)],
    [(0.0, 0.0), (0.6, 0.0), (0.7, 1.0), (1.0, 1.0)],
    [(0.0, 0.6), (0.2, 0.6), (0.35, 0.0), (0.65, 0.0), (0.8, 0.8), (1.0, 0.8)],
]
"""The initial conditions of the flow with noise, each made to have gradient norm 2."""
PROBABILITY = np.array([0.4, 0.3, 0.2, 0.1])
NOISY_MODES = 32
LATE = 3.0
"""In units of 1 / lambda_1: so long after T* a start is a twentieth of the noise's deviation."""


def start() -> tuple[Array, Array]:
    """The amplitudes of u_0, of norm 1, and the eigenvalues, (MODES,)."""
    amplitudes = polygon(CORNERS, MODES, L)
    return amplitudes / np.linalg.norm(amplitudes), eigenvalue(np.arange(1, MODES + 1), L)


def errors_of_data(delta: float, draws: int, seed: int, stream: str) -> Array:
    """Errors of norm delta in random directions, (draws, MODES): Gaussian in the first CELLS modes."""
    noise = np.zeros((draws, MODES))
    noise[:, :CELLS] = numpy_generator(seed, f"beyond, reversal, {stream}").standard_normal((draws, CELLS))
    return delta * noise / np.linalg.norm(noise, axis=1, keepdims=True)


# ---- Studies -----------------------------------------------------------------------------------------------------


def recovery(end: float, draws: int, seed: int) -> dict[str, Array]:
    """Errors at the times FRACTIONS of the `end` T, for the DELTAS: the best possible one, (F, D), the worst of each
    method, (M, F, D), and those of runs from u_0, (M, F, D, draws), all in L2.
    """
    u_0, eigenvalues = start()
    C = float(gradient_norm(u_0, eigenvalues))
    times, methods = np.array(FRACTIONS) * end, list(METHODS.values())
    best = np.array([[best_possible(delta, t, end, C) for delta in DELTAS] for t in times])
    slopes = np.array([[slope(delta, t, end, C) for delta in DELTAS] for t in times])
    worst = np.empty((len(methods), *best.shape))
    runs = np.empty((*worst.shape, draws))
    for d, delta in enumerate(DELTAS):
        data = heat(u_0, eigenvalues, end) + errors_of_data(delta, draws, seed, f"error {d}")
        Lambda = cut_off(delta, end, C)
        for m, method in enumerate(methods):
            kept = method(eigenvalues, Lambda, end)
            for f, t in enumerate(times):
                worst[m, f, d] = worst_error(eigenvalues, kept, delta, t, end, C)
                misses = recovered(data, eigenvalues, kept, t, end) - heat(u_0, eigenvalues, t)
                runs[m, f, d] = np.linalg.norm(misses, axis=1)
    cut_offs = np.array([cut_off(delta, end, C) for delta in DELTAS])
    return {
        "delta": DELTAS,
        "fraction": np.array(FRACTIONS),
        "cut_off": cut_offs,
        "best": best,
        "slope": slopes,
        "worst": worst,
        "runs": runs,
        "C": np.array(C),
        "end": np.array(end),
    }


def unmollified(ends: Array) -> dict[str, Array]:
    """The relative error of u_0 on each of the GRIDS, (G, E), from its exact solution at each of the times `ends`,
    (E,), rounded to double precision, by dividing each mode by exp(-lambda_k T).
    """
    errors = np.empty((len(GRIDS), len(ends)))
    for g, cells in enumerate(GRIDS):
        grid = Grid(L, cells)
        exact = combination(polygon(CORNERS, cells - 1, L), grid.x, L)
        for e, end in enumerate(ends):
            v = grid.from_amplitudes(heat(grid.amplitudes(exact), grid.eigenvalues, end))
            with np.errstate(over="ignore", invalid="ignore"):
                back = grid.from_amplitudes(heat(grid.amplitudes(v), grid.eigenvalues, -end))
                errors[g, e] = np.linalg.norm(back - exact) / np.linalg.norm(exact)
    # Beyond the largest double the product is infinite, or not a number.
    largest = np.array([Grid(L, cells).eigenvalues[-1] for cells in GRIDS])
    return {"ends": ends, "cells": np.array(GRIDS), "naive": np.nan_to_num(errors, nan=np.inf), "largest": largest}


def profiles(end: float, shown: Sequence[float], seed: int, points: int = 600) -> dict[str, Array]:
    """u_0 and u(., T) of the flow (20), (21), what is found of u_0 by the cut-off from data with the errors `shown`,
    and what is found without mollification from the first of them, at `points` places: for the figure.
    """
    u_0, eigenvalues = start()
    C = float(gradient_norm(u_0, eigenvalues))
    x = Grid(L, points).x
    end_state = rescaled(heat(u_0, eigenvalues, end), eigenvalues, C)
    found = []
    for delta in shown:
        data = end_state + errors_of_data(delta, 1, seed, f"shown {delta}")[0]
        kept = by_cut_off(eigenvalues, cut_off_of_data(data, eigenvalues, delta, end), end)
        found.append(rescaled(recovered(data, eigenvalues, kept, 0, end), eigenvalues, C))
    data = end_state + errors_of_data(shown[0], 1, seed, f"shown {shown[0]}")[0]
    measured = (np.arange(MODES) < CELLS).astype(float)
    naive = rescaled(recovered(data, eigenvalues, measured, 0, end), eigenvalues, C)
    curves = np.array([combination(a, x, L) for a in (u_0, end_state, naive, *found)])
    return {"x": x, "curves": curves, "shown": np.array(shown)}


def scales(end: float, draws: int, seed: int) -> dict[str, Array]:
    """What (21) is worth, for the DELTAS, medians over draws: the cut-off that the data of (20), (21) give, that of
    the heat equation with the same error, the scale found by (21) over the true one, and the relative errors of u_0.
    """
    u_0, eigenvalues = start()
    C = float(gradient_norm(u_0, eigenvalues))
    s = growth(u_0, eigenvalues, end)
    v_T = heat(u_0, eigenvalues, end)
    columns = ("of_data", "of_heat", "known", "scale", "by_21", "scale_known", "heat")
    values = np.empty((len(columns), len(DELTAS), draws))
    for d, delta in enumerate(DELTAS):
        for i, error in enumerate(errors_of_data(delta, draws, seed, f"scale {d}")):
            data = s * v_T + error
            Lambda = cut_off_of_data(data, eigenvalues, delta, end)
            w = recovered(data, eigenvalues, by_cut_off(eigenvalues, Lambda, end), 0, end)
            plain = cut_off(delta, end, C)
            v = recovered(v_T + error, eigenvalues, by_cut_off(eigenvalues, plain, end), 0, end)
            values[:, d, i] = (
                Lambda,
                plain,
                cut_off(delta, end, C * s**2),
                np.sqrt(gradient_norm(w, eigenvalues) / C) / s,
                np.linalg.norm(rescaled(w, eigenvalues, C) - u_0),
                np.linalg.norm(w / s - u_0),
                np.linalg.norm(v - u_0),
            )
    medians = dict(zip((f"scale_{name}" for name in columns), np.median(values, axis=2), strict=True))
    return medians | {"mean_mu": np.array(np.log(s) / end)}


def initial_conditions() -> tuple[Array, Array]:
    """The amplitudes of the four initial conditions of the flow with noise, (4, K), and the eigenvalues, (K,)."""
    eigenvalues = eigenvalue(np.arange(1, NOISY_MODES + 1), L)
    amplitudes = np.array([polygon(corners, NOISY_MODES, L) for corners in BUMPS])
    return rescaled(amplitudes, eigenvalues, 2.0), eigenvalues


def with_noise(levels: Sequence[float], ends: Sequence[float], paths: int, steps: int, seed: int) -> dict[str, Array]:
    """Algorithm 2 on the forced heat flow, for each level of noise varsigma (N,) and each end T (E,): `counts`, (N, E,
    2, 4), of the initial conditions at which paths arrive that start from the flow's own end and from its stationary
    law; the share of the former that come back to their own start, `own`, (N, E), and what Bayes's rule predicts for
    it, `bayes`; and the time to forget T*, (N,).
    """
    amplitudes, eigenvalues = initial_conditions()
    counts = np.empty((len(levels), len(ends), 2, len(amplitudes)), dtype=int)
    own, bayes = np.empty(counts.shape[:2]), np.empty(counts.shape[:2])
    forget = [largest(*(time_to_forget(a, eigenvalues, level) for a in amplitudes)) for level in levels]
    for i, level in enumerate(levels):
        starts = Starts(amplitudes / stationary_deviation(eigenvalues, level), PROBABILITY)
        for j, end in enumerate(ends):
            schedule = ModeSchedule.graded(eigenvalues, end, steps)
            random = numpy_generator(seed, "beyond, reversal, noise", i, j)
            first = random.choice(len(amplitudes), paths, p=PROBABILITY)
            noise = random.standard_normal((2, paths, NOISY_MODES))
            ended = carried_forward(starts.x_0[first], steps, noise[0], schedule)
            weights = starts.weights(ended, schedule.alpha_bar[-1])
            arrived = arrivals(starts, np.concatenate([ended, noise[1]]), schedule, random)
            counts[i, j] = [np.bincount(a, minlength=len(amplitudes)) for a in np.split(arrived, 2)]
            own[i, j] = np.mean(arrived[:paths] == first)
            bayes[i, j] = np.mean(np.sum(weights**2, axis=1))
    return {
        "levels": np.array(levels),
        "noisy_ends": np.array(ends),
        "counts": counts,
        "own": own,
        "bayes": bayes,
        "forget": np.array(forget),
        "noisy_steps": np.array(steps),
        "probability": PROBABILITY,
    }


def arrivals(starts: Starts, x_T: Array, schedule: ModeSchedule, random: np.random.Generator) -> NDArray[np.integer]:
    """Algorithm 2 from x_T, (n, K): which of the initial conditions is the likeliest at the end of each path, (n,)."""
    x = x_T
    for j, x_j in backward_process(starts, x_T, lambda j: random.standard_normal(x_T.shape), schedule):
        x = x_j if j else x  # at j = 0 the mean over the starts; the step before tells which start it is
    return starts.weights(x, schedule.alpha_bar[1]).argmax(axis=1)


def there_and_back(level: float, end: float, steps: int, seed: int, paths: int = 24, points: int = 300) -> dict:
    """Paths of the forced heat flow from the initial conditions to T, and of Algorithm 2 from there: profiles, (5,
    paths, points), at the start, on the way, at T, on the way back and at the end, for the figure.
    """
    amplitudes, eigenvalues = initial_conditions()
    deviation = stationary_deviation(eigenvalues, level)
    starts = Starts(amplitudes / deviation, PROBABILITY)
    schedule = ModeSchedule.graded(eigenvalues, end, steps)
    random = numpy_generator(seed, "beyond, reversal, paths shown")
    first = random.choice(len(amplitudes), paths, p=PROBABILITY)
    halfway = int(np.searchsorted(schedule.times, end / 20))
    noise = random.standard_normal((2, paths, NOISY_MODES))
    early = carried_forward(starts.x_0[first], halfway, noise[0], schedule)
    # From there to the end: (8) again, with the quotient of the two alpha_bar.
    rest = schedule.alpha_bar[-1] / schedule.alpha_bar[halfway]
    ended = rest**0.5 * early + (1 - rest) ** 0.5 * noise[1]
    back = dict(backward_process(starts, ended, lambda j: random.standard_normal(ended.shape), schedule))
    x = Grid(L, points).x
    states = [starts.x_0[first], early, ended, back[halfway], back[0]]
    waves = np.array([combination(unit, x, L) for unit in np.eye(NOISY_MODES)])
    return {
        "path_x": x,
        "paths": np.array([(state * deviation) @ waves for state in states]),
        "path_times": schedule.times[[0, halfway, steps, halfway, 0]],
        "path_level": np.array(level),
    }


# ---- Records -----------------------------------------------------------------------------------------------------


def _slope(x: Array, y: Array) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def _methods(study: Mapping[str, Array], *names: str) -> list[Array]:
    """The worst errors, (F, D), of the methods of these names."""
    return [study["worst"][list(METHODS).index(name)] for name in names]


def exponents(study: Mapping[str, Array]) -> dict:
    """For each method the exponent in delta of its worst error, at each of the times: of the text's table. Beside them
    the slope that the best possible error has on average over the same delta.
    """
    delta = study["delta"][FITTED]
    table = {
        name: [_slope(delta, errors[FITTED]) for errors in worst]
        for name, worst in zip(METHODS, study["worst"], strict=True)
    }
    times = [float(fraction) for fraction in study["fraction"]]
    return table | {"theory": [float(row[FITTED].mean()) for row in study["slope"]], "fraction": times}


def hoelder(study: Mapping[str, Array]) -> dict:
    """The exponents of the worst error in delta at the times t > 0, by the cut-off and by Tikhonov's method, and their
    largest departure from t / T.
    """
    fractions, delta = study["fraction"], study["delta"]
    exponents = {
        name: [_slope(delta[FITTED], row[FITTED]) for row in worst[1:]]
        for name, worst in zip(("cut_off", "tikhonov"), _methods(study, "cut_off", "tikhonov"), strict=True)
    }
    runs = np.median(study["runs"][0], axis=-1)
    departures = np.abs(np.array(list(exponents.values())) - fractions[1:])
    record = {"departure": float(departures.max()), "smallest": float(delta.min())}
    for f, fraction in enumerate(fractions[1:]):
        record[f"at_{round(100 * fraction)}"] = exponents["cut_off"][f]
        record[f"run_at_{round(100 * fraction)}"] = _slope(delta[FITTED], runs[f + 1][FITTED])
    return record


def initial(study: Mapping[str, Array]) -> dict:
    """The power of the cut-off Lambda(delta) with which the worst error of u_0 itself falls, -1/2 by theory; and that
    of log(1 / delta) over the same errors, to which Lambda is proportional only in the limit.
    """
    errors = [worst[0] for worst in _methods(study, "cut_off", "tikhonov")]
    powers = [_slope(study["cut_off"][FITTED], error[FITTED]) for error in errors]
    of_log = [_slope(np.log(1 / study["delta"][FITTED]), error[FITTED]) for error in errors]
    worst = errors[0]
    return {
        "power": powers[0],
        "tikhonov": powers[1],
        "of_log": of_log[0],
        "tikhonov_of_log": of_log[1],
        "departure": float(np.abs(np.array(powers) + 0.5).max()),
        "largest_error": float(worst[0]),
        "smallest_error": float(worst[-1]),
        "largest_delta": float(study["delta"][0]),
        "smallest_delta": float(study["delta"][-1]),
    }


def reversibility(study: Mapping[str, Array]) -> dict:
    """The exponent in delta of quasi-reversibility's worst error halfway back, beside the quasi-boundary-value
    method's, and how many times the best possible error it is at the smallest delta.
    """
    half = list(study["fraction"]).index(0.5)
    by_equation, by_boundary = _methods(study, "reversibility", "boundary_value")
    delta = study["delta"]
    return {
        "exponent": _slope(delta[FITTED], by_equation[half][FITTED]),
        "boundary_value": _slope(delta[FITTED], by_boundary[half][FITTED]),
        "times_best": float(by_equation[half][-1] / study["best"][half][-1]),
        "smallest": float(delta[-1]),
    }


def optimality(study: Mapping[str, Array]) -> dict:
    """The largest error of any run over its bound: sqrt(2) omega for the cut-off, (1 + sqrt(2)) omega for Tikhonov's
    method; and the largest worst error over omega.
    """
    names = list(METHODS)
    cut, tikhonov = names.index("cut_off"), names.index("tikhonov")
    best = study["best"]
    ratios = [
        (study["runs"][cut] / (2**0.5 * best[..., None])).max(),
        (study["runs"][tikhonov] / ((1 + 2**0.5) * best[..., None])).max(),
        (study["worst"][cut] / (2**0.5 * best)).max(),
        (study["worst"][tikhonov] / ((1 + 2**0.5) * best)).max(),
    ]
    return {
        "largest": largest(*ratios),
        "cut_off": float((study["worst"][cut] / best).max()),
        "tikhonov": float((study["worst"][tikhonov] / best).max()),
        "runs": int(study["runs"][[cut, tikhonov]].size),
    }


def blow_up(study: Mapping[str, Array]) -> dict:
    """The time after which rounding alone leaves nothing of u_0, on each grid, over log(1 / eps) / lambda_{N-1}."""
    found = []
    for errors in study["naive"]:
        beyond = int(np.argmax(errors >= 1))
        x, y = np.log(study["ends"][beyond - 1 : beyond + 1]), np.log(errors[beyond - 1 : beyond + 1])
        found.append(np.exp(np.interp(0.0, y, x)) if np.isfinite(y[1]) else study["ends"][beyond])
    predicted = np.log(1 / np.finfo(float).epsneg) / study["largest"]
    ratios = np.array(found) / predicted
    return {
        "departure": float(np.abs(ratios - 1).max()),
        "coarsest": int(study["cells"][0]),
        "finest": int(study["cells"][-1]),
        "time_coarsest": float(found[0]),
        "time_finest": float(found[-1]),
        "predicted_finest": float(predicted[-1]),
    }


def scale(study: Mapping[str, Array]) -> dict:
    """What (21) gives: how much higher the cut-off is than the heat equation's with the same error, over the mean of
    mu; and how far off the scale of the heat equation's solution is that it gives, on average over the errors and at
    1e-6.
    """
    gained = float(np.mean((study["scale_of_data"] - study["scale_of_heat"])[FITTED]))
    at = int(np.argmin(np.abs(study["delta"] - 1e-6)))
    mean_mu = float(study["mean_mu"])
    return {
        "gained": gained,
        "mean_mu": mean_mu,
        "ratio": gained / mean_mu,
        "scale_error": float(abs(study["scale_scale"][at] - 1)),
        "error": float(study["scale_by_21"][at]),
        "error_scale_known": float(study["scale_scale_known"][at]),
        "error_heat": float(study["scale_heat"][at]),
        "delta": float(study["delta"][at]),
    }


def initial_law(study: Mapping[str, Array]) -> dict:
    """From the flow's own end: the total variation distance of the arrivals' law from the initial law, at worst over
    noise and end, with an upper bound that holds at 95% for all of these cases.
    """
    variation = total_variation(study["counts"][:, :, 0], PROBABILITY)
    paths = int(study["counts"][0, 0, 0].sum())
    return {
        "variation": float(variation.max()),
        "variation_high": float(total_variation_bound(variation.max(), paths, variation.size)),
        "paths": paths,
        "cases": int(variation.size),
    }


def own_start(study: Mapping[str, Array]) -> dict:
    """Paths that come back to the start they came from, against Bayes's rule, in standard errors, at worst, and how
    likely chance makes the worst of all cases as bad; the shares at the shortest and the longest end with the middle
    noise; and the steps of Algorithm 2 per square root of the paths, which grows as the
    standard error does over the steps' own.
    """
    paths, cases = int(study["counts"][0, 0, 0].sum()), int(study["own"].size)
    error = np.sqrt(np.maximum(study["bayes"] * (1 - study["bayes"]), 1 / paths) / paths)
    departure = float((np.abs(study["own"] - study["bayes"]) / error).max())
    middle = len(study["levels"]) // 2
    return {
        "departure": departure,
        "p_value": float(-np.expm1(cases * np.log1p(-2 * stats.norm.sf(departure)))),
        "paths": paths,
        "steps": int(study["noisy_steps"]),
        "fineness": float(study["noisy_steps"] / paths**0.5),
        "first": float(study["own"][middle, 0]),
        "last": float(study["own"][middle, -1]),
        "chance": float(np.sum(PROBABILITY**2)),
        "noise": float(study["levels"][middle]),
        "first_end": float(study["noisy_ends"][0]),
        "last_end": float(study["noisy_ends"][-1]),
        "cases": cases,
    }


def from_noise(study: Mapping[str, Array]) -> dict:
    """From the stationary law: the distance of the arrivals' law from the initial law, at worst where T is later than
    T* by LATE / lambda_1, with an upper bound that holds at 95% for all of these cases, and at best where it is earlier
    by 1 / lambda_1; None where there is no such T.
    """
    variation = total_variation(study["counts"][:, :, 1], PROBABILITY)
    paths = int(study["counts"][0, 0, 1].sum())
    after = (study["noisy_ends"] - study["forget"][:, None]) * eigenvalue(1, L)
    late, early = variation[after >= LATE], variation[after <= -1]
    return {
        "late": float(late.max()) if late.size else None,
        "late_high": float(total_variation_bound(late.max(), paths, late.size)) if late.size else None,
        "early": float(early.min()) if early.size else None,
        "cases_late": late.size,
        "cases_early": early.size,
        "margin": LATE,
        "paths": paths,
    }


def deterministic_limit(study: Mapping[str, Array], end: float = 1.0) -> dict:
    """The share of the paths from the stationary law that arrive, with the least noise and from about this end, at the
    one initial condition of which the least is left: that with the smallest sum of lambda_k a_k^2 / (exp(2 lambda_k T)
    - 1).
    """
    amplitudes, eigenvalues = initial_conditions()
    at = int(np.argmin(np.abs(np.log(study["noisy_ends"] / end))))
    T, quietest = float(study["noisy_ends"][at]), int(np.argmin(study["levels"]))
    left = np.sum(eigenvalues * heat(amplitudes, eigenvalues, T) ** 2 / -np.expm1(-2 * eigenvalues * T), axis=1)
    predicted = int(left.argmin())
    counts = study["counts"][quietest, at, 1]
    return {
        "share": float(counts[predicted] / counts.sum()),
        "initial": float(PROBABILITY[predicted]),
        "number": predicted + 1,
        "noise": float(study["levels"][quietest]),
        "end": T,
        "forget": float(study["forget"][quietest]),
    }


def studies(
    end: float,
    draws: int,
    noise: Sequence[float],
    noisy_ends: Sequence[float],
    paths: int,
    steps: int,
    seed: int,
) -> dict[str, Any]:
    """All arrays of beyond/reversal.npz, with the settings of beyond.reversal."""
    shortest = 1 / eigenvalue(GRIDS[-1], L)
    return {
        **recovery(end, draws, seed),
        **unmollified(np.geomspace(shortest, 1e5 * shortest, 120)),
        **profiles(end, [1e-2, 1e-6], seed),
        **scales(end, draws, seed),
        **with_noise(noise, noisy_ends, paths, steps, seed),
        **there_and_back(0.3, 3.0, steps, seed),
    }


def measure(study: Mapping[str, Array]) -> dict[str, dict]:
    """All records of beyond/reversal.json, from the arrays of `studies`."""
    records = (
        exponents,
        hoelder,
        initial,
        reversibility,
        optimality,
        blow_up,
        scale,
        initial_law,
        own_start,
        from_noise,
        deterministic_limit,
    )
    return {record.__name__: record(study) for record in records}
