"""Section 7, question (ii): the flow backwards, against closed forms and independent optimisation."""

import numpy as np
import pytest
import sympy
import torch
from scipy.integrate import quad
from scipy.optimize import minimize

from beyond import reversal
from beyond.reversal import ModeSchedule, Starts
from diffusion import backward
from diffusion.forward import VarianceSchedule

L = 2.0
K = 40
RATES = (np.arange(1, K + 1) * np.pi / L) ** 2
T, C = 0.01, 3.0


def test_amplitudes_of_a_polygon_are_its_integrals():
    corners = [(0.0, 0.3), (0.2, -1.0), (0.7, 0.5), (1.0, 0.5)]
    x, f = np.array(corners).T
    found = reversal.polygon(corners, 5, L)
    for k in range(1, 6):
        exact, _ = quad(
            lambda y, k=k: np.interp(y, L * x, f) * np.sqrt(2 / L) * np.cos(k * np.pi * y / L), 0, L, points=L * x
        )
        assert found[k - 1] == pytest.approx(exact, abs=1e-9)


def test_cut_off_is_where_error_and_start_are_as_large():
    for delta in (0.1, 1e-5, 1e-12):
        Lambda = reversal.cut_off(delta, T, C)
        assert np.sqrt(C / Lambda) * np.exp(-Lambda * T) == pytest.approx(delta, rel=1e-9)
        assert reversal.best_possible(delta, T, T, C) == pytest.approx(delta, rel=1e-9)


@pytest.mark.parametrize("t", [0.0, 0.004, 0.009])
def test_slope_is_the_derivative_of_the_best_possible_error(t):
    ends = np.array([reversal.best_possible(1e-6 * f, t, T, C) for f in (0.999, 1.001)])
    assert reversal.slope(1e-6, t, T, C) == pytest.approx(np.log(ends[1] / ends[0]) / np.log(1.001 / 0.999), rel=1e-5)


@pytest.mark.parametrize("t", [0.0, 0.005])
def test_no_solution_that_the_data_allow_is_larger_than_the_best_possible_error(t):
    """Many random solutions within both bounds; and one that reaches it, where Lambda is an eigenvalue."""
    random = np.random.default_rng(1)
    for delta in (1e-1, 1e-3):
        omega = reversal.best_possible(delta, t, T, C)
        a = random.normal(size=(2000, K)) * np.exp(-random.uniform(0, 8, size=(2000, 1)) * np.arange(K) / K)
        a *= np.sqrt(C / reversal.gradient_norm(a, RATES))[:, None]
        a *= np.minimum(1, delta / np.linalg.norm(reversal.heat(a, RATES, T), axis=1))[:, None]
        assert np.linalg.norm(reversal.heat(a, RATES, t), axis=1).max() <= omega * (1 + 1e-12)
    one = np.zeros(K)
    one[7] = np.sqrt(C / RATES[7])
    delta = float(np.linalg.norm(reversal.heat(one, RATES, T)))
    assert reversal.cut_off(delta, T, C) == pytest.approx(RATES[7])
    assert np.linalg.norm(reversal.heat(one, RATES, t)) == pytest.approx(reversal.best_possible(delta, t, T, C))


def test_tikhonov_is_the_minimiser_that_it_says():
    delta, random = 1e-2, np.random.default_rng(2)
    data = random.normal(size=8) * np.exp(-RATES[:8] * T)
    kept = reversal.by_tikhonov(RATES[:8], reversal.cut_off(delta, T, C), T)
    found = reversal.recovered(data, RATES[:8], kept, 0, T)

    def functional(a):
        return np.sum((reversal.heat(a, RATES[:8], T) - data) ** 2) + delta**2 / C * np.sum(RATES[:8] * a**2)

    best = minimize(functional, np.zeros(8), tol=1e-14)
    assert functional(found) <= best.fun * (1 + 1e-9)


def test_tikhonov_is_the_posterior_mean_of_a_gaussian_start():
    """Of one mode: start N(0, C / lambda), data with an error N(0, delta^2)."""
    delta, rate, g = 0.03, RATES[3:4], 0.2
    kept = reversal.by_tikhonov(rate, reversal.cut_off(delta, T, C), T)
    prior, factor = C / rate, np.exp(-rate * T)
    posterior = prior * factor / (factor**2 * prior + delta**2) * g
    assert reversal.recovered(np.array([g]), rate, kept, 0, T) == pytest.approx(posterior)


def test_boundary_value_solves_its_own_condition():
    """v(T) + eps v(0) = g."""
    Lambda, g = 300.0, np.linspace(1, 2, K)
    v_0 = reversal.recovered(g, RATES, reversal.by_boundary_value(RATES, Lambda, T), 0, T)
    assert np.allclose(reversal.heat(v_0, RATES, T) + np.exp(-Lambda * T) * v_0, g)


def test_reversibility_solves_its_own_equation_and_amplifies_as_the_cut_off():
    """v_t = -(A - eps A^2) v backwards, and no error by more than exp(Lambda T)."""
    Lambda, rate, eps = 300.0, sympy.Symbol("rate"), 1 / (4 * 300.0)
    factor = sympy.lambdify(rate, sympy.exp((rate - eps * rate**2) * T))
    found = reversal.recovered(np.ones(K), RATES, reversal.by_reversibility(RATES, Lambda, T), 0, T)
    assert np.allclose(found, [factor(r) for r in RATES])
    fine = np.linspace(1, 3000, 20_000)
    grown = reversal.recovered(np.ones_like(fine), fine, reversal.by_reversibility(fine, Lambda, T), 0, T)
    assert grown.max() == pytest.approx(np.exp(Lambda * T), rel=1e-6)


@pytest.mark.parametrize("name", reversal.METHODS)
def test_without_an_error_every_method_finds_the_low_modes(name):
    """q is near 1 far below the cut-off, at most 1, and falls."""
    kept = reversal.METHODS[name](RATES, 50 * RATES[-1], T)
    assert (np.diff(kept) <= 0).all() and kept[0] > 0.99 and kept.max() <= 1
    start = np.eye(K)[0]
    found = reversal.recovered(reversal.heat(start, RATES, T), RATES, kept, 0.5 * T, T)
    assert np.allclose(found, reversal.heat(start, RATES, 0.5 * T), atol=0.01)


def test_what_is_not_kept_does_not_overflow():
    rates = np.array([1.0, 1e6])
    with np.errstate(over="raise", invalid="raise"):
        for method in reversal.METHODS.values():
            assert np.isfinite(reversal.recovered(np.ones(2), rates, method(rates, 10.0, 1.0), 0, 1.0)).all()


@pytest.mark.parametrize("name", ["cut_off", "tikhonov", "reversibility"])
def test_worst_error_is_that_of_the_worst_start_and_error(name):
    """Against a search over both: alternately the best start for an error, and the best error for a start."""
    delta, t, rates = 0.02, 0.3 * T, RATES[:12]
    kept = reversal.METHODS[name](rates, reversal.cut_off(delta, T, C), T)
    bound = reversal.worst_error(rates, kept, delta, t, T, C)
    missed = (1 - kept) * np.exp(-rates * t) * np.sqrt(C / rates)
    grown = kept * np.exp(rates * (T - t)) * delta
    random, best = np.random.default_rng(0), 0.0
    for _ in range(300):
        a, e = random.normal(size=(2, 12)) ** 3
        for _ in range(300):
            total = missed * a / np.linalg.norm(a) + grown * e / np.linalg.norm(e)
            a, e = missed * total + 1e-12, grown * total + 1e-12
        best = max(best, float(np.linalg.norm(missed * a / np.linalg.norm(a) + grown * e / np.linalg.norm(e))))
    assert best <= bound * (1 + 1e-6) and best == pytest.approx(bound, rel=0.02)


def test_cut_off_of_data_does_not_depend_on_their_scale_and_is_near_the_one_with_the_norm_known():
    a = 1 / np.arange(1, 201) ** 1.5
    rates = (np.arange(1, 201) * np.pi / L) ** 2
    s = 1e3
    data = s * reversal.heat(a, rates, T)
    found = reversal.cut_off_of_data(data, rates, 1e-4, T)
    assert reversal.cut_off_of_data(100 * data, rates, 1e-2, T) == found
    known = reversal.cut_off(1e-4, T, s**2 * reversal.gradient_norm(a, rates))
    assert abs(np.sqrt(found) - np.sqrt(known)) < 1.5 * np.pi / L  # within a mode and a half


def test_growth_is_the_exponential_of_the_integral_of_mu():
    a, rates = np.array([0.3, -0.2, 1.0]), np.array([1.0, 4.0, 9.0])
    end = 0.4

    def mu(t):
        v = reversal.heat(a, rates, t)
        return np.sum(rates**2 * v**2) / np.sum(rates * v**2)

    assert reversal.growth(a, rates, end) == pytest.approx(np.exp(quad(mu, 0, end)[0]))


# ---- With noise --------------------------------------------------------------------------------------------------


def test_a_schedule_with_one_alpha_for_all_modes_is_that_of_section_3():
    """The steps of `backward` themselves, with arrays for tensors and equal eigenvalues."""
    times = np.array([0.0, 0.1, 0.3, 0.35])
    ours = ModeSchedule(np.array([2.0, 2.0]), times)
    theirs = VarianceSchedule(torch.from_numpy(1 - np.exp(-4 * np.diff(times, prepend=0.0))))
    assert np.allclose(ours.alpha_bar[:, 0], theirs.alpha_bar) and ours.T == theirs.T == 3
    assert backward.posterior_variance(2, ours)[0] == pytest.approx(float(backward.posterior_variance(2, theirs)))


def test_forced_heat_flow_is_8_mode_by_mode():
    """Mean and variance of da = -lambda a dt + noise dW, by Euler steps far finer than 1 / lambda."""
    rates, noise, end, a_0 = np.array([1.0, 4.0]), 0.5, 0.7, np.array([1.0, -2.0])
    mean, variance, dt = a_0.copy(), np.zeros(2), 1e-5
    for _ in range(round(end / dt)):
        mean = mean - rates * mean * dt
        variance = variance - 2 * rates * variance * dt + noise**2 * dt
    deviation = reversal.stationary_deviation(rates, noise)
    schedule = ModeSchedule(rates, np.array([0.0, end]))
    x_0 = (a_0 / deviation)[None]
    centre = reversal.carried_forward(x_0, 1, np.zeros((1, 2)), schedule) * deviation
    spread = (reversal.carried_forward(x_0, 1, np.ones((1, 2)), schedule) * deviation - centre) ** 2
    assert np.allclose(centre, mean, rtol=1e-3) and np.allclose(spread, variance, rtol=1e-3)


STARTS = Starts(np.array([[1.0, -0.5, 0.2], [-1.0, 0.3, 0.1], [0.2, 1.0, -0.4]]), np.array([0.5, 0.3, 0.2]))


def test_weights_are_bayes_rule():
    alpha_bar, x = np.array([0.9, 0.5, 0.1]), np.array([[0.3, -0.2, 1.1], [5.0, 5.0, 5.0]])
    density = np.exp(-((x[:, None] - np.sqrt(alpha_bar) * STARTS.x_0) ** 2 / (2 * (1 - alpha_bar))).sum(axis=2))
    expected = STARTS.probability * density
    assert np.allclose(STARTS.weights(x, alpha_bar), expected / expected.sum(axis=1, keepdims=True))
    assert np.allclose(STARTS.denoised(x, alpha_bar), STARTS.weights(x, alpha_bar) @ STARTS.x_0)


def test_one_start_is_found_from_anywhere_and_the_way_there_has_the_law_8():
    """With a single start the denoiser is exact, and so is the law of every step."""
    one = Starts(STARTS.x_0[:1], np.ones(1))
    schedule = ModeSchedule.graded(np.array([1.0, 4.0, 900.0]), 1.0, 20)
    random = np.random.default_rng(3)
    x_T = reversal.carried_forward(np.repeat(one.x_0, 20_000, axis=0), 20, random.normal(size=(20_000, 3)), schedule)
    path = dict(reversal.backward_process(one, x_T, lambda j: random.normal(size=x_T.shape), schedule))
    assert list(path) == list(range(20, -1, -1)) and np.allclose(path[0], one.x_0)
    alpha_bar = schedule.alpha_bar[8]
    assert np.allclose(path[8].mean(axis=0), np.sqrt(alpha_bar) * one.x_0, atol=4 / 20_000**0.5)
    assert np.allclose(path[8].var(axis=0), 1 - alpha_bar, rtol=4 * (2 / 20_000) ** 0.5)


def test_draws_have_the_initial_law():
    """Chi-squared of the starts at which 4000 paths arrive, from the flow's own end."""
    schedule = ModeSchedule.graded(np.array([1.0, 4.0, 9.0]), 0.5, 200)
    random = np.random.default_rng(4)
    first = random.choice(3, 4000, p=STARTS.probability)
    x_T = reversal.carried_forward(3 * STARTS.x_0[first], 200, random.normal(size=(4000, 3)), schedule)
    wide = Starts(3 * STARTS.x_0, STARTS.probability)
    x = dict(reversal.backward_process(wide, x_T, lambda j: random.normal(size=x_T.shape), schedule))[0]
    nearest = np.abs(x[:, None] - wide.x_0).sum(axis=2).argmin(axis=1)
    expected = 4000 * STARTS.probability
    assert np.sum((np.bincount(nearest, minlength=3) - expected) ** 2 / expected) < 13.8  # 0.1% of chi-squared, 2


def test_time_to_forget_is_when_the_slowest_mode_equals_its_noise():
    a, rates, noise = np.array([0.8, 3.0]), np.array([2.0, 8.0]), 0.01
    end = reversal.time_to_forget(a, rates, noise)
    assert abs(reversal.heat(a, rates, end)[0]) == pytest.approx(reversal.stationary_deviation(rates, noise)[0])
