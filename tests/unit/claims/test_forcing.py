"""What is measured of the forced flow: the statistics, and each record small."""

import numpy as np
import pytest
from scipy import stats

from beyond import forcing as forcing_flow
from claims import forcing

AMPLITUDES = [4e-11, 2.5e-8, 1.4e-5, 2.9e-3, 0.13, 1.0]


def test_the_distance_of_a_sample_is_scipys_and_the_bound_is_rarely_exceeded():
    sample = np.random.default_rng(0).uniform(size=300)
    found = forcing.distance(sample, np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    assert found["distance"] == pytest.approx(stats.kstest(sample, "uniform").statistic)
    wide = found["distance_high"] - found["distance"]
    assert stats.kstwo.sf(wide, 300) == pytest.approx(0.05, abs=0.01)


def test_the_worst_of_several_cases_is_bounded_for_all_of_them_at_once():
    line, random = np.array([0.0, 1.0]), np.random.default_rng(1)
    distances = [[forcing.distance(random.uniform(size=50), line, line, 4) for _ in range(4)] for _ in range(400)]
    wide = distances[0][0]["distance_high"] - distances[0][0]["distance"]
    assert np.mean([max(one["distance"] for one in four) > wide for four in distances]) < 0.08


def test_order_of_a_power():
    assert forcing.order([0.1, 0.2, 0.4], 3 * np.array([0.1, 0.2, 0.4]) ** 1.5) == pytest.approx(1.5)


def test_kicks_have_the_variance_of_the_step_and_are_addressed():
    first = list(forcing.kicks(1, "a", 50, 0.25, 400))
    again = list(forcing.kicks(1, "a", 50, 0.25, 400))
    assert np.array_equal(first, again) and np.var(first) == pytest.approx(0.25, rel=0.05)
    assert not np.array_equal(first[0], next(forcing.kicks(1, "b", 1, 0.25, 400)))


def test_the_solver_passes_its_own_claims_and_its_grid_too():
    assert forcing.norm(3, paths=10, steps=100)["drift"] < 1e-14
    assert forcing.on_grid(3, cells=64, steps=20)["difference"] < 1e-6
    assert 0.3 < forcing.strong(3, paths=100, finest=1024)["order"] < 0.8


def test_laws_of_two_and_four_modes():
    two, shown = forcing.two_modes(3, 2000)
    assert two["distance"] < 0.05 and two["share_error"] < 0.03
    width = np.diff(shown["two_edges"])
    assert np.sum(shown["two_density"] * width) == pytest.approx(1)
    assert np.trapezoid(shown["two_exact"], shown["two_x"]) == pytest.approx(1, abs=1e-6)
    four, shown = forcing.four_modes(3, 2000)
    assert four["distance"] < 0.06 and four["squares_error"] < 0.04
    assert shown["four_x"].shape == shown["four_exact"].shape == (4, 401) and shown["four_sample"].shape == (99, 4)


def test_a_wrong_strength_of_the_noise_is_noticed():
    """The claim on two modes would not hold for a sigma that is 5% too large."""
    a = forcing.run(
        forcing.everywhere(3, "x", 20000, 2),
        forcing.FOUR[:2],
        1.05,
        0.02,
        np.random.default_rng(0).standard_normal((100, 20000, 2)) * 0.02**0.5,
    )
    x, P = forcing.bingham_marginal(forcing.FOUR[:2], 1.0, 1)
    assert forcing.distance(np.abs(a[:, 0]), x, P)["distance"] > 0.015


def test_noise_below_the_seeds_leaves_the_cascade_and_strong_noise_shortens_it():
    record, shown = forcing.cascade(3, AMPLITUDES, np.pi, 0.1, paths=20, dt=0.004)
    assert record["modes_quiet"] == 6 and record["times"][0] == pytest.approx(record["quiet"], rel=1e-3)
    assert record["time_loud"] < record["quiet"] / 5 and record["modes_loud"] <= 3
    assert record["theory_error"] < 0.25
    assert shown["cascade_forced"].shape == shown["cascade_quiet"].shape == (len(shown["cascade_t"]), 6)


@pytest.mark.parametrize("amplitudes", [[0.0, 1.0], [1e-300, 0.0, 1.0]])
def test_a_start_without_a_cascade_has_no_time_and_only_finite_numbers(amplitudes):
    """phi_1 never takes over, or later than is looked for; then noise alone decides."""
    record, _ = forcing.cascade(3, amplitudes, np.pi, 0.1, paths=10, dt=0.01)
    assert (
        record["quiet"] is None if amplitudes[0] == 0 else record["quiet"] == pytest.approx(np.log(3e300) / 8, rel=1e-4)
    )
    numbers = np.concatenate([record["times"], record["theory"], record["modes"], [record["theory_error"]]])
    assert np.isfinite(numbers).all()


def test_a_solver_that_gives_nan_once_is_not_passed_over(monkeypatch):
    calls, right = [], forcing.step

    def once(*arguments):
        calls.append(1)
        return right(*arguments) if len(calls) != 3 else np.full_like(arguments[0], np.nan)

    monkeypatch.setattr(forcing, "step", once)
    assert np.isnan(forcing.norm(0, paths=5, steps=6)["drift"])


def test_small_noise_and_the_multiplier_tend_to_their_limits():
    ratios = forcing.small()["ratios"]
    assert abs(ratios[2] - 1) < abs(ratios[1] - 1) < abs(ratios[0] - 1) < 0.01
    found = forcing.multiplier((8, 32, 128))
    assert abs(found["ratios"][2] - 1) < abs(found["ratios"][1] - 1) < abs(found["ratios"][0] - 1)
    steps = np.abs(np.diff(found["means_left"]))
    assert steps[1] < steps[0] / 2  # the mean less n / 2 converges, the variance does not


def test_a_solver_of_order_one_in_law_is_noticed(monkeypatch):
    """Half a step of the flow on one side alone: the claim on the order in law would not hold."""

    def one_sided(a, levels, sigma, dt, dW):
        a = forcing_flow.geodesic(a, sigma * forcing_flow.tangential(a, dW))
        return forcing_flow.gradient_flow(a, levels, dt)

    monkeypatch.setattr(forcing, "step", one_sided)
    assert forcing.weak(3, 500)["order_high"] < 1.25


def test_first_eigenvalues_of_the_square_and_the_cube_share_alike():
    levels = np.array([1.0, 1.0, 2.0, 4.0])
    both = forcing.bingham_squares(levels, 1.0)
    assert forcing.first_space(levels, 2) == pytest.approx(both[0] + both[1]) and both[0] == pytest.approx(both[1])
