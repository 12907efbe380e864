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


def test_energy_distance_by_its_definition():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(5, 2)), random.normal(size=(7, 2)) + 1
    both = np.concatenate([x, y])
    distances = np.linalg.norm(both[:, None] - both[None], axis=2)
    first = np.array([[1.0] * 5 + [0.0] * 7])
    expected = 2 * distances[:5, 5:].mean() - distances[:5, :5].mean() - distances[5:, 5:].mean()
    assert metrics.energy_distance(distances, first)[0] == pytest.approx(expected, rel=1e-12)


def test_energy_test_rejects_true_hypotheses_as_often_as_its_level():
    """200 tests at level 10%: a correct one leaves the interval once in 1,000 (fixed seed)."""
    random = np.random.default_rng(1)
    p = [
        metrics.energy_test(random.normal(size=(15, 3)), random.normal(size=(20, 3)), random, permutations=99)
        for _ in range(200)
    ]
    low, high = stats.binom.ppf([0.0005, 0.9995], 200, 0.1)
    assert low <= sum(value <= 0.1 for value in p) <= high


@pytest.mark.parametrize("mean, spread", [(0.6, 1.0), (0.0, 2.0)])
def test_energy_test_finds_another_mean_or_spread(mean, spread):
    random = np.random.default_rng(2)
    x, y = random.normal(size=(80, 4)), mean + spread * random.normal(size=(80, 4))
    assert metrics.energy_test(x, y, random) <= 0.01


def test_nearest_distances():
    x, reference = torch.zeros(3, 1, 2, 2), torch.ones(2, 1, 2, 2) * torch.tensor([3.0, 1.0]).reshape(2, 1, 1, 1)
    x[2] = 2.9
    assert metrics.nearest(x, reference, batch_size=2) == pytest.approx([2.0, 2.0, 0.2], rel=1e-3)


def test_mean_distance_over_pairs():
    assert metrics.mean_distance(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]])) == pytest.approx(10 / 3)


def test_total_variation():
    assert metrics.total_variation([10, 0], [0.5, 0.5]) == pytest.approx(0.5)
    assert metrics.total_variation([[5, 5], [0, 10]], [0.5, 0.5]) == pytest.approx([0.0, 0.5])
