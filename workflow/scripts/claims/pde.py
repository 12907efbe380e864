"""Section 7: what the runs of the PDE's solver say of (20) to (23).

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
    exact_semidiscrete,
    exact_solution,
    growth_rate,
    l2_error,
    mode_shares,
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
"""The k and j of (23) for which the growth rate is measured."""


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


def growth_rates(table: pd.DataFrame) -> dict:
    """The worst rate of a `growth_rate_table`, and how many have the wrong sign."""
    worst = table.loc[table["relative_error"].idxmax()]
    return {
        "worst": float(worst["relative_error"]),
        "worst_k": int(worst["k"]),
        "worst_j": int(worst["j"]),
        "wrong_signs": int((np.sign(table["measured"]) != np.sign(table["theory"])).sum()),
        "pairs": len(table),
    }


def total_variation(u: Array) -> dict:
    """The total variation of u, (m, N), at m times, relative to that of the first."""
    variation = np.abs(np.diff(u, axis=1)).sum(axis=1)
    relative = variation / variation[0]
    return {
        "change": float(np.abs(relative - 1).max()),
        "least": float(relative.min()),
        "most": float(relative.max()),
    }


def decay(t: Array, amplitudes: Array, eigenvalues: Array) -> dict:
    """The first mode's share of the gradient norm (21) at the first and at the last of the times t, (m,)."""
    first = mode_shares(amplitudes, eigenvalues)[:, 1]
    return {"share": float(first[-1]), "share_start": float(first[0]), "t_end": float(t[-1])}


def measure(
    run: Mapping, convergence_rows: pd.DataFrame, rates: pd.DataFrame, solution: Mapping[str, Array]
) -> dict[str, dict]:
    """All records of claims/pde.json, from the run of figure 7 with its `solution` and from the two studies' tables."""
    return {
        "invariants": invariants(run),
        "convergence": convergence(convergence_rows),
        "growth_rates": growth_rates(rates),
        "total_variation": total_variation(solution["u"]),
        "decay": decay(solution["t"], solution["amplitudes"], solution["eigenvalues"]),
    }
