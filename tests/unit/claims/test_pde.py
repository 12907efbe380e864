"""The studies of the PDE's solver, and what is read off them."""

import numpy as np
import pandas as pd
import pytest

from claims import pde
from diffusion.pde import Grid, combination, exact_semidiscrete, exact_solution, figure_7, l2_error, steady_state

L = 2.0


@pytest.fixture(scope="module")
def table():
    return pde.convergence_table(L, [40, 20])


def test_errors_shrink_with_the_second_order_in_every_study(table):
    assert table["study"].value_counts().to_dict() == {"space": 2, "time": 5, "space and time": 2}
    assert table.query("study == 'space'")["cells"].tolist() == [20, 40]
    assert table.query("study == 'time'")["steps"].tolist() == [20, 40, 80, 160, 320]
    for _, rows in table.groupby("study"):
        assert np.isnan(rows["order"].iloc[0]) and rows["order"].iloc[-1] == pytest.approx(2, abs=0.15)
    assert (table[["norm_drift", "mean_drift"]] < 1e-12).all(axis=None)


def test_error_in_space_is_that_of_the_discretisation(table):
    """With the step in time out of the way it is the distance between two exact solutions."""
    end = 0.3 * (L / np.pi) ** 2
    for row in table.query("study == 'space'").itertuples():
        grid = Grid(L, row.cells)
        semidiscrete = exact_semidiscrete(combination(pde.AMPLITUDES, grid.x, L), grid, end)
        expected = l2_error(semidiscrete, exact_solution(pde.AMPLITUDES, grid.x, end, L), grid)
        assert row.error == pytest.approx(expected, rel=1e-3)


def test_growth_rates_are_those_of_23():
    rates = pde.growth_rate_table(np.pi, cells=200, dt=1e-3)
    assert len(rates) == 30 and (rates["k"] != rates["j"]).all()
    assert np.allclose(rates["theory"], rates["k"] ** 2 - rates["j"] ** 2)
    assert np.allclose(rates["relative_error"], np.abs(rates["measured"] - rates["theory"]) / np.abs(rates["theory"]))
    record = pde.growth_rates(rates, 200, 1e-3)
    assert record["worst"] < 0.02 and (record["wrong_signs"], record["pairs"]) == (0, 30)
    assert record["coarseness"] == pytest.approx(6 * np.pi / 200)
    assert pde.growth_rates(rates, 4000, 1e-3)["coarseness"] == pytest.approx(0.036)


def test_the_worst_rate_and_wrong_signs_are_seen():
    rates = pd.DataFrame({"k": [1, 2], "j": [2, 1], "measured": [3.0, 3.3], "theory": [-3.0, 3.0]})
    rates["relative_error"] = [2.0, 0.1]
    expected = {"worst": 2.0, "worst_k": 1, "worst_j": 2, "wrong_signs": 1, "pairs": 2}
    assert expected.items() <= pde.growth_rates(rates, 400, 1e-3).items()
    rates.loc[1, "relative_error"] = np.nan  # which must not be passed over
    assert np.isnan(pde.growth_rates(rates, 400, 1e-3)["worst"])


def test_convergence_is_that_in_space_on_the_finest_grid(table):
    finest = table.query("study == 'space'").iloc[1]
    assert pde.convergence(table) == {"order": finest["order"], "error": finest["error"], "cells": 40}


def test_total_variation_of_cosines():
    """phi_k goes k times between its extremes: phi_1 and phi_3 of the same range vary half and 3/2 as much as phi_2."""
    x = Grid(L, 300).x
    u = np.stack([np.cos(k * np.pi * x / L) for k in (2, 1, 3)])
    found = pde.total_variation(u)
    assert (found["least"], found["most"], found["change"]) == pytest.approx((0.5, 1.5, 0.5), abs=1e-3)


def test_total_variation_of_steady_states_differs_on_a_square_alone():
    """On (0, L) 2 sqrt(2 L C) / pi for all; on (0, pi)^2, with C = 1, 2 sqrt(2) for cos x and cos 3x."""
    x = Grid(L, 5000).x
    for k in (1, 4):
        variation = np.abs(np.diff(steady_state(k, x, L, 3.0))).sum()
        assert variation == pytest.approx(2 * np.sqrt(2 * L * 3.0) / np.pi, rel=1e-6)
    assert pde._variation_on_square(1, 0) == pytest.approx(2 * 2**0.5, rel=1e-4)
    assert pde._variation_on_square(0, 3) == pytest.approx(2 * 2**0.5, rel=1e-4)
    assert pde.total_variation(np.stack([x, x]))["on_a_square"] == pytest.approx(1.064, abs=1e-3)


def test_pairs_at_rest_are_the_double_eigenvalues_of_the_square():
    """Of the ten lowest eigenvalues above 0: 1, 1, 2, 4, 4, 5, 5, 8, 9, 9."""
    assert pde.at_rest() == {"interval": 0, "rectangle": 0, "square": 4, "others": 4, "eigenvalues": 10}


def test_a_mean_outgrows_the_first_mode():
    """sqrt(C) v / |v_x| for 3 phi_1 with a mean of a tenth of that: phi_1 stays, the mean grows as exp(lambda_1 t)."""
    t, eigenvalues = np.array([0.0, 5.0]), np.array([0.0, 1.0, 4.0])
    found = pde.decay_with_mean(t, np.array([[0.0, 3.0, 0.0], [0.0, 3.0, 0.0]]), eigenvalues, mean=0.1)
    ratio = 0.1 * np.exp(5.0)
    assert found == {
        "share": pytest.approx(1 / (1 + ratio**2)),
        "mean_over_first": pytest.approx(ratio),
        "mean": 0.1,
        "t_end": 5.0,
    }
    assert pde.decay_with_mean(t, np.array([[0.0, 3.0, 1.0]] * 2), eigenvalues, mean=0.0)["share"] > 0.99


def test_height_backwards_falls_with_the_fourth_root_of_the_time_left():
    """A Gaussian of width w has the height 1 / w and a slope of norm w^(-3/2); a jump of width w one of w^(-1/2)."""
    found = pde.backward_singularities()
    assert found["point_mass"] == pytest.approx(0.25, abs=2e-3) and found["jump"] == pytest.approx(0.25, abs=2e-3)
    assert found["least_power"] == min(found["point_mass"], found["jump"])


def test_a_steady_state_does_not_decay_and_a_mixture_does():
    """9 phi_1 + 2 phi_2 on (0, pi) hold 81 and 16 of the norm."""
    t, eigenvalues = np.array([0.0, 2.0]), np.array([0.0, 1.0, 4.0])
    found = pde.decay(t, np.array([[0.0, 9.0, 2.0], [0.0, 7.0, 0.0]]), eigenvalues)
    assert found == {"share": 1.0, "share_start": pytest.approx(81 / 97), "t_end": 2.0}


def test_measure_on_a_run_that_stands_still():
    """From the first steady state nothing changes: all is in phi_1, and the variation stays."""
    solution, run = figure_7(L, cells=50, dt=0.01, t_end=1.0, amplitudes=[1.5])
    assert np.allclose(solution["u"], steady_state(1, Grid(L, 50).x, L, solution["C"]), rtol=2e-3)
    rates = pd.DataFrame({"k": [1], "j": [2], "measured": [-3.0], "theory": [-3.0], "relative_error": [0.0]})
    convergence = pd.DataFrame({"study": ["space"], "cells": [9], "error": [0.1], "order": [2.0]})
    records = pde.measure(run, convergence, rates, solution)
    of_the_run = {"invariants", "convergence", "growth_rates", "total_variation", "decay", "decay_with_mean"}
    assert set(records) == of_the_run | {"at_rest", "backward_singularities"}
    assert records["invariants"] == run and run["steps"] == 100 and run["norm_drift"] < 1e-12
    assert records["decay"]["share"] == pytest.approx(1, abs=1e-12) and records["decay"]["t_end"] == pytest.approx(1)
    assert records["total_variation"]["change"] < 1e-10
    resolved = max(6 * np.pi / 50, 36 * 0.01 * (np.pi / L) ** 2)
    assert records["growth_rates"]["coarseness"] == pytest.approx(resolved, rel=1e-2)
