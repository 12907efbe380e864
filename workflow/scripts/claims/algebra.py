"""The paper's algebra, checked with sympy: each function returns differences that the paper says are 0.

Sections 3, 4 and 6 first, then section 7 on (0, L). A function's name is that of its record in algebra.json.
"""

from collections.abc import Callable

import sympy
from sympy import Expr, Integer, Rational, diff, exp, expand, integrate, limit, log, oo, simplify, sqrt, symbols

from diffusion import algebra as paper
from diffusion.algebra import C, L, a, before, density, eps, over_interval, x, x_0, x_t, y, z

mean_1, mean_2 = symbols("mu_1 mu_2", real=True)
variance_1, variance_2, scale_1, scale_2, b, h = symbols("v_1 v_2 a b beta h", positive=True)
k, j = symbols("k j", integer=True, positive=True)


def moments(mean: Expr, variance: Expr, at: Expr) -> Expr:
    """The logarithm of the moment generating function of the density (1), by integration."""
    return log(simplify(integrate(density(x, mean, variance) * exp(at * x), (x, -oo, oo))))


def after(first: tuple[Expr, Expr], second: tuple[Expr, Expr]) -> tuple[Expr, Expr]:
    """Two steps, each a scale and a variance of independent noise, one after the other."""
    return first[0] * second[0], second[0] ** 2 * first[1] + second[1]


def gaussian_sum() -> list[Expr]:
    one, other = moments(mean_1, variance_1, z), moments(mean_2, variance_2, z)
    return [sympy.expand_log(one + other - moments(mean_1 + mean_2, variance_1 + variance_2, z), force=True)]


def gaussian_scaling() -> list[Expr]:
    return [density((y - mean_1) / scale_1, 0, 1) / scale_1 - density(y, mean_1, scale_1**2)]


def gaussian_merge() -> list[Expr]:
    apart = moments(0, 1, scale_1 * z) + moments(0, 1, scale_2 * z)
    return [sympy.expand_log(apart - moments(0, 1, sqrt(scale_1**2 + scale_2**2) * z), force=True)]


def transition_density() -> list[Expr]:
    scale, variance = paper.forward_step(1 - b)
    return [density((y - scale * x) / sqrt(variance), 0, 1) / sqrt(variance) - density(y, sqrt(1 - b) * x, b)]


def two_steps() -> list[Expr]:
    scale, variance = after(paper.forward_step(before), paper.forward_step(a))
    return [scale - sqrt(a * before), variance - (1 - a * before)]


def leap() -> list[Expr]:
    """(8) from (4) by induction: one step is the leap with alpha_bar_1 = alpha_1, and a leap with alpha_bar_{t-1}, then
    the step with alpha_t, is the leap with alpha_bar_t.
    """
    first = zip(paper.forward_step(a), paper.forward_leap(a), strict=True)
    one_more = zip(
        after(paper.forward_leap(before), paper.forward_step(a)), paper.forward_leap(a * before), strict=True
    )
    return [by_steps - by_leap for pair in (first, one_more) for by_steps, by_leap in pair]


def exponent() -> sympy.Poly:
    """-2 times the exponent in (12), as a polynomial in x = x_{t-1}."""
    scale, variance = paper.forward_step(a)
    terms = (x_t - scale * x) ** 2 / variance + (x - sqrt(before) * x_0) ** 2 / (1 - before)
    return sympy.Poly(expand(terms - (x_t - sqrt(a * before) * x_0) ** 2 / (1 - a * before)), x)


def bayes() -> list[Expr]:
    """Exponents of the quotient (12) and of the Gaussian (14), and the squares of their normalising constants."""
    variance, mean = paper.posterior_variance(a, before), paper.posterior_mean(a, before)
    constants = (1 - a) * (1 - before) / (1 - a * before)
    return [exponent().as_expr() - (x - mean) ** 2 / variance, constants - variance]


def posterior_variance() -> list[Expr]:
    return [exponent().coeff_monomial(x**2) - 1 / paper.posterior_variance(a, before)]


def posterior_mean() -> list[Expr]:
    cross = exponent().coeff_monomial(x) * paper.posterior_variance(a, before) / -2
    return [cross - paper.posterior_mean(a, before)]


def mean_from_noise() -> list[Expr]:
    """Both coefficients of (17) against those of (18)."""
    abar = a * before
    with_noise = paper.posterior_mean(a, before).subs(x_0, (x_t - sqrt(1 - abar) * eps) / sqrt(abar))
    return [diff(with_noise - paper.denoising_mean(a, abar), variable) for variable in (x_t, eps)]


def denoising_step() -> list[Expr]:
    """Mean and variance of (19) over its standard Gaussian z, against (18) and (15)."""
    mean, variance = paper.denoising_mean(a, a * before), paper.posterior_variance(a, before)
    x_before = paper.denoising_step(a, before)
    of_z = diff(x_before, z)  # (19) is affine in z
    first = integrate((x_before.subs(z, 0) + of_z * z) * density(z, 0, 1), (z, -oo, oo))
    second = of_z**2 * integrate(z**2 * density(z, 0, 1), (z, -oo, oo))
    return [diff(x_before, z, 2), first - mean, second - variance]


def likelihood() -> list[Expr]:
    """The Kullback-Leibler divergence of the Gaussian with (18) from the same with a predicted noise y, which the bound
    on the likelihood asks to be small, is a factor times the square that Algorithm 1 takes.
    """
    abar, variance = symbols("abar v", positive=True)
    true = paper.denoising_mean(a, abar)
    predicted = paper.denoising_mean(a, abar, noise=y)
    log_ratio = ((x - predicted) ** 2 - (x - true) ** 2) / (2 * variance)
    divergence = integrate(log_ratio.subs(x, z + true).expand() * density(z, 0, variance), (z, -oo, oo))
    return [divergence - (1 - a) ** 2 / (2 * variance * a * (1 - abar)) * (eps - y) ** 2]


def last_step() -> list[Expr]:
    zeros = sympy.solve(paper.posterior_variance(a, before), before)
    return [paper.posterior_variance(a, Integer(1)), *(zero - 1 for zero in zeros)]


def forward_sde() -> list[Expr]:
    """(4) with beta = b h against x - b x / 2 h + sqrt(b h) z, for h to 0."""
    scale, variance = paper.forward_step(1 - b * h)
    return [limit((scale - (1 - b * h / 2)) / h, h, 0), limit((variance - b * h) / h, h, 0)]


def backward_sde() -> list[Expr]:
    """(19) with beta = b h against x + (b x / 2 + b s) h + sqrt(b h) z with the score s = -eps / sqrt(1 - abar_t)."""
    abar = before  # of step t, held fixed while h goes to 0
    mean = paper.denoising_mean(1 - b * h, abar)
    variance = paper.posterior_variance(1 - b * h, abar / (1 - b * h))
    return [
        limit((diff(mean, x_t) - (1 + b * h / 2)) / h, h, 0),
        limit((diff(mean, eps) + b * h / sqrt(1 - abar)) / h, h, 0),
        limit((variance - b * h) / h, h, 0),
    ]


def multiplier() -> list[Expr]:
    """With u_t from (22): the divergence theorem, and the time derivative of (21)."""
    amplitudes = symbols("a_1:4", real=True)
    u = sum(amplitude * paper.eigenfunction(mode) for mode, amplitude in enumerate(amplitudes, start=1))
    gradient_norm = over_interval(diff(u, x) ** 2)
    u_t = paper.right_hand_side(u, gradient_norm)
    by_parts = over_interval(diff(u, x) * diff(u, x, 3)) + over_interval(diff(u, x, 2) ** 2)
    return [by_parts, 2 * over_interval(diff(u, x) * diff(u_t, x))]


def rescaled_heat() -> list[Expr]:
    """With v a solution of the heat equation, u = sqrt(C) v / |v_x|: (21), and (22), for two modes at any time t."""
    t = symbols("t", nonnegative=True)
    amplitudes = symbols("a_1:3", positive=True)
    v = sum(
        amplitude * exp(-paper.eigenvalue(mode) * t) * paper.eigenfunction(Integer(mode))
        for mode, amplitude in enumerate(amplitudes, start=1)
    )
    u = sqrt(C) * v / sqrt(over_interval(diff(v, x) ** 2))
    return [over_interval(diff(u, x) ** 2) - C, diff(u, t) - paper.right_hand_side(u, C)]


def eigenpairs() -> list[Expr]:
    phi = paper.eigenfunction(k)
    slope = diff(phi, x)
    pairs = [(one, other) for one in range(1, 5) for other in range(one)]
    return [
        diff(phi, x, 2) + paper.eigenvalue(k) * phi,
        slope.subs(x, 0),
        slope.subs(x, L),
        over_interval(phi**2) - 1,
        *(over_interval(paper.eigenfunction(one) * paper.eigenfunction(other)) for one, other in pairs),
    ]


def steady_states() -> list[Expr]:
    u = paper.steady_state(k)
    return [
        over_interval(diff(u, x) ** 2) - C,
        paper.right_hand_side(u, C),
        over_interval(u),
        over_interval(diff(paper.eigenfunction(Integer(0)), x) ** 2),  # k = 0 has no gradient to keep at C > 0
    ]


def linearisation() -> list[Expr]:
    """To first order in delta, (22) at u_k + delta phi_j is the rate times delta phi_j, for k = 1..4 and j = 0..4."""
    delta = sympy.Symbol("delta")
    residuals = []
    for one in map(Integer, range(1, 5)):
        for other in map(Integer, range(5)):
            if one != other:
                u = paper.steady_state(one) + delta * paper.eigenfunction(other)
                first_order = diff(paper.right_hand_side(u, C), delta).subs(delta, 0)
                residuals.append(first_order - paper.growth_rate(one, other) * paper.eigenfunction(other))
    return residuals


def backward_ill_posed() -> list[Expr]:
    """1 over the limit of the reversed rates."""
    return [1 / limit(-paper.growth_rate(Rational(1), j), j, oo)]


CHECKS: tuple[Callable[[], list[Expr]], ...] = (
    gaussian_sum,
    gaussian_scaling,
    gaussian_merge,
    transition_density,
    two_steps,
    leap,
    bayes,
    posterior_variance,
    posterior_mean,
    mean_from_noise,
    denoising_step,
    likelihood,
    last_step,
    forward_sde,
    backward_sde,
    multiplier,
    rescaled_heat,
    eigenpairs,
    steady_states,
    linearisation,
    backward_ill_posed,
)


def record(check: Callable[[], list[Expr]]) -> dict:
    """Whether an identity holds, of how many differences, and those that are left over, as text."""
    differences = [simplify(difference) for difference in check()]
    left = [str(difference) for difference in differences if difference != 0]
    return {"holds": not left, "residuals": len(differences), "left": "; ".join(left)}


def measure() -> dict[str, dict]:
    """The records of algebra.json."""
    return {check.__name__: record(check) for check in CHECKS}
