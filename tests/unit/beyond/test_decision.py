"""When a class is decided: against Bayes' rule by hand, quadrature, and runs whose answer is known."""

import numpy as np
import pytest
import torch
from helpers.networks import small_network
from scipy import stats

from beyond.decision import (
    NINE,
    Starts,
    agreement_time,
    between_classes,
    chosen_originals,
    crossing,
    eigenvalue_at,
    half_decided,
    kept_by_algorithm_2,
    kept_exactly,
    noise_of_originals,
    own,
    posterior,
    sampler_from,
    signal,
    speciation_time,
    spectrum,
    two_classes,
)
from diffusion.data import read_embedded_digits
from diffusion.forward import VarianceSchedule, chain_of_figure_2, forward_leap
from diffusion.images import rescale, snapshots
from diffusion.sampling import Sampler

PAPER = VarianceSchedule.linear(500, 1e-4, 0.02)


def test_the_spectrum_of_known_data():
    """Pixels that are independent with variances 9, 4 and 0, turned into one another."""
    x = torch.randn(50_000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    turn, _ = torch.linalg.qr(torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 4.0], [5.0, 6.0, 0.0]], dtype=torch.float64))
    images = (x * torch.tensor([2.0, 3.0, 0.0])) @ turn + 7
    np.testing.assert_allclose(spectrum(images.reshape(-1, 1, 1, 3)), [9, 4, 0], atol=0.2)


@pytest.mark.parametrize("t", [1, 100, 386, 500])
def test_the_time_of_an_eigenvalue_is_where_it_meets_abar(t):
    assert speciation_time(1 / PAPER.alpha_bar[t].item(), PAPER) == pytest.approx(t)


@pytest.mark.parametrize("t", [1, 100.5, 386, 500])
def test_the_eigenvalue_of_a_time_is_the_inverse(t):
    assert speciation_time(eigenvalue_at(t, PAPER), PAPER) == pytest.approx(t)


def test_the_part_of_the_covariance_between_classes():
    """Means -2 and 2 in one direction, of classes with shares 1/4 and 3/4: 16 * 3/16 there, whatever is within."""
    labels = torch.tensor([3] * 1000 + [7] * 3000)
    within = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for label in (3, 7):
        within[labels == label] -= within[labels == label].mean(dim=0)
    x = within + torch.where(labels == 3, -2.0, 2.0)[:, None] * torch.tensor([0.6, 0.8, 0.0])
    np.testing.assert_allclose(between_classes(x, labels), [3, 0, 0], atol=1e-9)


@pytest.mark.parametrize("eigenvalue", [5.9, 20.5, 100.0])
def test_half_is_decided_at_one_signal_whatever_the_eigenvalue(eigenvalue):
    """E 1 / (1 + exp(-2 a x)) = 3/4 over x from N(a, 1), by Gauss and Hermite, at this a."""
    classes = two_classes(eigenvalue, 4.0)
    a = signal(classes, half_decided(classes))
    x, weights = np.polynomial.hermite_e.hermegauss(80)
    assert weights @ (1 / (1 + np.exp(-2 * a * (x + a)))) / weights.sum() == pytest.approx(0.75, abs=1e-6)
    assert a == pytest.approx(0.9224, abs=1e-3)


def test_the_originals_have_the_same_noise_however_many_there_are():
    assert torch.equal(noise_of_originals(5, (1, 2, 2), 0)[:3], noise_of_originals(3, (1, 2, 2), 0))


@pytest.mark.parametrize("eigenvalue, t", [(0.5, 0), (1.0, 0), (1e9, 500)])
def test_beyond_the_ends_the_time_is_an_end(eigenvalue, t):
    assert speciation_time(eigenvalue, PAPER) == t


def test_the_two_classes_have_the_largest_eigenvalue():
    classes = two_classes(20.0, 4.0)
    assert classes.variance == pytest.approx(20.0)
    assert classes.means[1] / classes.deviations[1] == pytest.approx(4.0)


@pytest.mark.parametrize("abar", [0.01, 0.1, 0.9])
def test_the_share_kept_is_a_mean_over_draws(abar):
    """p(own class | x_t) averaged over pairs of x_0 and x_t, by Bayes' rule."""
    classes, random = two_classes(20.0, 4.0), np.random.default_rng(0)
    x_0, component = classes.draw(200_000, random)
    x = abar**0.5 * x_0 + (1 - abar) ** 0.5 * random.standard_normal(len(x_0))
    spread = (abar * classes.deviations[0] ** 2 + 1 - abar) ** 0.5
    density = stats.norm.pdf(x[:, None], abar**0.5 * np.array(classes.means), spread)
    right = density[np.arange(len(x)), component] / density.sum(axis=1)
    assert kept_exactly(classes, abar) == pytest.approx(right.mean(), abs=4 * right.std() / len(x) ** 0.5 + 1e-9)


def test_the_share_kept_falls_from_1_to_chance():
    classes = two_classes(20.0, 4.0)
    shares = [kept_exactly(classes, abar) for abar in (1 - 1e-9, 0.5, 0.05, 1e-9)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == pytest.approx(1, abs=1e-3) and shares[-1] == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("t", [200, 400])
def test_runs_of_algorithm_2_keep_the_exact_share(t):
    classes, runs = two_classes(20.0, 4.0), 2000
    share = kept_exactly(classes, PAPER.alpha_bar[t].item())
    kept = kept_by_algorithm_2(classes, PAPER, t, runs, (0, t))
    assert abs(kept / runs - share) < 4 * (share * (1 - share) / runs) ** 0.5
    assert kept == kept_by_algorithm_2(classes, PAPER, t, runs, (0, t))


def test_the_posterior_by_bayes_rule_by_hand():
    images = torch.tensor([[-1.0], [1.0], [2.0]]).reshape(3, 1, 1, 1)
    labels, x, abar = torch.tensor([3, 7, 7]), 0.5, 0.4
    density = stats.norm.pdf(x, abar**0.5 * np.array([-1.0, 1.0, 2.0]), (1 - abar) ** 0.5)
    found = posterior(torch.full((1, 1, 1, 1), x), abar, images, labels)
    assert found.shape == (1, 10) and found.sum() == pytest.approx(1)
    assert found[0, 3] == pytest.approx(density[0] / density.sum(), rel=1e-5)
    assert found[0, 7] == pytest.approx(density[1:].sum() / density.sum(), rel=1e-5)
    assert own(found, np.array([7]))[0] == found[0, 7]


def test_without_signal_the_posterior_is_the_frequencies_and_without_noise_the_nearest_image():
    images = torch.randn(30, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(30) % 3
    np.testing.assert_allclose(posterior(images[:2], 1e-12, images, labels)[:, :3], 1 / 3, atol=1e-4)
    np.testing.assert_allclose(own(posterior(images, 1 - 1e-6, images, labels), labels.numpy()), 1)


@pytest.mark.parametrize(
    "share, expected",
    [
        ([1.0, 0.8, 0.4, 0.1], 15.0),
        ([0.9, 0.4, 0.8, 0.4], 25.0),  # the last crossing counts
        ([0.5, 0.4, 0.3, 0.2], 0.0),
        ([1.0, 0.9, 0.9, 0.8], 30.0),
    ],
)
def test_the_crossing_of_a_level(share, expected):
    assert crossing([0, 10, 20, 30], share, 0.6) == pytest.approx(expected)


@pytest.mark.parametrize("agreeing, t", [([9, 8, 9, 7], 30), ([9, 7, 9, 9], 10), ([5, 9, 9, 9], 0), ([9, 9, 9, 9], 40)])
def test_from_which_t_down_the_runs_agree(agreeing, t):
    assert agreement_time([10, 20, 30, 40], agreeing, 8) == t


def test_the_originals_are_different_images_and_always_the_same():
    chosen = chosen_originals(100, 40, seed=1)
    assert len(set(chosen.tolist())) == 40 and torch.equal(chosen, chosen_originals(100, 40, seed=1))
    assert torch.equal(chosen[:10], chosen_originals(100, 10, seed=1))


SHORT = VarianceSchedule.linear(12, 1e-3, 0.3)


@pytest.fixture(scope="module")
def digits():
    return read_embedded_digits(8, seed=0)


def test_what_is_returned_starts_from_test_images_with_one_noise_for_all_t(digits):
    early, late = (Starts.at(t, digits, 3, 20, SHORT, seed=1) for t in (2, 12))
    assert torch.equal(early.originals, late.originals) and len(early.noised) == 20
    x_0 = rescale(digits.test_images[early.originals])
    abar = SHORT.alpha_bar[2]
    eps = ((early.noised - abar**0.5 * x_0) / (1 - abar) ** 0.5).float()
    assert torch.allclose(late.noised, forward_leap(x_0, 12, eps, SHORT), atol=1e-5)
    assert abs(eps.mean()) < 4 / eps.numel() ** 0.5 and abs(eps.std() - 1) < 4 / (2 * eps.numel()) ** 0.5


def test_figure_6_starts_from_the_chain_of_figure_2(digits):
    starts = Starts.at(12, digits, 3, 20, SHORT, seed=1)
    figure_2 = snapshots(chain_of_figure_2(digits.training_image(3), SHORT, 1), [12])[:, 0]
    assert torch.equal(starts.x_t, figure_2) and starts.of_figure_6.shape == (NINE, 1, 8, 8)
    assert all(torch.equal(one, figure_2[0]) for one in starts.of_figure_6)


def test_from_T_down_the_runs_are_those_of_algorithm_2(digits):
    """They are figure 6's own there; from a smaller t they have as many steps as are left."""
    start = Starts.at(12, digits, 3, 20, SHORT, seed=1).of_figure_6
    whole = snapshots(Sampler.of(small_network(), SHORT, 1).process("figure 6", range(NINE), start))
    from_T = snapshots(sampler_from(12, small_network(), SHORT, 1).process("figure 6", range(NINE), start))
    assert torch.allclose(from_T, whole, atol=1e-5)
    times = [t for t, _ in sampler_from(5, small_network(), SHORT, 1).process("figure 6", range(2), start[:2])]
    assert times == [5, 4, 3, 2, 1, 0]
