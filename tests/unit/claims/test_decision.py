"""The records on when a class is decided, before any network."""

import numpy as np
import pytest

from beyond.decision import speciation_time
from claims import decision
from diffusion.data import read_embedded_digits
from diffusion.forward import VarianceSchedule

PAPER = VarianceSchedule.linear(500, 1e-4, 0.02)


def test_times_rise_to_T():
    assert decision.times(500)[:2] == [25, 50] and decision.times(500)[-1] == 500
    assert decision.times(7) == [1, 2, 3, 4, 5, 6, 7]


def test_halfway_starts_from_1_at_0():
    assert decision.halfway([10, 20], np.array([0.5, 0.2]), 0.1) == pytest.approx(9)
    assert decision.halfway([10, 20], np.array([1.0, 0.1]), 0.1) == pytest.approx(15)


def test_two_classes_in_both_outcomes():
    t, exact = [100, 400], np.array([0.9, 0.6])
    right = decision.two(PAPER, t, exact, exact * decision.RUNS, 20.0)
    assert right["errors"] == 0
    wrong = decision.two(PAPER, t, exact, np.array([0.9, 0.7]) * decision.RUNS, 20.0)
    assert (wrong["errors"], wrong["worst_t"]) == (pytest.approx(0.1 / (0.24 / decision.RUNS) ** 0.5), 400)
    assert wrong["predicted"] == pytest.approx(385, abs=1)
    assert wrong["signal"] == pytest.approx(0.9224, abs=1e-3)
    assert decision.octaves(wrong["halfway"], 20.0, PAPER) == pytest.approx(wrong["octaves"], abs=1e-3)


def test_an_octave_is_a_factor_of_two_in_the_eigenvalue():
    assert decision.octaves(speciation_time(40.0, PAPER), 20.0, PAPER) == pytest.approx(1)
    assert decision.octaves(speciation_time(5.0, PAPER), 20.0, PAPER) == pytest.approx(-2)


def test_digits_are_judged_by_the_farther_end_of_the_interval():
    half = tuple(speciation_time(eigenvalue, PAPER) for eigenvalue in (18.0, 8.0, 25.0))
    found = decision.digits(PAPER, half, np.array([20.0, 15.0, 12.0, 8.0, 4.0, 1.0]), np.array([10.0, 1.0]))
    assert found["octaves"] == pytest.approx(np.log2(20 / 8)) and found["right"] == pytest.approx(18)
    assert found["predicted_between"] == found["predicted"] - (
        speciation_time(20.0, PAPER) - speciation_time(10.0, PAPER)
    )
    assert len(found["others"]) == 4 and found["halfway_low"] < found["halfway"] < found["halfway_high"]


def test_the_interval_of_the_middle_covers_it():
    """Each image keeps its class up to a t of its own, spread evenly over 100..300: half do up to 200."""
    t = list(range(20, 401, 20))
    own = np.random.default_rng(0).uniform(100, 300, 400)
    kept = (np.array(t)[:, None] < own).astype(float)
    resampled = decision.resampled_halfway(t, kept, 0.0, np.random.default_rng(1))
    middle, low, high = decision.interval(decision.halfway(t, kept.mean(axis=1), 0.0), resampled)
    assert low < 200 < high and low < middle < high < low + 30


def test_a_rare_event_counts_in_runs():
    """Of 4,000 runs of which 0.04 are expected to leave their class, one did."""
    exact = np.array([1 - 1e-5, 0.5])
    record = decision.two(PAPER, [10, 400], exact, np.array([decision.RUNS - 1, decision.RUNS / 2]), 20.0)
    assert record["errors"] == pytest.approx(0.96)


def test_measure_on_the_embedded_digits(monkeypatch):
    monkeypatch.setattr(decision, "RUNS", 200)
    images = read_embedded_digits(16, seed=0)
    schedule = VarianceSchedule.linear(50, 1e-3, 0.2)
    records, shown = decision.measure(schedule, images, image=3, seed=0)
    assert set(records) == {"two", "digits"}
    assert records["two"]["errors"] < 4
    assert shown["kept"][0] > 0.9 and shown["kept"][-1] < 0.5
    assert np.all(np.diff(shown["exact"]) < 0)
    assert 0 < records["digits"]["halfway"] < 50
    assert records["digits"]["halfway_low"] < records["digits"]["halfway"] < records["digits"]["halfway_high"]
    assert records["digits"]["between"] < records["digits"]["eigenvalue"]
    assert records["digits"]["by_chance"] == pytest.approx(0.1, abs=0.01)
    assert len(shown["t"]) == len(shown["figure_6"]) == len(shown["runs"]) == 20
