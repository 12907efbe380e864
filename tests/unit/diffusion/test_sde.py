"""Section 6: the equations behind (4) and (19), and the orders of the steps."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy import integrate

from diffusion.forward import VarianceSchedule
from diffusion.sde import (
    ContinuousSchedule,
    Equation,
    GaussianData,
    backward_by_steps,
    backward_equation,
    by_euler_maruyama,
    euler_maruyama,
    forward_by_steps,
    forward_equation,
    missing_noise,
    strong_errors,
)

PAPER = ContinuousSchedule(VarianceSchedule.linear(500, 1e-4, 0.02))
SHORT = ContinuousSchedule(VarianceSchedule.linear(50, 1e-3, 0.2))
DATA = GaussianData(mean=0.4, variance=0.25)
BACKWARD = backward_equation(PAPER, DATA)
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


def test_drift_and_volatility_by_hand():
    """At t = 10.5 of 50, where b lies half-way between two steps of the schedule, and x = 2."""
    x, b = torch.tensor([[2.0]], dtype=torch.float64), 1e-3 + 9.5 * 0.199 / 49
    forward, backward = EQUATIONS["forward"], EQUATIONS["backward"]
    assert (forward.end, backward.end) == (50, 50)
    assert forward.drift(x, 10.5).item() == pytest.approx(-b / 2 * 2.0)
    left = SHORT.alpha_bar(10.5)
    score = -(2.0 - left**0.5 * 0.4) / (left * 0.25 + 1 - left)
    assert backward.drift(x, 39.5).item() == pytest.approx(b / 2 * 2.0 + b * score)
    assert forward.volatility(10.5) == pytest.approx(b**0.5) == backward.volatility(39.5)


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
        (partial(by_euler_maruyama, equation=BACKWARD), BACKWARD, 1.0),
        (partial(backward_by_steps, data=DATA), BACKWARD, 0.55),
    ],
    ids=["forward", "Euler-Maruyama backward", "backward"],
)
def test_orders(steps, equation, order):
    """Euler-Maruyama is of order 1, for additive noise, and (4) with it; (19) tends to 1/2, as (15) lacks noise."""
    paths, finest = 300, 64
    x = brownian(1, paths, 3, 1.0)[0]
    if steps is forward_by_steps:
        x = DATA.mean + DATA.variance**0.5 * x
    increments = brownian(PAPER.steps.T * finest, paths, 2, 1 / finest)
    errors = strong_errors(steps, equation, PAPER, x, [1, 2, 4, 8], increments)
    assert -np.polyfit(np.log([1, 2, 4, 8]), np.log(errors), 1)[0] == pytest.approx(order, abs=0.1)


def test_euler_maruyama_in_place_of_the_steps_is_euler_maruyama_on_the_same_path():
    """For dx = -(1 + s) x ds + (2 + s) dW to s = 1, in two steps from x = 3, coefficients at a step's start."""
    equation = Equation(lambda x, s: -(1 + s) * x, lambda s: 2.0 + s, 1.0)
    x, z = torch.tensor([[3.0]], dtype=torch.float64), torch.tensor([[[0.5]], [[-1.0]]], dtype=torch.float64)
    x_1 = 3.0 * (1 - 0.5) + 2 * 0.5**0.5 * 0.5
    x_2 = x_1 * (1 - 1.5 / 2) + 2.5 * 0.5**0.5 * -1.0
    assert by_euler_maruyama(x, z, SHORT.steps, equation).item() == pytest.approx(x_2)


def test_noise_missing_in_19_in_closed_form():
    """Of two steps beta = 1/2: sigma_1 = 0, and sigma_2^2 = (1/2)(1/2) / (3/4) = 1/3."""
    found = missing_noise(VarianceSchedule.linear(2, 0.5, 0.5))
    assert found == pytest.approx((0.5 + (0.5**0.5 - (1 / 3) ** 0.5) ** 2) ** 0.5)


def test_noise_missing_in_19_falls_with_the_root_of_the_step():
    """In the limit; the constant for small b_0 h at t = 0 is the sum over t of (1 - sqrt((t - 1) / t))^2, 1.1695..."""
    t = np.arange(1, 200_001)
    constant = np.sum((1 - np.sqrt((t - 1) / t)) ** 2)
    few = ContinuousSchedule(VarianceSchedule.linear(10, 1e-3, 1e-3))
    assert missing_noise(few.refined(400)) == pytest.approx((constant * 1e-3 / 400) ** 0.5, rel=0.01)
