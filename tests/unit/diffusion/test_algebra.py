"""The paper's algebra holds, and a wrong formula is found."""

import pytest
import sympy

from diffusion import algebra


@pytest.mark.parametrize("name", algebra.CHECKS)
def test_check_holds(name):
    record = algebra.check(name)
    assert record["holds"] and record["residuals"] >= 1, record["left"]


WRONG = [
    ("bayes", "posterior_variance", lambda a, before: 1 - a),
    ("posterior_variance", "posterior_variance", lambda a, before: (1 - a) * (1 - a * before) / (1 - before)),
    ("posterior_mean", "posterior_mean", lambda a, before: algebra.x_t / sympy.sqrt(a)),
    ("mean_from_noise", "denoising_mean", lambda a, abar: (algebra.x_t - (1 - a) * algebra.eps) / sympy.sqrt(a)),
    ("denoising_step", "denoising_update", lambda a, abar, s: algebra.denoising_mean(a, abar) + s**2 * algebra.z),
    ("last_step", "posterior_variance", lambda a, before: 1 - a),
    ("leap", "step", lambda alpha: (alpha, 1 - alpha)),
    ("two_steps", "step", lambda alpha: (sympy.sqrt(alpha), 1 - alpha**2)),
    ("transition_density", "density", lambda x, mean, v: sympy.exp(-((x - mean) ** 2) / v) / sympy.sqrt(sympy.pi)),
    ("gaussian_sum", "density", lambda x, mean, v: sympy.exp(-((x - mean) ** 2) / (2 * v))),
    ("forward_sde", "step", lambda alpha: (alpha, 1 - alpha)),
    ("backward_sde", "denoising_mean", lambda a, abar: algebra.x_t - (1 - a) / sympy.sqrt(1 - abar) * algebra.eps),
    ("steady_states", "eigenvalue", lambda k: k * sympy.pi / algebra.L),
    ("linearisation", "growth_rate", lambda k, j: algebra.eigenvalue(j) - algebra.eigenvalue(k)),
    ("eigenpairs", "eigenfunction", lambda k: sympy.sin(k * sympy.pi * algebra.x / algebra.L)),
    ("multiplier", "right_hand_side", lambda u, gradient_norm: sympy.diff(u, algebra.x, 2) + u),
    ("rescaled_heat", "eigenvalue", lambda k: k * sympy.pi / algebra.L),
    ("likelihood", "denoising_mean", lambda a, abar: (algebra.x_t - (1 - a) * algebra.eps) / sympy.sqrt(a)),
    ("backward_ill_posed", "growth_rate", lambda k, j: 1 / k - 1 / j),
]  # fmt: skip


@pytest.mark.parametrize("name, formula, wrong", WRONG, ids=[name for name, *_ in WRONG])
def test_wrong_formula_is_found(monkeypatch, name, formula, wrong):
    monkeypatch.setattr(algebra, formula, wrong)
    record = algebra.check(name)
    assert not record["holds"] and record["left"]
