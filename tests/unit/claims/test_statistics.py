"""Intervals, tests and distances against closed forms."""

import numpy as np
import pytest
import torch
from scipy import stats

from claims import statistics as metrics


def test_share_is_wilsons_interval():
    value, low, high = metrics.share(450, 500)
    z, n, p = stats.norm.ppf(0.975), 500, 0.9
    centre, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert value == 0.9
    assert low == pytest.approx((centre - half) / (1 + z**2 / n), rel=1e-9)
    assert high == pytest.approx((centre + half) / (1 + z**2 / n), rel=1e-9)


def test_accuracy_is_a_share():
    record = metrics.accuracy(450, 500)
    ends = (record["accuracy"], record["accuracy_low"], record["accuracy_high"])
    assert ends == metrics.share(450, 500) and record["images"] == 500


def test_chance_of_eight_of_nine():
    assert metrics.chance_of_at_least(8, 9, 0.9) == pytest.approx(9 * 0.9**8 * 0.1 + 0.9**9, rel=1e-12)
    assert metrics.chance_of_at_least(8, 9, 1.0) == 1 and metrics.chance_of_at_least(8, 9, 0.0) == 0


def test_frechet_distance_of_gaussians_with_commuting_covariances():
    """For diagonal covariances it is |mean_1 - mean_2|^2 plus the squared differences of the deviations."""
    one, other = np.array([1.0, 4.0, 0.0]), np.array([9.0, 1.0, 0.25])
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    found = metrics.frechet_distance(
        np.zeros(3), turn @ np.diag(one) @ turn.T, np.array([3.0, 4.0, 0.0]), turn @ np.diag(other) @ turn.T
    )
    assert found == pytest.approx(
        25 + (1 - 3) ** 2 + (2 - 1) ** 2 + 0.5**2, rel=1e-7
    )  # a zero eigenvalue is 0 to half the digits


def test_frechet_distance_of_gaussians_whose_covariances_do_not_commute():
    """tr((A B)^(1/2)) of 2x2 matrices is (tr(A B) + 2 det(A B)^(1/2))^(1/2)."""
    A, B = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([[1.0, -0.5], [-0.5, 2.0]])
    mixed = np.sqrt(np.trace(A @ B) + 2 * np.sqrt(np.linalg.det(A @ B)))
    expected = np.trace(A) + np.trace(B) - 2 * mixed
    assert metrics.frechet_distance(np.zeros(2), A, np.zeros(2), B) == pytest.approx(expected, rel=1e-10)
    assert metrics.frechet_distance(np.ones(2), A, np.ones(2), A) == pytest.approx(0, abs=1e-12)


def test_intervals_that_hold_for_several_cases_at_once_are_wider():
    assert metrics.two_sided(1) == pytest.approx(1.959964)
    assert stats.norm.sf(metrics.two_sided(7)) * 2 * 7 == pytest.approx(0.05)
    _, low, high = metrics.mean([1.0, 3.0], cases=7)
    assert (low, high) == pytest.approx((2 - metrics.two_sided(7), 2 + metrics.two_sided(7)))


def test_a_mean_with_its_interval():
    assert metrics.ends("x", metrics.mean([1.0, 3.0])) == {
        "x": 2.0,
        "x_low": pytest.approx(2 - 1.959964, rel=1e-6),  # the deviation of 1 and 3 is sqrt 2, of their mean 1
        "x_high": pytest.approx(2 + 1.959964, rel=1e-6),
    }


@pytest.mark.parametrize("d", [-1.0, 0.0, 0.5, 1.0, 3.0])
def test_d_prime_of_a_choice_of_two_in_closed_form(d):
    """Right if the difference of two Gaussians of variance 1 is positive: Phi(d / sqrt 2)."""
    right = stats.norm.cdf(d / 2**0.5)
    assert metrics.right_of_choice(d, 2) == pytest.approx(right, abs=1e-10)
    assert metrics.d_prime_of_choice(right, 2) == pytest.approx(d, abs=1e-8)


def test_d_prime_of_a_choice_among_ten():
    """A guess at 0; and at 1 as often right as 200,000 simulated choices, whose error is 0.1% (fixed seed)."""
    assert metrics.d_prime_of_choice(0.1, 10) == pytest.approx(0, abs=1e-8)
    x = np.random.default_rng(0).normal(size=(200_000, 10))
    x[:, 0] += 1
    assert metrics.right_of_choice(1, 10) == pytest.approx((x.argmax(axis=1) == 0).mean(), abs=0.004)
    assert metrics.right_of_choice(1, 10) == pytest.approx(0.341, abs=5e-4)  # as the ledger says
    assert (metrics.d_prime_of_choice(1.0, 10), metrics.d_prime_of_choice(0.0, 10)) == (metrics.FAR, -metrics.FAR)


def test_d_prime_of_a_decision():
    assert metrics.d_prime_of_decision(stats.norm.cdf(0.9)) == pytest.approx(1.8)
    assert metrics.d_prime_of_decision(1.0) == metrics.FAR and metrics.d_prime_of_decision(0.5) == 0


def runs_of(originals, pull, random):
    """Runs that are drawn to their originals, both (n, d), and the distances from runs to originals, (n, n)."""
    runs = pull * originals + random.normal(size=originals.shape)
    return np.linalg.norm(runs[:, None] - originals[None], axis=2)


def test_own_is_nearer_counts_pairs_and_ties():
    distances = np.array([[1.0, 2.0, 0.5], [3.0, 3.0, 4.0], [9.0, 7.0, 5.0]])
    share, low, high = metrics.own_is_nearer(distances)
    assert share == pytest.approx((1 + 0 + 0.5 + 1 + 2) / 6)
    assert 0 <= low < share < high <= 1


@pytest.mark.parametrize("pull", [0.0, 0.15])
def test_the_interval_of_own_is_nearer_misses_the_truth_as_rarely_as_it_says(pull):
    """300 experiments with 40 pairs: an interval that misses in 5% leaves the limits once in 1,000 (fixed seed). The
    truth is from 3,000 pairs.
    """
    random = np.random.default_rng(3)
    truth = metrics.own_is_nearer(runs_of(random.normal(size=(3000, 8)), pull, random))[0]
    if pull == 0:
        assert truth == pytest.approx(0.5, abs=0.02)
        truth = 0.5
    missed = 0
    for _ in range(300):
        _, low, high = metrics.own_is_nearer(runs_of(random.normal(size=(40, 8)), pull, random))
        missed += not low <= truth <= high
    low, high = stats.binom.ppf([0.0005, 0.9995], 300, 0.05)
    assert low <= missed <= high + 5  # small samples miss a little more often


def test_the_permutation_test_rejects_true_hypotheses_as_often_as_its_level_and_finds_false_ones():
    """200 tests at level 10%: a correct one leaves the interval once in 1,000 (fixed seed)."""
    random = np.random.default_rng(1)
    p = [
        metrics.permutation_test(runs_of(random.normal(size=(20, 3)), 0, random), random, permutations=99)
        for _ in range(200)
    ]
    low, high = stats.binom.ppf([0.0005, 0.9995], 200, 0.1)
    assert low <= sum(value <= 0.1 for value in p) <= high
    assert metrics.permutation_test(runs_of(random.normal(size=(80, 20)), 0.5, random), random) == 1e-4


def test_nearest_distances():
    x, reference = torch.zeros(3, 1, 2, 2), torch.ones(2, 1, 2, 2) * torch.tensor([3.0, 1.0]).reshape(2, 1, 1, 1)
    x[2] = 2.9
    assert metrics.nearest(x, reference, batch_size=2) == pytest.approx([2.0, 2.0, 0.2], rel=1e-3)


def test_mean_distance_over_pairs():
    assert metrics.mean_distance(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]])) == pytest.approx(10 / 3)


def test_total_variation():
    assert metrics.total_variation([10, 0], [0.5, 0.5]) == pytest.approx(0.5)
    assert metrics.total_variation([[5, 5], [0, 10]], [0.5, 0.5]) == pytest.approx([0.0, 0.5])


@pytest.mark.parametrize("shift", [0.0, 0.02, 0.1])
def test_the_bound_on_the_total_variation_fails_as_rarely_as_it_says(shift):
    """2,000 experiments of 500 draws, half of the ten digits coming too often by `shift`: at most 5% of the bounds are
    below the truth, and 6.6% once in 1,000 experiments (fixed seed).
    """
    random, shares = np.random.default_rng(4), np.full(10, 0.1)
    law = shares + np.where(np.arange(10) < 5, shift, -shift) / 5
    truth = metrics.total_variation(1000 * law, shares)
    assert truth == pytest.approx(shift)
    observed = metrics.total_variation(random.multinomial(500, law, size=2000), shares)
    assert (metrics.total_variation_bound(observed, 500) < truth).mean() < 0.066


def test_the_bound_on_the_total_variation_in_closed_form():
    assert metrics.total_variation_bound(0.05, 400) == pytest.approx(0.05 + 1.644854 / 40)
    assert metrics.total_variation_bound(0.05, 400, cases=32) == pytest.approx(0.05 + 2.954982 / 40, abs=1e-5)


def test_the_largest_of_some_values_is_nan_if_one_of_them_is():
    """Wherever it stands: Python's own `max` answers 3 to the first of these."""
    assert metrics.largest(1.0, 3, np.float64(2)) == 3
    for values in ([3.0, np.nan], [np.nan, 3.0], [1.0, np.nan, 3.0]):
        assert np.isnan(metrics.largest(*values))
