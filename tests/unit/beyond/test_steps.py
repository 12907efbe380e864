"""The two samplers, against (19), exact solutions with a frozen denoiser, quadrature, and closed forms."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.networks import small_network
from scipy import integrate, stats

from beyond.steps import (
    Mixture,
    SubsequenceSampler,
    coefficients,
    distance_of_laws,
    end_of_law,
    even_steps,
    flow_error,
    gaussian_end,
    path_errors,
    step,
    subsequence,
)
from diffusion.backward import denoising_step
from diffusion.forward import VarianceSchedule
from diffusion.images import snapshots
from diffusion.sampling import Sampler
from diffusion.sde import ContinuousSchedule, GaussianData
from engine.errors import UserError

PAPER = VarianceSchedule.linear(500, 1e-4, 0.02)
CONTINUOUS = ContinuousSchedule(PAPER)
MIXTURE = Mixture((0.3, 0.7), (-0.7, 0.5), (0.3, 0.2))
SHORT = VarianceSchedule.linear(20, 1e-3, 0.3)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("t, steps", [(500, 10), (500, 500), (350, 100), (7, 3), (1, 1)])
def test_a_subsequence_falls_from_t_to_0_in_even_steps(t, steps):
    times = subsequence(t, steps)
    assert (times[0], times[-1], len(times)) == (t, 0, steps + 1)
    gaps = -np.diff(times)
    assert gaps.min() >= 1 and gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("steps", [0, 21])
def test_more_steps_than_there_are_times_is_said_in_a_sentence(steps):
    with pytest.raises(UserError, match=f"no {steps} steps back"):
        subsequence(20, steps)


@pytest.mark.parametrize("t", [1, 2, 300, 500])
def test_with_noise_and_all_times_the_step_is_19(t):
    x, eps, z = (normal(3, 1, 4, 4, seed=seed) for seed in range(3))
    torch.testing.assert_close(step(x, eps, z, t, t - 1, PAPER, 1.0), denoising_step(x, eps, z, t, PAPER))


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("t, s", [(500, 400), (100, 1), (50, 0)])
def test_a_step_is_exact_where_the_denoiser_is_constant(t, s, eta):
    """For data at one point D: a Gaussian x_t of the right law becomes one of the right law at s, in one step; without
    noise its position in the law is kept.
    """
    D, (before, after) = 0.7, PAPER.alpha_bar[[t, s]]
    x = before**0.5 * D + (1 - before) ** 0.5 * normal(200_000, 1, 1, 1)
    eps = (x - before**0.5 * D) / (1 - before) ** 0.5
    end = step(x, eps, normal(200_000, 1, 1, 1, seed=1), t, s, PAPER, eta)
    assert end.mean().item() == pytest.approx((after**0.5 * D).item(), abs=0.01)
    assert end.std().item() == pytest.approx(((1 - after) ** 0.5).item(), abs=0.005)
    if eta == 0:
        torch.testing.assert_close(end, after**0.5 * D + (1 - after) ** 0.5 * eps)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_coefficients_are_those_of_the_step(eta):
    a, b, sigma = coefficients(PAPER.alpha_bar[300].item(), PAPER.alpha_bar[200].item(), eta)
    x, eps, z = (normal(3, 1, 2, 2, seed=seed) for seed in range(3))
    torch.testing.assert_close(step(x, eps, z, 300, 200, PAPER, eta), a * x + b * eps + sigma * z)


def sampler(times, eta):
    network = SubsequenceSampler.of(small_network(), SHORT, seed=5)
    return replace(network, times=times, eta=eta)


def test_with_noise_and_all_times_the_sampler_is_algorithm_2():
    ours = snapshots(sampler(subsequence(20, 20), 1.0).in_batches("sample", range(3), 2))
    theirs = snapshots(Sampler.of(small_network(), SHORT, seed=5).in_batches("sample", range(3), 2))
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_without_noise_the_end_depends_on_the_start_alone():
    x = normal(2, 1, 8, 8).float()
    run = sampler(subsequence(20, 5), 0.0)
    one, other = (snapshots(run.process(stream, range(2), x)) for stream in ("one", "other"))
    assert torch.equal(one, other)
    noisy = [snapshots(replace(run, eta=1.0).process(stream, range(2), x)) for stream in ("one", "other")]
    assert not torch.allclose(*noisy)


def test_a_sample_stops_at_its_times_and_does_not_depend_on_the_batch():
    run = sampler((15, 7, 0), 1.0)
    assert [t for t, _ in run.process("sample", range(2))] == [15, 7, 0]
    whole, parts = (snapshots(run.in_batches("sample", range(4), size)) for size in (4, 3))
    torch.testing.assert_close(whole, parts, atol=1e-5, rtol=1e-5)


def test_of_one_component_the_mixture_is_the_gaussian_of_section_6():
    x = np.linspace(-2, 2, 9)
    expected = GaussianData(0.4, 0.25).noise(torch.from_numpy(x), 0.3).numpy()
    np.testing.assert_allclose(Mixture((1.0,), (0.4,), (0.5,)).noise(x, 0.3), expected)


@pytest.mark.parametrize("abar", [0.05, 0.6, 0.999])
def test_the_noise_of_a_mixture_is_the_conditional_mean(abar):
    """By integration over x_0, whose law and that of x_t given x_0 are given."""

    def density(x_0):
        parts = zip(MIXTURE.weights, MIXTURE.means, MIXTURE.deviations, strict=True)
        return sum(weight * stats.norm.pdf(x_0, mean, deviation) for weight, mean, deviation in parts)

    def eps(x, x_0):
        return (x - abar**0.5 * x_0) / (1 - abar) ** 0.5

    x_0 = np.linspace(-4, 4, 40_001)
    for x in (-1.0, -0.1, 0.3):
        weights = density(x_0) * stats.norm.pdf(eps(x, x_0))
        assert MIXTURE.noise(np.array(x), abar) == pytest.approx((weights @ eps(x, x_0)) / weights.sum(), rel=1e-6)


@pytest.mark.parametrize("abar", [0.01, 0.5, 1.0])
def test_quantiles_invert_the_distribution_function(abar):
    u = np.array([1e-12, 0.01, 0.3, 0.5, 0.999])
    np.testing.assert_allclose(MIXTURE.distribution(MIXTURE.quantile(u, abar), abar), u, rtol=1e-9)


def test_draws_have_the_law():
    x, component = MIXTURE.draw(20_000, np.random.default_rng(0))
    assert stats.kstest(x, lambda value: MIXTURE.distribution(value, 1.0)).pvalue > 1e-3
    assert component.mean() == pytest.approx(0.7, abs=0.02)
    assert x.var() == pytest.approx(MIXTURE.variance, rel=0.05)


def test_even_steps_are_those_of_the_schedule():
    abar = even_steps(CONTINUOUS, 500)
    np.testing.assert_allclose(abar, [CONTINUOUS.alpha_bar(t) for t in range(500, -1, -1)])
    assert abar[-1] == 1 and np.all(np.diff(abar) > 0)


@pytest.mark.parametrize("steps", [10, 100])
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_variances_of_gaussian_data_by_the_recursion_of_the_steps(steps, eta):
    """x' = a x + b eps + sigma z with eps linear in x: the variance is followed step by step."""
    abar = even_steps(CONTINUOUS, steps)
    for s2 in (0.01, 0.25, 20.0):
        variance = abar[0] * s2 + 1 - abar[0]
        for before, after in itertools.pairwise(abar):
            a, b, sigma = coefficients(before, after, eta)
            slope = (1 - before) ** 0.5 / (before * s2 + 1 - before)
            variance = (a + b * slope) ** 2 * variance + sigma**2
        assert gaussian_end(np.array([s2]), abar, eta)[0] == pytest.approx(variance, rel=1e-9)


def test_what_has_no_variance_keeps_none():
    abar = even_steps(CONTINUOUS, 20)
    assert [gaussian_end(np.zeros(2), abar, eta).tolist() for eta in (0.0, 1.0)] == [[0.0, 0.0], [0.0, 0.0]]


def test_for_small_steps_the_noise_costs_four_times_what_it_would_without():
    """Of the variance lost, while v is far below s^2, as here at all t: one step from abar near 1."""
    abar = np.array([1 - 1e-6, 1 - 0.99e-6, 1.0])[:2]
    s2 = np.array([1.0])
    lost = []
    for eta in (0.0, 1.0):
        whole = gaussian_end(s2, np.append(abar, 1.0), eta)
        lost.append(1.0 - whole[0] - (1.0 - gaussian_end(s2, np.array([abar[1], 1.0]), eta)[0]))
    assert lost[1] / lost[0] == pytest.approx(4, rel=0.02)


@pytest.mark.parametrize("steps", [10, 80])
def test_laws_of_gaussian_data_by_the_closed_form(steps):
    abar, data = even_steps(CONTINUOUS, steps), Mixture((1.0,), (0.4,), (0.5,))
    for eta, found in ((0.0, flow_error(data, abar)), (1.0, distance_of_laws(*end_of_law(data, abar), data))):
        deviation = gaussian_end(np.array([0.25]), abar, eta)[0] ** 0.5
        assert found == pytest.approx((0.5 - deviation) * (2 / np.pi) ** 0.5, rel=1e-4)


def test_the_law_of_the_mixture_is_that_of_many_runs():
    random, abar = np.random.default_rng(0), even_steps(CONTINUOUS, 10)
    x_0, _ = MIXTURE.draw(20_000, random)
    x = abar[0] ** 0.5 * x_0 + (1 - abar[0]) ** 0.5 * random.standard_normal(20_000)
    for before, after in itertools.pairwise(abar):
        a, b, sigma = coefficients(before, after, 1.0)
        x = a * x + b * MIXTURE.noise(x, before) + sigma * random.standard_normal(20_000)
    points, F = end_of_law(MIXTURE, abar)
    assert np.all(np.diff(points) > 0)
    assert stats.kstest(x, lambda value: np.interp(value, points, F)).pvalue > 1e-3
    assert stats.kstest(x, lambda value: MIXTURE.distribution(value, 1.0)).pvalue < 1e-6  # ten steps err visibly


def test_steps_that_do_not_end_at_0_are_refused():
    with pytest.raises(ValueError, match="do not end at t = 0"):
        end_of_law(MIXTURE, np.array([0.1, 0.5]))


def test_the_distance_of_laws_of_a_shift_is_the_shift():
    x = MIXTURE.quantile(np.linspace(1e-12, 1 - 1e-12, 2001))
    x = np.unique(np.concatenate([x, np.linspace(-2.5, 2.0, 2001)]))
    assert distance_of_laws(x + 0.1, MIXTURE.distribution(x, 1.0), MIXTURE) == pytest.approx(0.1, rel=1e-3)


def test_the_error_without_noise_is_that_of_the_equation_solved_finely():
    """The probability flow from a few x_T by an adaptive solver, beside the quantiles that flow_error takes for it."""

    def slope(t, x):
        abar, b = CONTINUOUS.alpha_bar(t), CONTINUOUS.rate(t)
        return -b / 2 * (x - MIXTURE.noise(x, abar) / (1 - abar) ** 0.5)

    u = np.array([0.05, 0.3, 0.5, 0.9])
    start = MIXTURE.quantile(u, CONTINUOUS.alpha_bar(500))
    end = integrate.solve_ivp(slope, (500, 1e-6), start, rtol=1e-9, atol=1e-10).y[:, -1]
    np.testing.assert_allclose(end, MIXTURE.quantile(u), atol=1e-5)


def test_orders():
    steps = (500, 1000, 2000)
    flow = [flow_error(MIXTURE, even_steps(CONTINUOUS, S)) for S in steps]
    law = [distance_of_laws(*end_of_law(MIXTURE, even_steps(CONTINUOUS, S)), MIXTURE) for S in steps]
    assert -np.polyfit(np.log(steps), np.log(flow), 1)[0] == pytest.approx(1, abs=0.1)
    assert -np.polyfit(np.log(steps), np.log(law), 1)[0] == pytest.approx(0.9, abs=0.1)
    assert all(noise > without for noise, without in zip(law, flow, strict=True))


def test_along_paths_the_order_with_noise_is_a_half():
    schedule = ContinuousSchedule(SHORT)
    errors = path_errors(MIXTURE, schedule, [800, 1600, 3200], 25_600, 300, np.random.default_rng(0))
    assert -np.polyfit(np.log([800, 1600, 3200]), np.log(errors), 1)[0] == pytest.approx(0.5, abs=0.12)
