"""The norm-preserving PDE of section 7 beside scipy's solvers and py-pde, each tuned to the same accuracy.

    .venv/peers/bin/python -m benchmarks.pde --rounds 7

The peers solve (20)-(22) discretised in space as ours does, with the current norm in place of C in (22): with C fixed
the equations amplify every error of the norm, and no tolerance helps.
"""

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from statistics import median

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.integrate import solve_ivp
from scipy.sparse import diags_array

from benchmarks import RESULTS
from benchmarks.measuring import Watch, machine, refuse_if_busy, report, whole
from diffusion.pde import Grid, combination, eigenvalue, exact_semidiscrete, exact_solution, l2_error, solve
from engine.printing import told, until_read
from publishing import plots

AMPLITUDES = np.array([0.5, -0.3, 0.8, 0.2, 0.0, 1.0])  # as in the table of errors: all modes move
CELLS = 400
SIZES = [50 * 2**k for k in range(9)]
TOLERANCES = [10.0 ** (-k / 2) for k in range(4, 17)]
STEPS = [1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 40, 60, 80, 120, 160, 240, 320, 480, 640]
EXACT = "exact in time, by a cosine transform"
SLACK = 1.1
"""A method is accurate enough if its error is at most this many times that of the discretisation in space."""


@dataclass(frozen=True)
class Method:
    """A way to solve the problem, at each of `settings` (step counts or tolerances): u at the end, (N,)."""

    name: str
    settings: Iterable[float]
    solve: Callable[[float], np.ndarray]


class Equations:
    """du/dt = Lap_h u + mu(u) u on a grid, as solvers of ordinary differential equations ask for it."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.diagonal = np.full(grid.N, -2.0)
        self.diagonal[[0, -1]] = -1.0
        off_diagonal = np.ones(grid.N - 1)
        self.laplacian = diags_array([off_diagonal, self.diagonal, off_diagonal], offsets=[-1, 0, 1]) / grid.h**2

    def rate(self, _, u: np.ndarray) -> np.ndarray:
        """The right-hand side; the norm in mu is -integral of u Lap_h u."""
        lap = self.grid.laplacian(u)
        return lap - (lap @ lap) / (u @ lap) * u

    def jacobian(self, _, u: np.ndarray):
        """Sparse: Lap_h + mu. How mu changes with u is left out; it has rank one, would fill the matrix, and a
        Newton iteration converges without it.
        """
        lap = self.grid.laplacian(u)
        mu = -(lap @ lap) / (u @ lap)
        return (self.laplacian + mu * diags_array(np.ones(self.grid.N))).tocsc()


def scipy_methods(grid: Grid, u_0: np.ndarray, end: float) -> list[Method]:
    """BDF and LSODA with their defaults, and with the Jacobian declared sparse or banded."""
    equations = Equations(grid)

    def method(name: str, **options) -> Method:
        def run(tolerance: float) -> np.ndarray:
            return solve_ivp(equations.rate, (0, end), u_0, rtol=tolerance, atol=tolerance, **options).y[:, -1]

        return Method(name, TOLERANCES, run)

    return [
        method("scipy BDF", method="BDF"),
        method("scipy BDF, given a sparse Jacobian", method="BDF", jac=equations.jacobian),
        method("scipy LSODA", method="LSODA"),
        method("scipy LSODA, told of a band", method="LSODA", lband=1, uband=1),
    ]


def py_pde_methods(grid: Grid, u_0: np.ndarray, end: float) -> list[Method]:
    """Its adaptive Runge-Kutta solver, and its interface to LSODA, compiled in advance by numba."""
    from pde import PDE, CartesianGrid, RungeKuttaSolver, ScalarField, ScipySolver  # in the peers' environment alone

    state = ScalarField(CartesianGrid([[0, grid.L]], grid.N), u_0)
    rate = "laplace(u) - integral(laplace(u)**2) / integral(u * laplace(u)) * u"
    equation = PDE({"u": rate}, bc={"derivative": 0})

    def advanced(stepper: Callable) -> np.ndarray:
        u = state.copy()
        stepper(u, 0, end)
        return u.data

    @lru_cache
    def runge_kutta(tolerance: float) -> Callable:
        return RungeKuttaSolver(equation, adaptive=True, tolerance=tolerance).make_stepper(state)

    lsoda = ScipySolver(equation, method="LSODA", lband=1, uband=1)
    lsoda_stepper = lsoda.make_stepper(state)

    def with_lsoda(tolerance: float) -> np.ndarray:
        lsoda.solver_params |= {"rtol": tolerance, "atol": tolerance}
        return advanced(lsoda_stepper)

    return [
        Method("py-pde, Runge-Kutta", TOLERANCES[6:13:2], lambda tolerance: advanced(runge_kutta(tolerance))),
        Method("py-pde, LSODA told of a band", TOLERANCES, with_lsoda),
    ]


def our_methods(grid: Grid, u_0: np.ndarray, end: float) -> list[Method]:
    """Our steps, and the exact solution in time that an interval allows, which no solver can beat there."""

    def method(order: int) -> Method:
        return Method(f"ours, order {order}", STEPS, lambda n: solve(u_0, grid, end / n, int(n), int(n), order).u[-1])

    return [method(6), method(2), Method(EXACT, [1], lambda _: exact_semidiscrete(u_0, grid, end))]


def seconds(run: Callable[[], object], at_least: float = 0.1) -> float:
    """For one call, from as many as fill `at_least` seconds."""
    calls, started = 0, time.perf_counter()
    while calls == 0 or time.perf_counter() - started < at_least:
        run()
        calls += 1
    return (time.perf_counter() - started) / calls


def tuned(method: Method, error: Callable[[np.ndarray], float], target: float) -> float | None:
    """The setting at which the method reaches the target fastest; None if it does at none."""
    times = {}
    for setting in method.settings:
        if error(method.solve(setting)) <= target:  # this call also warms up what is compiled
            times[setting] = seconds(lambda setting=setting: method.solve(setting), 0.02)
    return min(times, key=lambda setting: times[setting]) if times else None


def matrix_product() -> None:
    a = np.ones((CELLS, CELLS))
    a @ a


def figure(per_step: dict[str, list[float]]) -> Figure:
    """The time of a step against N, with a line of O(N)."""
    drawing = plots.new_figure(3.0, width=4.2)
    ax = drawing.subplots()
    for (name, times), marker in zip(per_step.items(), "os", strict=False):
        ax.loglog(
            SIZES, times, marker, color="black", markerfacecolor="white" if marker == "s" else "black", label=name
        )
    line = np.array(SIZES) / SIZES[-1]
    for times in per_step.values():
        ax.loglog(SIZES, line * times[-1], color="0.6", linewidth=0.8, zorder=0)
    ax.plot([], [], color="0.6", linewidth=0.8, label="$O(N)$")
    ax.set(xlabel="cells $N$", ylabel="seconds a step")
    ax.legend(frameon=False)
    return drawing


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=whole(1, 1000), default=7)
    rounds = parser.parse_args().rounds

    L = np.pi
    grid, end = Grid(L, CELLS), 0.3 / eigenvalue(1, L)
    u_0, exact = combination(AMPLITUDES, grid.x, L), exact_solution(AMPLITUDES, grid.x, end, L)
    in_space = l2_error(exact_semidiscrete(u_0, grid, end), exact, grid)

    def error(u: np.ndarray) -> float:
        return l2_error(u, exact, grid)

    methods = {m.name: m for kind in (our_methods, scipy_methods, py_pde_methods) for m in kind(grid, u_0, end)}
    settings = {name: tuned(method, error, SLACK * in_space) for name, method in methods.items()}
    settings = {name: setting for name, setting in settings.items() if setting is not None}
    never = [name for name in methods if name not in settings]

    watch = Watch()
    times: dict[str, list[float]] = {name: [] for name in settings}
    orders = {f"order {order}": order for order in (2, 6)}
    steps = {name: [[] for _ in SIZES] for name in orders}
    yardstick = []
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        yardstick.append(seconds(matrix_product))
        for name, setting in settings.items():
            times[name].append(seconds(lambda name=name, setting=setting: methods[name].solve(setting)))
        for name, order in orders.items():
            for found, N in zip(steps[name], SIZES, strict=True):
                g = Grid(L, N)
                start = combination(AMPLITUDES, g.x, L)
                found.append(seconds(lambda g=g, s=start, m=order: solve(s, g, 1e-3, 200, 200, m), 0.01) / 200)
    others = watch.others()
    refuse_if_busy(others, {"a matrix product's time": yardstick})

    first = median(next(iter(times.values())))
    table = pd.DataFrame(
        {
            "method": name,
            "steps or tolerance": settings[name],
            "error": error(methods[name].solve(settings[name])),
            "ms": 1e3 * median(found),
            "ours is faster by": median(found) / first,
        }
        for name, found in times.items()
    )
    per_step = {name: [median(one) for one in found] for name, found in steps.items()}
    record = {
        **machine(["numpy", "scipy", "py-pde", "numba"]),
        "rounds": rounds,
        "others_share": others,
        "cells": CELLS,
        "error_in_space": in_space,
        "times": times,
        "never_accurate_enough": never,
        "sizes": SIZES,
        "seconds_a_step": per_step,
        "table": table.to_dict("records"),
    }
    title = (
        f"(20)-(22) on {CELLS} cells to t = {end:g}, each method at the setting at which it reaches an error of "
        f"{SLACK * in_space:.2g} against the exact solution fastest ({in_space:.2g} is the grid's own). Medians of "
        f"{rounds} interleaved rounds on {record['processor']}."
    )
    if never:
        title += f" Never that accurate: {', '.join(never)}."
    report("pde", title, table, record)
    plots.save(figure(per_step), RESULTS / "pde.pdf", RESULTS / "pde.png")


if __name__ == "__main__":
    with told(), until_read():
        main()
