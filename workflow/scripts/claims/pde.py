"""Section 7: what the runs of the PDE's solver, and exact solutions, say of (20) to (23).

The two studies of the solver, `convergence_table` and `growth_rate_table`, and one function for each record of
claims/pde.json.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffusion.pde import (
    Grid,
    combination,
    eigenvalue,
    exact_amplitudes,
    exact_semidiscrete,
    exact_solution,
    growth_rate,
    l2_error,
    mode_shares,
    motion,
    solve,
)

Array = NDArray[np.floating]

# A start without small parts, so that every mode's error is seen, and a time at which all of them have moved.
AMPLITUDES = np.array([0.5, -0.3, 0.8, 0.2, 0.0, 1.0])
END = 0.3
"""In units of 1 / lambda_1."""
STEPS_IN_SPACE = 6000
"""So many that the error in time is far below that in space."""
STEPS_IN_TIME = [20, 40, 80, 160, 320]
MODES = range(1, 7)
"""The k and j for which the growth rate of phi_j near u_k is measured."""


def convergence_table(length: float, refinement: list[int]) -> pd.DataFrame:
    """The solver's errors on (0, length) with each number of cells in `refinement`, in three studies: a row for each
    run, with `order` the observed order between it and the row before.

    `space`: so many steps that the error is that of the cells, against the exact solution. `time`: on the finest grid,
    against the exact solution of the equations discretised in space alone. `space and time`: as many steps as cells.
    """
    end = END / eigenvalue(1, length)
    grids = [Grid(length, N) for N in sorted(refinement)]
    finest = grids[-1]
    exact = [exact_solution(AMPLITUDES, grid.x, end, length) for grid in grids]
    semidiscrete = exact_semidiscrete(combination(AMPLITUDES, finest.x, length), finest, end)
    widths = [grid.h for grid in grids]

    in_space = [_errors(grid, end, STEPS_IN_SPACE, u) for grid, u in zip(grids, exact, strict=True)]
    in_time = [_errors(finest, end, steps, semidiscrete) for steps in STEPS_IN_TIME]
    together = [_errors(grid, end, grid.N, u) for grid, u in zip(grids, exact, strict=True)]
    rows = pd.concat(
        [
            _study("space", widths, in_space),
            _study("time", [end / steps for steps in STEPS_IN_TIME], in_time),
            _study("space and time", widths, together),
        ]
    )
    return rows[["study", "cells", "steps", "error", "order", "norm_drift", "mean_drift"]]


def _errors(grid: Grid, end: float, steps: int, reference: Array) -> dict:
    """The error at `end` and the worst drift of the norm and of the mean over all steps."""
    u_0 = combination(AMPLITUDES, grid.x, grid.L)
    solution = solve(u_0, grid, end / steps, steps, save_every=steps)
    return {
        "cells": grid.N,
        "steps": steps,
        "error": l2_error(solution.u[-1], reference, grid),
        "norm_drift": solution.norm_drift,
        "mean_drift": solution.mean_drift,
    }


def _study(name: str, sizes: list[float], errors: list[dict]) -> pd.DataFrame:
    """Errors against the size of a step or cell, with the observed order between neighbours."""
    rows = pd.DataFrame(errors).assign(study=name, size=sizes)
    of_error, of_size = (np.diff(np.log(rows[column]), prepend=np.nan) for column in ("error", "size"))
    rows["order"] = of_error / of_size
    return rows


def growth_rate_table(length: float, cells: int, dt: float) -> pd.DataFrame:
    """Rates at which perturbations of the k-th steady state along phi_j grow, measured and by (23): a row for each pair
    k != j of `MODES`.
    """
    grid = Grid(length, cells)
    rates = pd.DataFrame(
        {
            "k": k,
            "j": j,
            "measured": growth_rate(k, j, grid, dt),
            "theory": eigenvalue(k, length) - eigenvalue(j, length),
        }
        for k in MODES
        for j in MODES
        if j != k
    )
    rates["relative_error"] = (rates["measured"] / rates["theory"] - 1).abs()
    return rates


def invariants(run: Mapping) -> dict:
    """How well the run of figure 7 kept (21) and the zero mean: the largest drifts over all its steps."""
    return {key: run[key] for key in ("C", "norm_drift", "mean_drift", "steps")}


def convergence(table: pd.DataFrame) -> dict:
    """Order in space and error on the finest grid of a `convergence_table`."""
    finest = table.query("study == 'space'").iloc[-1]
    return {"order": float(finest["order"]), "error": float(finest["error"]), "cells": int(finest["cells"])}


def growth_rates(table: pd.DataFrame, cells: int, dt: float) -> dict:
    """The worst rate of a `growth_rate_table`, and how many have the wrong sign; and how coarse it was measured, with
    `cells` and steps `dt`, the latter in units of 1 / lambda_1: the larger of the phase of the highest mode across a
    cell, k pi / N, and its decay in a step, lambda_k dt.
    """
    worst = table.loc[table["relative_error"].fillna(np.inf).idxmax()]
    return {
        "coarseness": float(max(MODES[-1] * np.pi / cells, MODES[-1] ** 2 * dt)),
        "cells": cells,
        "worst": float(worst["relative_error"]),
        "worst_k": int(worst["k"]),
        "worst_j": int(worst["j"]),
        "wrong_signs": int((np.sign(table["measured"]) != np.sign(table["theory"])).sum()),
        "pairs": len(table),
    }


def total_variation(u: Array) -> dict:
    """The total variation of u, (m, N), at m times, relative to that of the first; and on a square that of the steady
    state along cos x cos y relative to that along cos x.
    """
    variation = np.abs(np.diff(u, axis=1)).sum(axis=1)
    relative = variation / variation[0]
    return {
        "change": float(np.abs(relative - 1).max()),
        "least": float(relative.min()),
        "most": float(relative.max()),
        "on_a_square": _variation_on_square(1, 1) / _variation_on_square(1, 0),
    }


def _variation_on_square(j: int, k: int, N: int = 400) -> float:
    """Of cos jx cos ky on (0, pi)^2 with a gradient of norm 1, by the midpoint rule."""
    x, y = np.meshgrid(*[Grid(np.pi, N).x] * 2)
    slope = np.hypot(j * np.sin(j * x) * np.cos(k * y), k * np.cos(j * x) * np.sin(k * y))
    return float(slope.mean() / np.sqrt((slope**2).mean()) * np.pi)


def at_rest(modes: int = 10) -> dict:
    """How many pairs of the first eigenfunctions, in equal parts, are at rest under (22) without being one of the u_k:
    on the interval (0, pi), on the rectangle (0, pi) x (0, 2^(1/4) pi) and on the square (0, pi)^2.
    """
    j, k = (index.ravel() for index in np.meshgrid(np.arange(modes), np.arange(modes)))
    spectra = {"interval": np.arange(modes) ** 2, "rectangle": j**2 + k**2 / np.sqrt(2), "square": j**2 + k**2}
    counts = {}
    for domain, spectrum in spectra.items():
        rates = np.sort(spectrum)[1 : modes + 1].astype(float)
        pairs = [np.bincount([one, other], minlength=len(rates)) for other in range(len(rates)) for one in range(other)]
        counts[domain] = sum(bool(np.abs(motion(pair / np.sqrt(rates), rates)).max() < 1e-9) for pair in pairs)
    return counts | {"others": sum(counts.values()), "eigenvalues": modes}


def decay(t: Array, amplitudes: Array, eigenvalues: Array) -> dict:
    """The first mode's share of the gradient norm (21) at the first and at the last of the times t, (m,)."""
    first = mode_shares(amplitudes, eigenvalues)[:, 1]
    return {"share": float(first[-1]), "share_start": float(first[0]), "t_end": float(t[-1])}


def decay_with_mean(t: Array, amplitudes: Array, eigenvalues: Array, mean: float = 0.01) -> dict:
    """What becomes of figure 7's start with a mean that has the share `mean` of the start's norm in L2, by the exact
    solution: at the last of the times t, (m,), the first mode's share of the integral of u^2, and the amplitude of the
    constant over the first mode's. `amplitudes`, (m, K + 1), are those of the run without a mean.
    """
    start = amplitudes[0].copy()
    start[0] = mean * np.sqrt(np.sum(start**2))
    end = exact_amplitudes(start, eigenvalues, t[-1])
    return {
        "share": float(end[1] ** 2 / np.sum(end**2)),
        "mean_over_first": float(abs(end[0] / end[1])),
        "mean": mean,
        "t_end": float(t[-1]),
    }


def backward_singularities(cells: int = 8192) -> dict:
    """The height of u, of gradient norm 1 on (0, 1), as it runs backwards towards the moment at which the solution of
    the heat equation becomes a point mass, or a jump, at 1/2: the powers p in height = const tau^p, with tau the time
    that is left.
    """
    grid, k = Grid(1.0, cells), np.arange(cells)
    rates = eigenvalue(k, grid.L)
    point_mass = np.where(k % 2, 0.0, np.cos(k * np.pi / 2))  # phi_k at 1/2, but for a factor that all share
    jump = np.where(k % 2, np.sin(k * np.pi / 2) / np.maximum(k, 1), 0.0)  # the integral of phi_k over (0, 1/2)
    point_mass[0] = 0
    left = np.array([1e-4, 1e-5, 1e-6])
    powers = {}
    for name, limit in {"point_mass": point_mass, "jump": jump}.items():
        v = limit * np.exp(-rates * left[:, None])
        u = grid.from_amplitudes(v / np.sqrt(np.sum(rates * v**2, axis=1, keepdims=True)))
        powers[name] = float(np.polyfit(np.log(left), np.log(np.ptp(u, axis=1)), 1)[0])
    return powers | {"least_power": float(np.min(list(powers.values())))}


def measure(
    run: Mapping, convergence_rows: pd.DataFrame, rates: pd.DataFrame, solution: Mapping[str, Array]
) -> dict[str, dict]:
    """All records of claims/pde.json, from the run of figure 7 with its `solution` and from the two studies' tables."""
    modes = (solution["t"], solution["amplitudes"], solution["eigenvalues"])
    dt = solution["t"][-1] / run["steps"]
    return {
        "invariants": invariants(run),
        "convergence": convergence(convergence_rows),
        "growth_rates": growth_rates(rates, solution["u"].shape[1], dt * solution["eigenvalues"][1]),
        "total_variation": total_variation(solution["u"]),
        "at_rest": at_rest(),
        "decay": decay(*modes),
        "decay_with_mean": decay_with_mean(*modes),
        "backward_singularities": backward_singularities(),
    }
