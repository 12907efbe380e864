"""Section 6: the equations behind (4) and (19), and the orders of the steps."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy import integrate

from diffusion.forward import VarianceSchedule
from diffusion.sde import (
    ContinuousSchedule,
    GaussianData,
    backward_by_steps,
    backward_equation,
    euler_maruyama,
    forward_by_steps,
    forward_equation,
    strong_errors,
)

PAPER = ContinuousSchedule(VarianceSchedule.linear(500, 1e-4, 0.02))
SHORT = ContinuousSchedule(VarianceSchedule.linear(50, 1e-3, 0.2))
DATA = GaussianData(mean=0.4, variance=0.25)
EQUATIONS = {"forward": forward_equation(SHORT), "backward": backward_equation(SHORT, DATA)}


def brownian(steps, paths, seed, dt):
    source = torch.Generator().manual_seed(seed)
    return torch.randn((steps, paths, 1), generator=source, dtype=torch.float64) * dt**0.5


def test_the_first_refinement_is_the_schedule_itself_and_finer_ones_keep_the_integral():
    assert torch.equal(PAPER.refined(1).beta, PAPER.steps.beta)
    for times in (2, 8):
        beta = PAPER.refined(times).beta
        assert beta.sum().item() == pytest.approx(PAPER.refined(64).beta.sum().item(), rel=3e-3)


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0, 2.5, 49.0, 49.75, 50.0])
def test_alpha_bar_is_the_exponential_of_the_integral(t):
    integral, _ = integrate.quad(SHORT.rate, 0, t, points=sorted({min(1.0, t), *range(int(t))}), limit=500)
    assert SHORT.alpha_bar(t) == pytest.approx(np.exp(-integral), rel=1e-9)


def test_noise_prediction_is_the_conditional_mean():
    """Of jointly Gaussian eps and x_t = sqrt(abar) x_0 + sqrt(1 - abar) eps: regression on a large sample."""
    source, alpha_bar = torch.Generator().manual_seed(0), 0.3
    x_0 = DATA.mean + DATA.variance**0.5 * torch.randn(400_000, generator=source, dtype=torch.float64)
    eps = torch.randn(400_000, generator=source, dtype=torch.float64)
    x = alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * eps
    slope, intercept = np.polyfit(x.numpy(), eps.numpy(), 1)
    at = torch.tensor([0.0, 1.0], dtype=torch.float64)
    predicted = DATA.noise(at, alpha_bar)
    assert predicted[0].item() == pytest.approx(intercept, abs=5e-3)
    assert (predicted[1] - predicted[0]).item() == pytest.approx(slope, abs=5e-3)


def test_score_is_the_derivative_of_the_log_density():
    x = torch.linspace(-2, 2, 9, dtype=torch.float64, requires_grad=True)
    law = torch.distributions.Normal(0.3**0.5 * DATA.mean, (0.3 * DATA.variance + 0.7) ** 0.5)
    (slope,) = torch.autograd.grad(law.log_prob(x).sum(), x)
    torch.testing.assert_close(DATA.score(x.detach(), 0.3), slope)


@pytest.mark.parametrize("direction", EQUATIONS)
def test_fine_solutions_have_the_law_of_the_equation(direction):
    """From data to noise with mean sqrt(abar) m, and from the law at T back to the data's own."""
    n, fine, T = 20_000, 4, SHORT.steps.T
    alpha_bar = SHORT.alpha_bar(T)
    at_0, at_T = (DATA.mean, DATA.variance), (alpha_bar**0.5 * DATA.mean, alpha_bar * DATA.variance + 1 - alpha_bar)
    start, end = (at_0, at_T) if direction == "forward" else (at_T, at_0)
    z = brownian(1, n, 1, 1.0)[0]
    x = euler_maruyama(EQUATIONS[direction], start[0] + start[1] ** 0.5 * z, brownian(T * fine, n, 2, 1 / fine))
    assert x.mean().item() == pytest.approx(end[0], abs=0.03)
    assert x.var().item() == pytest.approx(end[1], rel=0.05)


@pytest.mark.parametrize(
    "steps, equation, order",
    [
        (forward_by_steps, forward_equation(PAPER), 1.0),
        (partial(backward_by_steps, data=DATA), backward_equation(PAPER, DATA), 0.5),
    ],
    ids=["forward", "backward"],
)
def test_orders(steps, equation, order):
    """(4) is of order 1, as Euler-Maruyama is for additive noise; (19) of order 1/2, for the noise that (15) lacks."""
    paths, finest = 300, 64
    x = brownian(1, paths, 3, 1.0)[0]
    if order == 1.0:
        x = DATA.mean + DATA.variance**0.5 * x
    increments = brownian(PAPER.steps.T * finest, paths, 2, 1 / finest)
    errors = strong_errors(steps, equation, PAPER, x, [1, 2, 4, 8], increments)
    assert -np.polyfit(np.log([1, 2, 4, 8]), np.log(errors), 1)[0] == pytest.approx(order, abs=0.15)
