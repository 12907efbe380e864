"""The paper's algebra holds for the code's own functions, and a wrong formula is noticed."""

import pytest
import sympy
import torch

from claims import algebra
from diffusion import algebra as paper
from diffusion import backward, forward
from diffusion.forward import VarianceSchedule


@pytest.mark.parametrize("check", algebra.CHECKS, ids=lambda check: check.__name__)
def test_identity_holds(check):
    record = algebra.record(check)
    assert record["holds"] and record["residuals"] >= 1, record["left"]


def test_symbols_stand_for_the_functions_that_run():
    """The expressions, with numbers in place of the symbols, are what the functions give for them."""
    schedule = VarianceSchedule.linear(5, 0.1, 0.3)
    alpha, bar = schedule.alpha[2].item(), schedule.alpha_bar[1].item()
    values = {paper.a: alpha, paper.before: bar, paper.x_t: 0.3, paper.x_0: -0.7, paper.eps: 1.1, paper.z: 0.4}
    x_t, x_0, eps, z = (sympy_number(values[symbol]) for symbol in (paper.x_t, paper.x_0, paper.eps, paper.z))
    pairs = [
        (paper.posterior_mean(paper.a, paper.before), backward.posterior_mean(x_t, x_0, 2, schedule)),
        (paper.posterior_variance(paper.a, paper.before), backward.posterior_variance(2, schedule)),
        (paper.denoising_step(paper.a, paper.before), backward.denoising_step(x_t, eps, z, 2, schedule)),
    ]
    for expression, number in pairs:
        assert float(expression.subs(values)) == pytest.approx(number.item(), rel=1e-12)


def sympy_number(value):
    return torch.tensor([value], dtype=torch.float64)


def at_2(schedule):
    return schedule.alpha[2], schedule.alpha_bar[2], schedule.alpha_bar[1]


def without_root(x, t, eps, schedule):
    return schedule.alpha[t] * x + (1 - schedule.alpha[t]) ** 0.5 * eps


def large_noise(x, t, eps, schedule):
    return schedule.alpha[t] ** 0.5 * x + (1 - schedule.alpha[t] ** 2) ** 0.5 * eps


def upside_down(t, schedule):
    alpha, bar, before = at_2(schedule)
    return (1 - alpha) * (1 - bar) / (1 - before)


def forgets_x_0(x_t, x_0, t, schedule):
    return x_t / schedule.alpha[t] ** 0.5


def whole_noise(x_t, eps, t, schedule):
    return (x_t - (1 - schedule.alpha[t]) * eps) / schedule.alpha[t] ** 0.5


def unscaled(x_t, eps, t, schedule):
    return x_t - (1 - schedule.alpha[t]) / (1 - schedule.alpha_bar[t]) ** 0.5 * eps


def variance_for_deviation(x_t, eps, z, t, schedule):
    return backward.denoising_mean(x_t, eps, t, schedule) + backward.posterior_variance(t, schedule) * z


WRONG = [
    ("bayes", backward, "posterior_variance", lambda t, schedule: 1 - schedule.alpha[t]),
    ("posterior_variance", backward, "posterior_variance", upside_down),
    ("posterior_mean", backward, "posterior_mean", forgets_x_0),
    ("mean_from_noise", backward, "denoising_mean", whole_noise),
    ("denoising_step", backward, "denoising_step", variance_for_deviation),
    ("last_step", backward, "posterior_variance", lambda t, schedule: 1 - schedule.alpha[t]),
    ("leap", forward, "forward_step", without_root),
    ("leap", forward, "forward_leap", lambda x_0, t, eps, s: s.alpha_bar[t] * x_0 + (1 - s.alpha_bar[t]) ** 0.5 * eps),
    ("two_steps", forward, "forward_step", large_noise),
    ("transition_density", algebra, "density", lambda x, m, v: sympy.exp(-((x - m) ** 2) / v) / sympy.sqrt(sympy.pi)),
    ("gaussian_sum", algebra, "density", lambda x, mean, v: sympy.exp(-((x - mean) ** 2) / (2 * v))),
    ("gaussian_scaling", algebra, "density", lambda x, mean, v: sympy.exp(-((x - mean) ** 2) / (2 * v))),
    ("gaussian_merge", algebra, "density", lambda x, mean, v: sympy.exp(-((x - mean) ** 2) / (2 * v))),
    ("forward_sde", forward, "forward_step", without_root),
    ("backward_sde", backward, "denoising_mean", unscaled),
    ("backward_last_steps", backward, "posterior_variance", lambda t, schedule: 1 - schedule.alpha[t]),
    ("steady_states", paper, "eigenvalue", lambda k: k * sympy.pi / paper.L),
    ("linearisation", paper, "growth_rate", lambda k, j: paper.eigenvalue(j) - paper.eigenvalue(k)),
    ("eigenpairs", paper, "eigenfunction", lambda k: sympy.sin(k * sympy.pi * paper.x / paper.L)),
    ("multiplier", paper, "right_hand_side", lambda u, gradient_norm: sympy.diff(u, paper.x, 2) + u),
    ("rescaled_heat", paper, "eigenvalue", lambda k: k * sympy.pi / paper.L),
    ("likelihood", backward, "denoising_mean", whole_noise),
    ("steady_states", paper, "steady_state_on_rectangle", lambda j, k: paper.steady_state(j) * paper.steady_state(k)),
    ("only_steady_states", paper, "eigenvalue", lambda k: min(k, 2)),  # twice the same
    ("total_variation_at_rest", paper, "eigenvalue", lambda k: k * sympy.pi / paper.L),
    ("long_time_limit", paper, "heat_decay", lambda rate, t: sympy.exp(rate * t)),
    ("other_norms", paper, "keeping_another_norm", lambda u, m, p: paper.right_hand_side(u, paper.C)),
    ("backward_existence", paper, "heat_kernel", lambda tau: paper.density(paper.x, 0, 2)),  # never narrow
    ("backward_ill_posed", paper, "growth_rate", lambda k, j: 1 / k - 1 / j),
]


@pytest.mark.parametrize("name, module, formula, wrong", WRONG, ids=[f"{name}-{what}" for name, _, what, _ in WRONG])
def test_a_wrong_formula_is_noticed(monkeypatch, name, module, formula, wrong):
    monkeypatch.setattr(module, formula, wrong)
    record = algebra.record(getattr(algebra, name))
    assert not record["holds"] and record["left"]


def test_every_identity_has_a_wrong_formula_that_it_notices():
    assert {check.__name__ for check in algebra.CHECKS} == {name for name, *_ in WRONG}
