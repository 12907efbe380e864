"""Algorithm 2 for Gaussian data, mode by mode: against samples, closed forms and a Wasserstein distance of matrices."""

import numpy as np
import pytest
import torch
from scipy import linalg, stats

from beyond import start
from beyond.memory import Minimiser
from beyond.start import Modes, algorithm_2, chances, errors, kept_of_start, modes_of, noised, step_back
from diffusion.forward import VarianceSchedule
from diffusion.sampling import backward_process
from diffusion.sde import ContinuousSchedule

PAPER = VarianceSchedule.linear(500, 1e-4, 0.02)
DATA = Modes(
    torch.tensor([2.0, -0.5, 0.3, 1.0], dtype=torch.float64), torch.tensor([9.0, 0.5, 1e-3, 0.0], dtype=torch.float64)
)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_modes_of_images_are_their_mean_and_covariance():
    images = normal(300, 1, 2, 3) * torch.arange(1, 7).reshape(2, 3)
    data, vectors = modes_of(images)
    x = images.flatten(1).numpy()
    covariance = (vectors * data.variance) @ vectors.T
    assert np.allclose(covariance, np.cov(x, rowvar=False, ddof=0))
    assert np.allclose(vectors @ data.mean, x.mean(axis=0))


def test_the_distance_is_wassersteins_of_the_two_matrices():
    """|m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_1^(1/2) C_2 C_1^(1/2))^(1/2)), with square roots by scipy."""
    other = Modes(normal(4), normal(4, seed=1).square())
    vectors = torch.linalg.qr(normal(4, 4, seed=2)).Q.numpy()
    first, second = ((vectors * law.variance.numpy()) @ vectors.T for law in (DATA, other))
    root = linalg.sqrtm(first + 1e-14 * np.eye(4)).real
    mixed = linalg.sqrtm(root @ second @ root).real
    squared = float((DATA.mean - other.mean).square().sum()) + np.trace(first + second - 2 * mixed)
    assert DATA.distance(other) == pytest.approx(squared**0.5, rel=1e-4)


def test_the_law_of_algorithm_2_is_that_of_its_samples():
    schedule, n = VarianceSchedule.linear(40, 1e-3, 0.1), 20_000

    def predict(x, t):
        return start.noise(x.reshape(n, 4), int(t[0]), DATA, schedule).reshape(x.shape)

    z = normal(schedule.T + 1, n, 1, 2, 2)
    *_, (_, x_0) = backward_process(predict, z[0], lambda t: z[t], schedule)
    law = algorithm_2(Modes.standard(4), DATA, schedule)
    for k, pixels in enumerate(x_0.reshape(n, 4)[:, :3].T):
        assert stats.kstest(pixels.numpy(), stats.norm(law.mean[k], law.variance[k].sqrt()).cdf).pvalue > 1e-4
    assert torch.allclose(x_0.reshape(n, 4)[:, 3], DATA.mean[3].expand(n))  # a pixel that never varies is exact


def test_what_is_kept_of_the_start_is_the_regression_of_x_0_on_x_T():
    moved = Modes(Modes.standard(4).mean + 1, Modes.standard(4).variance)
    difference = algorithm_2(moved, DATA, PAPER).mean - algorithm_2(Modes.standard(4), DATA, PAPER).mean
    assert torch.allclose(difference, kept_of_start(DATA.variance, PAPER), rtol=1e-10, atol=1e-14)


def test_the_true_start_keeps_the_mean_and_the_gaussian_one_loses_a_known_part_of_it():
    part = PAPER.alpha_bar[-1] ** 0.5 * kept_of_start(DATA.variance, PAPER)
    assert torch.allclose(algorithm_2(noised(DATA, 500, PAPER), DATA, PAPER).mean, DATA.mean)
    assert torch.allclose(algorithm_2(Modes.standard(4), DATA, PAPER).mean, DATA.mean * (1 - part))


def test_errors_are_vectors_that_add_up():
    found = errors(DATA, PAPER)
    whole = algorithm_2(Modes.standard(4), DATA, PAPER)
    assert torch.allclose(found.total, whole.point - DATA.point)
    assert found.sizes()["total"] == pytest.approx(whole.distance(DATA))
    assert sum(found.shares().values()) == pytest.approx(1)


def test_the_last_step_takes_the_mean_in_place_of_a_draw():
    """A mode of variance l leaves x_1 with the standard deviation sqrt(abar) l / sqrt(abar l + 1 - abar)."""
    abar = PAPER.alpha_bar[1]
    expected = abar**0.5 * DATA.variance / (abar * DATA.variance + 1 - abar) ** 0.5
    last = step_back(noised(DATA, 1, PAPER), 1, DATA, PAPER)
    assert torch.allclose(last.variance.sqrt(), expected)
    assert torch.allclose(errors(DATA, PAPER).last[1], expected - DATA.variance.sqrt())


def test_which_error_falls_with_what():
    """Finer steps to the same end reduce the steps' error and not the start's; a longer process the start's alone."""
    coarse = errors(DATA, PAPER).sizes()
    fine = errors(DATA, ContinuousSchedule(PAPER).refined(4)).sizes()
    long = errors(DATA, VarianceSchedule.linear(1000, 1e-4, 0.02)).sizes()
    assert fine["steps"] < coarse["steps"] / 2 and fine["start"] == pytest.approx(coarse["start"], rel=0.05)
    assert long["start"] < coarse["start"] / 50 and long["last"] == pytest.approx(coarse["last"])


def test_a_gaussian_that_is_the_standard_one_costs_nothing_at_the_start():
    assert errors(Modes.standard(3), PAPER).sizes()["start"] == pytest.approx(0, abs=1e-12)


def test_starts_from_the_law_of_x_T_give_every_image_the_same_chance():
    """Two images on a line: from N(0, 1) the chance of y_1 is the integral of its weight, by quadrature."""
    schedule = VarianceSchedule.linear(1, 0.7, 0.7)
    y = torch.tensor([0.5, -2.0], dtype=torch.float64).reshape(2, 1, 1, 1)
    minimiser = Minimiser.of(y, schedule)
    z = normal(200_000, 1, 1, 1)
    true = 0.3**0.5 * y.repeat(100_000, 1, 1, 1) + 0.7**0.5 * z
    assert chances(minimiser, true).tolist() == pytest.approx([0.5, 0.5], abs=5e-3)
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    of = minimiser.weights(torch.from_numpy(nodes).reshape(-1, 1, 1, 1), torch.tensor([1]))[:, 0].numpy()
    assert float(chances(minimiser, z)[0]) == pytest.approx(weights @ of / weights.sum(), abs=5e-3)


def test_both_starts_of_a_pair_have_the_same_noise():
    images = torch.full((3, 1, 4, 4), 255, dtype=torch.uint8)
    found = start.starts(images, 5, PAPER, seed=0)
    abar = PAPER.alpha_bar[-1]
    expected = abar**0.5 + (1 - abar) ** 0.5 * found["gaussian"].double()
    assert found["true"].shape == (5, 1, 4, 4) and torch.allclose(found["true"].double(), expected, atol=1e-6)
    assert not torch.equal(found["gaussian"], start.starts(images, 5, PAPER, seed=1)["gaussian"])
