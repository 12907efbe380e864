import numpy as np
import pandas as pd

from diffusion.pde import (
    Grid,
    combination,
    eigenvalue,
    exact_semidiscrete,
    exact_solution,
    growth_rate,
    l2_error,
    solve,
)
from engine.job import job

pde = snakemake.params.pde
# A start without small parts, so that every mode's error is seen, and a time at which all of them have moved.
AMPLITUDES = np.array([0.5, -0.3, 0.8, 0.2, 0.0, 1.0])


def table(study: str, sizes: list[float], errors: list[dict]) -> pd.DataFrame:
    """Errors against the size of a step or cell, with the observed order between neighbours."""
    rows = pd.DataFrame(errors).assign(study=study, size=sizes)
    rows["order"] = np.log(rows["error"]).diff() / np.log(rows["size"]).diff()
    return rows


def errors(grid: Grid, reference: np.ndarray, steps: int) -> dict:
    """The error at `end` and the worst drift of the norm and of the mean over all steps."""
    solution = solve(combination(AMPLITUDES, grid.x, grid.L), grid, end / steps, steps, save_every=steps)
    error = l2_error(solution.u[-1], reference, grid)
    return {
        "cells": grid.N,
        "steps": steps,
        "error": error,
        "norm_drift": solution.norm_drift,
        "mean_drift": solution.mean_drift,
    }


with job(snakemake):
    L = pde["length"]
    end = 0.3 / eigenvalue(1, L)
    cells = sorted(pde["refinement"])

    # In space: steps so small that the error in time is far below, against the exact solution.
    grids = [Grid(L, N) for N in cells]
    in_space = [errors(grid, exact_solution(AMPLITUDES, grid.x, end, L), 6000) for grid in grids]
    # In time: on the finest grid, against the exact solution of the equations discretised in space alone.
    finest, steps = grids[-1], [20, 40, 80, 160, 320]
    in_time = [errors(finest, exact_semidiscrete(combination(AMPLITUDES, finest.x, L), finest, end), n) for n in steps]
    # Together: the step shrinks with the cell.
    together = [errors(grid, exact_solution(AMPLITUDES, grid.x, end, L), grid.N) for grid in grids]
    pd.concat(
        [
            table("space", [grid.h for grid in grids], in_space),
            table("time", [end / n for n in steps], in_time),
            table("space and time", [grid.h for grid in grids], together),
        ]
    )[["study", "cells", "steps", "error", "order", "norm_drift", "mean_drift"]].to_csv(
        snakemake.output.convergence, index=False
    )

    grid = Grid(L, pde["cells"])
    rates = [
        {"k": k, "j": j, "measured": growth_rate(k, j, grid, pde["dt"]), "theory": eigenvalue(k, L) - eigenvalue(j, L)}
        for k in range(1, 7)
        for j in range(1, 7)
        if j != k
    ]
    frame = pd.DataFrame(rates)
    frame["relative_error"] = (frame["measured"] / frame["theory"] - 1).abs()
    frame.to_csv(snakemake.output.growth_rates, index=False)
