"""The forced norm-preserving flow: its steps against closed forms and another method, its laws against quadrature."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import i0, i1, iv
from scipy.stats import chi2

from beyond.forcing import (
    bingham_marginal,
    bingham_squares,
    coordinates,
    cube_levels,
    field,
    field_step,
    first_share_of_two,
    geodesic,
    gradient_flow,
    heun_step,
    log_density_of_squares,
    multiplier_moments,
    run,
    seeds,
    small_noise,
    step,
    takeover,
    takeover_from,
    tangential,
)
from diffusion.pde import Grid, Stepper, exact_amplitudes

FOUR = np.arange(1, 5) ** 2.0


def sphere(rng, *shape):
    a = rng.standard_normal(shape)
    return a / np.linalg.norm(a, axis=-1, keepdims=True)


def test_without_noise_it_is_the_exact_flow_of_section_7():
    rng = np.random.default_rng(0)
    a = sphere(rng, 4)
    expected = exact_amplitudes(a / np.sqrt(FOUR), FOUR, 0.3) * np.sqrt(FOUR)
    assert np.allclose(gradient_flow(a, FOUR, 0.3), expected, rtol=1e-12)
    assert np.allclose(run(a, FOUR, 0.0, 0.01, np.zeros((30, 4))), expected, rtol=1e-12)


def test_a_kick_follows_a_great_circle_and_its_tangent_part_is_orthogonal():
    rng = np.random.default_rng(1)
    a, w = sphere(rng, 50, 5), rng.standard_normal((50, 5))
    xi = tangential(a, w)
    assert np.abs(np.sum(a * xi, axis=1)).max() < 1e-14
    assert np.allclose(xi + a * np.sum(a * w, axis=1, keepdims=True), w)
    b = geodesic(a, xi)
    assert np.allclose(np.linalg.norm(b, axis=1), 1) and np.array_equal(geodesic(a, 0 * xi), a)
    assert np.allclose(np.sum(a * b, axis=1), np.cos(np.linalg.norm(xi, axis=1)))


@pytest.mark.parametrize("n", [2, 3, 8])
def test_in_law_a_kick_is_brownian_motion_of_the_sphere_up_to_the_third_order(n):
    """On the first two zonal harmonics, x and x^2 - 1/n, which the heat flow shrinks by exp(-l (l + n - 2) t / 2).

    x = cos |xi| with |xi|^2 chi-square of n - 1 degrees of freedom; the error in a step dt is of order dt^3.
    """

    def errors(dt):
        v = dt * (1 - (n - 2) * dt / 6)
        mean = [quad(lambda r, p=p: chi2.pdf(r, n - 1) * np.cos(np.sqrt(v * r)) ** p, 0, np.inf)[0] for p in (1, 2)]
        second = (mean[1] - 1 / n) / (1 - 1 / n)
        return np.abs([mean[0] - np.exp(-(n - 1) * dt / 2), second - np.exp(-2 * n * dt / 2)])

    coarse, fine = errors(0.04), errors(0.02)
    assert (fine <= np.maximum(coarse / 7, 1e-9)).all()


def test_the_norm_is_kept_to_rounding_at_any_step():
    rng = np.random.default_rng(2)
    for dt in (1e-3, 0.1, 1.0):
        a = run(sphere(rng, 20, 4), FOUR, 1.0, dt, rng.standard_normal((200, 20, 4)) * dt**0.5)
        assert np.abs(np.linalg.norm(a, axis=1) - 1).max() < 1e-15 * 5


def test_too_large_a_step_is_refused():
    with pytest.raises(ValueError, match="too large for sigma = 1 and 8 modes"):
        step(np.eye(8)[0], np.arange(1, 9.0), 1.0, 1.0, np.zeros(8))


def test_paths_are_those_of_heuns_method_for_the_equation_as_written():
    """Both converge to the same paths, so that the noise is meant in the sense of Stratonovich."""
    rng = np.random.default_rng(3)
    a, fine, end = sphere(rng, 200, 3), 4096, 0.25
    dW = rng.standard_normal((fine, 200, 3)) * (end / fine) ** 0.5
    levels = np.array([1.0, 2.0, 4.0])

    def apart(steps):
        b, coarse = a, dW.reshape(steps, -1, 200, 3).sum(axis=1)
        for w in coarse:
            b = heun_step(b, levels, 1.0, end / steps, w)
        return np.sqrt(np.sum((run(a, levels, 1.0, end / steps, coarse) - b) ** 2, axis=1).mean())

    assert apart(fine) < apart(64) / 4 and apart(fine) < 0.01


def test_in_u_on_the_grid_it_is_the_same_flow():
    rng = np.random.default_rng(4)
    grid, dt, C = Grid(2.0, 64), 0.01, 3.0
    levels, half, a = grid.eigenvalues[1:6], Stepper(grid, dt / 2, C, order=6), sphere(rng, 5)
    u = field(a, grid, C)
    assert grid.gradient_norm(u) == pytest.approx(C) and np.allclose(coordinates(u, grid, 5, C), a)
    for dW in rng.standard_normal((50, 5)) * dt**0.5:
        a, u = step(a, levels, 0.7, dt, dW), field_step(u, half, 0.7, dt, dW)
    assert np.allclose(coordinates(u, grid, 5, C), a, atol=1e-6)
    assert grid.gradient_norm(u) == pytest.approx(C, rel=1e-13) and abs(u.mean()) < 1e-13


@pytest.mark.parametrize("degrees", [1, 2, 5, 40])
def test_density_of_equal_squares_is_chi_square(degrees):
    r = np.array([1e-3, 0.3, 1.0, 4.0])
    found = log_density_of_squares(np.array([0.5, 0.5]), r, np.array([degrees, 0]))
    assert np.allclose(found, chi2.logpdf(r, degrees), atol=1e-9)


def test_density_of_two_squares_by_bessels_function():
    """Of x_1^2 + x_2^2 with variances 1 / (2 p), 1 / (2 q): sqrt(p q) exp(-(p + q) r / 2) I_0((q - p) r / 2)."""
    p, q, r = 1.0, 9.0, np.array([0.01, 0.5, 1.0, 3.0])
    exact = np.sqrt(p * q) * np.exp(-(p + q) * r / 2) * i0((q - p) * r / 2)
    assert np.allclose(np.exp(log_density_of_squares(np.array([p, q]), r, np.ones(2))), exact, rtol=1e-10)


@pytest.mark.parametrize("sigma", [0.05, 0.3, 1.0, 10.0])
def test_two_modes_by_bessels_functions(sigma):
    levels = np.array([1.0, 4.0])
    found = bingham_squares(levels, sigma)
    assert found[0] == pytest.approx(first_share_of_two(levels, sigma), rel=1e-10)
    if sigma >= 0.3:
        q = 3 / (2 * sigma**2)
        assert found[0] == pytest.approx((1 + i1(q) / i0(q)) / 2, rel=1e-10)


@pytest.mark.parametrize("n", [3, 4, 16, 64])
@pytest.mark.parametrize("sigma", [0.1, 1.0, 4.0])
def test_mean_squares_add_up_to_one_and_equal_levels_share_alike(n, sigma):
    assert bingham_squares(np.arange(1, n + 1) ** 2.0, sigma).sum() == pytest.approx(1, abs=1e-10)
    assert np.allclose(bingham_squares(np.full(n, 3.0), sigma), 1 / n, rtol=1e-9)


def test_three_modes_by_quadrature_over_the_sphere():
    levels, sigma = np.array([1.0, 2.5, 4.0]), 0.8
    z, weight = np.polynomial.legendre.leggauss(80)
    angle = np.arange(160) * np.pi / 80
    s = np.sqrt(1 - z**2)[:, None]
    a = np.stack([s * np.cos(angle), s * np.sin(angle), np.broadcast_to(z[:, None], (80, 160))])
    density = np.exp(-np.tensordot(levels, a**2, 1) / sigma**2) * weight[:, None]
    expected = np.sum(a**2 * density, axis=(1, 2)) / density.sum()
    assert np.allclose(bingham_squares(levels, sigma), expected, rtol=1e-9)
    for k in (1, 2, 3):
        x, P = bingham_marginal(levels, sigma, k)
        middle = (x[1:] + x[:-1]) / 2
        assert np.sum(np.diff(P) * middle**2) == pytest.approx(expected[k - 1], abs=1e-4)
        inside = density[np.abs(a[k - 1]) <= 0.5].sum() / density.sum()
        assert np.interp(0.5, x, P) == pytest.approx(inside, abs=0.02)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 3.0])
def test_the_multipliers_moments_are_those_of_the_angle_and_of_the_mean_squares(sigma):
    """Of two modes mu = (lambda_1 + lambda_2) / 2 - d cos 2w, d = (lambda_2 - lambda_1) / 2, and 2w is von Mises."""
    levels, d = np.array([1.0, 4.0]), 1.5
    first, second = iv(1, d / sigma**2) / i0(d / sigma**2), iv(2, d / sigma**2) / i0(d / sigma**2)
    mean, variance = multiplier_moments(levels, sigma)
    assert mean == pytest.approx(2.5 - d * first, rel=1e-4)
    assert variance == pytest.approx(d**2 * (0.5 + second / 2 - first**2), rel=1e-3)
    four = np.arange(1, 5) ** 2.0
    assert multiplier_moments(four, sigma)[0] == pytest.approx(four @ bingham_squares(four, sigma), rel=1e-4)


def test_a_marginal_of_two_modes_is_that_of_the_angle():
    """cos w with 2 w of the von Mises distribution: P(|a_1| <= x) by quadrature in w."""
    q, (x, P) = 1.5, bingham_marginal(np.array([1.0, 4.0]), 1.0, 1)
    for at in (0.2, 0.6, 0.9):
        part = quad(lambda w: np.exp(q * np.cos(2 * w)), np.arccos(at), np.pi / 2)[0]
        assert np.interp(at, x, P) == pytest.approx(part / (np.pi / 2 * i0(q)), abs=1e-5)


def test_small_noise_is_the_limit():
    for sigma, margin in ((0.1, 5e-3), (0.02, 2e-4)):
        others = 1 - bingham_squares(FOUR, sigma, 1)[0]
        assert others == pytest.approx(small_noise(FOUR, sigma), rel=margin)


def test_levels_of_cubes_in_any_dimension():
    assert cube_levels(5, 1).tolist() == [1, 4, 9, 16, 25]
    assert cube_levels(8, 2).tolist() == [1, 1, 2, 4, 4, 5, 5, 8]
    assert cube_levels(7, 3).tolist() == [1, 1, 1, 2, 2, 2, 3]


def test_takeover_without_noise_is_at_the_time_of_the_exact_solution():
    """tan^2 of the angle decays as exp(-2 (lambda_2 - lambda_1) t) with two modes."""
    levels, a = np.array([1.0, 4.0]), np.array([[0.01, np.sqrt(1 - 1e-4)]])
    exact = np.log(a[0, 1] / a[0, 0]) / 3
    assert takeover_from(a, levels)[0] == pytest.approx(exact, rel=1e-12)
    time, led = takeover(a, levels, 0.0, 0.01, np.zeros((300, 1, 2)))
    assert time[0] == pytest.approx(exact, abs=1e-4) and led.tolist() == [2]
    assert np.isinf(takeover(a, levels, 0.0, 0.01, np.zeros((5, 1, 2)))[0][0])


def test_takeover_from_starts_that_lead_already_from_tiny_ones_and_from_none():
    """The squares of 1e-200 are below the smallest double."""
    levels, a = np.array([1.0, 36.0]), np.array([[1.0, 1e-200], [1e-200, 1.0], [0.0, 1.0], [1e-300, 1.0]])
    assert takeover_from(a, levels) == pytest.approx([0, np.log(1e200) / 35, np.inf, np.log(1e300) / 35], abs=1e-12)
    assert np.isinf(takeover_from(a[1:2], np.array([1.0, 1.1]))[0])  # in 4605 units of time
    time, led = takeover(a[:1], levels, 0.0, 0.01, np.zeros((3, 1, 2)))
    assert (time[0], led[0]) == (0, 1)


def test_small_noise_is_a_seed():
    """From phi_3: after a while the spread of a_1, carried back by the flow, is that of `seeds`."""
    rng = np.random.default_rng(5)
    levels, sigma, dt, steps = np.array([1.0, 2.0, 4.0]), 1e-6, 0.01, 200
    start = np.array([0.0, 0.0, 1.0])
    expected = seeds(start, levels, sigma)
    assert expected == pytest.approx(sigma * np.sqrt([1 / 6, 1 / 4, 0]))
    a = run(np.tile(start, (4000, 1)), levels, sigma, dt, rng.standard_normal((steps, 4000, 3)) * dt**0.5)
    carried = a[:, :2] * np.exp((levels[:2] - levels[2]) * steps * dt)
    assert np.allclose(carried.std(axis=0), expected[:2], rtol=0.05)
