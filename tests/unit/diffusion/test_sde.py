"""Section 6: the equations behind (4) and (19), and the orders of the steps."""

import numpy as np
import pytest
import torch

from diffusion.forward import VarianceSchedule
from diffusion.sde import ContinuousSchedule, GaussianData, euler_maruyama, strong_errors

PAPER = VarianceSchedule.linear(500, 1e-4, 0.02)
SHORT = VarianceSchedule.linear(50, 1e-3, 0.2)
DATA = GaussianData(mean=0.4, variance=0.25)


def test_the_first_refinement_is_the_schedule_itself_and_finer_ones_keep_the_integral():
    continuous = ContinuousSchedule(PAPER)
    assert torch.equal(continuous.refined(1).beta, PAPER.beta)
    for times in (2, 8):
        beta = continuous.refined(times).beta
        assert beta.sum().item() == pytest.approx(continuous.refined(64).beta.sum().item(), rel=3e-3)


def test_noise_prediction_is_the_conditional_mean():
    """Of jointly Gaussian eps and x_t = sqrt(abar) x_0 + sqrt(1 - abar) eps: regression on a large sample."""
    source, alpha_bar = torch.Generator().manual_seed(0), 0.3
    x_0 = DATA.mean + DATA.variance**0.5 * torch.randn(400_000, generator=source, dtype=torch.float64)
    eps = torch.randn(400_000, generator=source, dtype=torch.float64)
    x = alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * eps
    slope, intercept = np.polyfit(x.numpy(), eps.numpy(), 1)
    at = torch.tensor([0.0, 1.0], dtype=torch.float64)
    found = DATA.noise(at, alpha_bar)
    assert found[0].item() == pytest.approx(intercept, abs=5e-3)
    assert (found[1] - found[0]).item() == pytest.approx(slope, abs=5e-3)


@pytest.mark.parametrize("backward", [False, True])
def test_fine_solutions_have_the_law_of_the_equation(backward):
    """From data to noise with mean sqrt(abar) m, and from the law at T back to the data's own."""
    schedule, n, fine = ContinuousSchedule(SHORT), 20_000, 4
    source = torch.Generator().manual_seed(1)
    alpha_bar = schedule.refined(64).beta.sum().neg().exp().item()
    z = torch.randn((n, 1), generator=source, dtype=torch.float64)
    at_T = (alpha_bar**0.5 * DATA.mean, alpha_bar * DATA.variance + 1 - alpha_bar)
    start, end = (at_T, (DATA.mean, DATA.variance)) if backward else ((DATA.mean, DATA.variance), at_T)
    increments = torch.randn((SHORT.T * fine, n, 1), generator=source, dtype=torch.float64) / fine**0.5
    x = euler_maruyama(start[0] + start[1] ** 0.5 * z, increments, schedule, 1 / fine, DATA if backward else None)
    assert x.mean().item() == pytest.approx(end[0], abs=0.03)
    assert x.var().item() == pytest.approx(end[1], rel=0.05)


@pytest.mark.parametrize("backward, order", [(False, 1.0), (True, 0.5)])
def test_orders(backward, order):
    """(4) is of order 1, as Euler-Maruyama is for additive noise; (19) of order 1/2, for the noise that (15) lacks."""
    errors = strong_errors(PAPER, [1, 2, 4, 8], 64, 300, torch.Generator().manual_seed(2), DATA, backward)
    assert -np.polyfit(np.log([1, 2, 4, 8]), np.log(errors), 1)[0] == pytest.approx(order, abs=0.15)
