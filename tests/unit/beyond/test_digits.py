"""The norm-preserving flow on a square, against a time integration of (22) on the pixels."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from beyond import digits
from beyond.digits import Square
from beyond.reversal import gradient_norm

N = 8
SQUARE = Square(N)


def laplacian(u):
    """The five-point Laplacian without flux through the edges."""
    padded = np.pad(u, 1, mode="edge")
    return (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4 * u) / SQUARE.h**2


@pytest.fixture
def images():
    u = np.random.default_rng(0).normal(size=(3, N, N))
    return u - u.mean(axis=(1, 2), keepdims=True)


def test_amplitudes_are_those_of_orthonormal_eigenfunctions(images):
    a = SQUARE.amplitudes(images)
    assert a.shape == (3, N * N - 1) and np.allclose(SQUARE.images(a), images)
    assert np.allclose((a**2).sum(axis=1), (images**2).sum(axis=(1, 2)) * SQUARE.h**2)
    assert (np.diff(SQUARE.eigenvalues) >= 0).all()
    for k in (0, 1, 5, 40):
        mode = SQUARE.images(np.eye(N * N - 1)[k])
        assert np.allclose(-laplacian(mode), SQUARE.eigenvalues[k] * mode)


def test_the_first_eigenvalue_is_double_with_cos_x_and_cos_y():
    assert SQUARE.eigenvalues[0] == SQUARE.eigenvalues[1] < SQUARE.eigenvalues[2]
    along, down = SQUARE.images(np.eye(N * N - 1)[:2])
    x = (np.arange(N) + 0.5) * SQUARE.h
    assert np.allclose(along, along[0, 0] / np.cos(x[0]) * np.cos(x)[None, :])
    assert np.allclose(down, down[0, 0] / np.cos(x[0]) * np.cos(x)[:, None])


def test_flow_solves_22_on_the_pixels(images):
    """u_t = Lap u + mu u, mu = integral of (Lap u)^2 / that of |grad u|^2."""

    def motion(t, flat):
        u = flat.reshape(N, N)
        lap = laplacian(u)
        return (lap - np.sum(lap**2) / np.sum(u * lap) * u).ravel()

    exact = SQUARE.images(digits.flow(SQUARE.amplitudes(images), SQUARE.eigenvalues, 0.1))
    for start, end in zip(images, exact, strict=True):
        found = solve_ivp(motion, (0, 0.1), start.ravel(), rtol=1e-10, atol=1e-12).y[:, -1]
        assert np.allclose(found.reshape(N, N), end, atol=1e-6)


def test_flow_keeps_21_and_the_angle_and_ends_at_the_projection(images):
    start, rates = SQUARE.amplitudes(images), SQUARE.eigenvalues
    end = digits.flow(start, rates, 40.0)
    assert np.allclose(gradient_norm(end, rates), gradient_norm(start, rates))
    assert np.allclose(digits.angle(end), digits.angle(start))
    limit = digits.limit(start, rates)
    assert np.allclose(end, limit, atol=1e-9) and np.allclose(limit[:, 2:], 0)
    assert np.allclose(gradient_norm(limit, rates), gradient_norm(start, rates))


def test_an_image_that_a_half_turn_does_not_change_has_no_limit_among_the_first_modes(images):
    """(a_10, a_01) is not 0 for the other images: the condition of the limit's formula."""
    start = SQUARE.amplitudes(images)
    assert (np.hypot(*start[:, :2].T) > 1e-3).all()
    symmetric = SQUARE.amplitudes(images + images[:, ::-1, ::-1])
    assert np.allclose(symmetric[:, :2], 0, atol=1e-12)


def test_flow_backwards_undoes_the_flow(images):
    start, rates = SQUARE.amplitudes(images), SQUARE.eigenvalues
    assert np.allclose(digits.flow(digits.flow(start, rates, 0.05), rates, -0.05), start)


@pytest.mark.parametrize("method", ["cut_off", "tikhonov", "reversibility"])
def test_recovered_is_near_for_small_errors_and_has_the_norm_21(images, method):
    start, rates = SQUARE.amplitudes(images)[0], SQUARE.eigenvalues
    C = float(gradient_norm(start, rates))
    data = digits.flow(start, rates, 0.02)
    for delta, most in ((1e-1, 1), (1e-8, 0.03)):
        found = digits.recovered(data, rates, delta, 0.02, C, method)
        assert gradient_norm(found, rates) == pytest.approx(C)
        assert np.linalg.norm(found - start) < most * np.linalg.norm(start)
