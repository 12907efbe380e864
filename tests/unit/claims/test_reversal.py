"""What is read off the studies of the flow backwards, on studies made by hand and on a small one."""

import numpy as np
import pytest

from beyond.reversal import METHODS
from claims import reversal


@pytest.fixture(scope="module")
def small():
    return reversal.studies(0.02, 2, [1.0, 0.01], [0.1, 1.0, 12.0], 300, 60, seed=1)


def test_a_small_study_gives_every_record_and_finite_numbers(small):
    records = reversal.measure(small)
    assert len(records) == 11
    for record in records.values():
        assert all(np.isfinite(value).all() for value in record.values())


def by_hand(power):
    """Errors delta^power at all times, with all methods."""
    errors = np.tile(reversal.DELTAS**power, (len(reversal.FRACTIONS), 1))
    return {
        "delta": reversal.DELTAS,
        "fraction": np.array(reversal.FRACTIONS),
        "cut_off": np.log(1 / reversal.DELTAS),
        "best": errors,
        "slope": np.full_like(errors, power),
        "worst": np.tile(errors, (len(METHODS), 1, 1)),
        "runs": np.tile(errors[..., None], (len(METHODS), 1, 1, 3)),
    }


def test_exponents_are_slopes():
    study = by_hand(0.6)
    assert reversal.hoelder(study)["at_50"] == pytest.approx(0.6)
    assert reversal.hoelder(study)["departure"] == pytest.approx(0.35)  # from 1/4
    assert reversal.reversibility(study)["exponent"] == pytest.approx(0.6)
    assert reversal.exponents(study)["tikhonov"] == pytest.approx([0.6] * 4)
    assert reversal.exponents(study)["theory"] == pytest.approx([0.6] * 4)


def test_a_power_of_the_error_is_no_root_of_a_logarithm():
    assert reversal.initial(by_hand(0.3))["departure"] > 1
    logarithmic = by_hand(0)
    logarithmic["worst"] = logarithmic["worst"] * np.log(1 / reversal.DELTAS) ** -0.5
    assert reversal.initial(logarithmic)["departure"] < 1e-9
    logarithmic["cut_off"] = logarithmic["cut_off"] ** 2  # what is judged is the power of the cut-off
    found = reversal.initial(logarithmic)
    assert found["power"] == pytest.approx(-0.25) and found["of_log"] == pytest.approx(-0.5)


def test_an_error_above_its_bound_is_seen():
    study = by_hand(0.5)
    assert reversal.optimality(study)["largest"] == pytest.approx(1 / 2**0.5)
    study["runs"][list(METHODS).index("tikhonov"), 2, 3, 1] *= 10
    assert reversal.optimality(study)["largest"] == pytest.approx(10 / (1 + 2**0.5))


def test_blow_up_is_interpolated_where_the_error_passes_1():
    largest = np.array([100.0])
    end = np.log(1 / np.finfo(float).epsneg) / 100
    ends = end * np.array([0.5, 0.9, 1.1, 2.0])
    errors = (ends / end) ** 8
    study = {"naive": errors[None], "ends": ends, "largest": largest, "cells": np.array([64])}
    assert reversal.blow_up(study)["departure"] == pytest.approx(0, abs=1e-12)
    assert reversal.blow_up(study | {"largest": largest / 2})["departure"] == pytest.approx(0.5)


def test_errors_of_data_have_their_norm_and_do_not_depend_on_one_another():
    errors = reversal.errors_of_data(0.01, 3, 5, "test")
    assert np.allclose(np.linalg.norm(errors, axis=1), 0.01) and not errors[:, reversal.CELLS :].any()
    assert np.array_equal(errors, reversal.errors_of_data(0.01, 3, 5, "test"))
    assert not np.allclose(errors, reversal.errors_of_data(0.01, 3, 5, "other"))


def noisy(from_end, from_noise, own=0.5, bayes=0.5):
    """A study with one noise level and three ends, of which T* = 2 is before the last by more than LATE."""
    counts = np.array([[from_end] * 3, from_noise]).swapaxes(0, 1)[None]
    return {
        "counts": counts,
        "levels": np.array([0.1]),
        "noisy_ends": np.array([0.5, 2.0, 6.0]),
        "forget": np.array([2.0]),
        "own": np.full((1, 3), own),
        "bayes": np.full((1, 3), bayes),
        "noisy_steps": np.array(200),
    }


LAW = [400, 300, 200, 100]
ONE = [0, 1000, 0, 0]


def test_laws_are_compared_by_total_variation_where_they_should_be():
    study = noisy(LAW, [ONE, ONE, LAW])
    assert reversal.initial_law(study)["variation"] == 0 and reversal.initial_law(study)["cases"] == 3
    found = reversal.from_noise(study)
    assert (found["late"], found["early"]) == (0, pytest.approx(0.7))
    assert (found["cases_late"], found["cases_early"]) == (1, 1)
    assert reversal.initial_law(noisy(ONE, [LAW] * 3))["variation"] == pytest.approx(0.7)
    # One late case has the bound of one; three at once have a wider one.
    assert found["late_high"] == pytest.approx(1.644854 / (2 * 1000**0.5))
    assert reversal.initial_law(study)["variation_high"] == pytest.approx(2.128045 / (2 * 1000**0.5))


def test_ends_that_are_all_early_or_late_or_neither_leave_numbers_out():
    law = {"early": [ONE] * 3, "late": [LAW] * 3, "neither": [ONE, LAW, LAW]}
    of_time = {"early": [0.1, 0.5, 1.0], "late": [5.0, 6.0, 7.0], "neither": [1.5, 2.0, 4.0]}
    found = {name: reversal.from_noise(noisy(LAW, law[name]) | {"noisy_ends": np.array(of_time[name])}) for name in law}
    assert (found["early"]["late"], found["early"]["late_high"]) == (None, None) and found["early"]["early"] > 0
    assert found["late"]["early"] is None and found["late"]["late"] == 0
    assert [found["neither"][name] for name in ("late", "late_high", "early")] == [None] * 3


def test_a_share_that_is_not_bayes_is_seen_in_standard_errors():
    error = (0.25 / 1000) ** 0.5
    study = noisy(LAW, [LAW] * 3, own=0.5 + 5 * error)
    found = reversal.own_start(study)
    assert found["departure"] == pytest.approx(5) and found["fineness"] == pytest.approx(200 / 1000**0.5)
    assert found["p_value"] == pytest.approx(3 * 5.733e-7, rel=1e-3)  # erfc(5 / sqrt 2), for each of three cases


def test_deterministic_limit_predicts_the_start_with_the_smallest_slow_modes():
    amplitudes, _ = reversal.initial_conditions()
    smallest = int(np.abs(amplitudes[:, 0]).argmin())
    found = reversal.deterministic_limit(noisy(LAW, [ONE, ONE, LAW]), end=2.0)
    assert (found["number"], found["share"], found["end"]) == (smallest + 1, 1.0, 2.0)


def test_initial_conditions_have_the_same_norm_and_probability_one():
    amplitudes, eigenvalues = reversal.initial_conditions()
    assert np.allclose((eigenvalues * amplitudes**2).sum(axis=1), 2) and reversal.PROBABILITY.sum() == pytest.approx(1)
