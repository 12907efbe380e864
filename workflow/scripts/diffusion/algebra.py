"""The paper's algebra, checked with sympy: each check is a list of differences that must reduce to 0.

Gaussians are isotropic, so that one coordinate stands for all. Sections 3, 4 and 6 first, then section 7 on (0, L).
"""

from collections.abc import Callable

import sympy
from sympy import Expr, Rational, cos, diff, exp, expand, integrate, limit, log, oo, pi, simplify, sqrt, symbols

x, x_0, x_t, y, z, eps, mean_1, mean_2 = symbols("x x_0 x_t y z epsilon mu_1 mu_2", real=True)
variance_1, variance_2, scale_1, scale_2, b, h, L, C = symbols("v_1 v_2 a b beta h L C", positive=True)
a, before = symbols("alpha_t abar_before", positive=True)
k, j = symbols("k j", integer=True, positive=True)


def density(x: Expr, mean: Expr, variance: Expr) -> Expr:
    """(1) in one coordinate."""
    return exp(-((x - mean) ** 2) / (2 * variance)) / sqrt(2 * pi * variance)


def step(alpha: Expr) -> tuple[Expr, Expr]:
    """(4) as the scale of x_{t-1} and the variance of the noise."""
    return sqrt(alpha), 1 - alpha


def posterior_variance(a: Expr, before: Expr) -> Expr:
    """(15), with abar_t = a before from (7)."""
    return (1 - a) * (1 - before) / (1 - a * before)


def posterior_mean(a: Expr, before: Expr) -> Expr:
    """(16)."""
    return (sqrt(a) * (1 - before) * x_t + sqrt(before) * (1 - a) * x_0) / (1 - a * before)


def denoising_mean(a: Expr, abar: Expr) -> Expr:
    """(18)."""
    return (x_t - (1 - a) / sqrt(1 - abar) * eps) / sqrt(a)


def denoising_update(a: Expr, abar: Expr, deviation: Expr) -> Expr:
    """(19), with the predicted noise eps and the standard Gaussian z."""
    return denoising_mean(a, abar) + deviation * z


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
    scale, variance = step(1 - b)
    return [density((y - scale * x) / sqrt(variance), 0, 1) / sqrt(variance) - density(y, sqrt(1 - b) * x, b)]


def two_steps() -> list[Expr]:
    scale, variance = after(step(before), step(a))
    return [scale - sqrt(a * before), variance - (1 - a * before)]


def leap() -> list[Expr]:
    """(6) from (4), with one factor as the start; then one factor more, with `a` the product of those so far."""
    start = [step(a)[0] - sqrt(a), step(a)[1] - (1 - a)]
    scale, variance = after(step(before), (sqrt(a), 1 - a))
    return [*start, scale - sqrt(a * before), variance - (1 - a * before)]


def exponent() -> sympy.Poly:
    """-2 times the exponent in (12), as a polynomial in x = x_{t-1}."""
    scale, variance = step(a)
    terms = (x_t - scale * x) ** 2 / variance + (x - sqrt(before) * x_0) ** 2 / (1 - before)
    return sympy.Poly(expand(terms - (x_t - sqrt(a * before) * x_0) ** 2 / (1 - a * before)), x)


def bayes() -> list[Expr]:
    """Exponents of the quotient (12) and of the Gaussian (14), and the squares of their normalising constants."""
    variance, mean = posterior_variance(a, before), posterior_mean(a, before)
    constants = (1 - a) * (1 - before) / (1 - a * before)
    return [exponent().as_expr() - (x - mean) ** 2 / variance, constants - variance]


def posterior_variance_by_square() -> list[Expr]:
    return [exponent().coeff_monomial(x**2) - 1 / posterior_variance(a, before)]


def posterior_mean_by_cross_product() -> list[Expr]:
    cross = exponent().coeff_monomial(x) * posterior_variance(a, before) / -2
    return [cross - posterior_mean(a, before)]


def mean_from_noise() -> list[Expr]:
    """Both coefficients of (17) against those of (18)."""
    abar = a * before
    with_noise = posterior_mean(a, before).subs(x_0, (x_t - sqrt(1 - abar) * eps) / sqrt(abar))
    return [diff(with_noise - denoising_mean(a, abar), variable) for variable in (x_t, eps)]


def denoising_step() -> list[Expr]:
    """Mean and variance of (19) over its standard Gaussian z, against (18) and (15)."""
    mean, variance = denoising_mean(a, a * before), posterior_variance(a, before)
    deviation = sympy.Symbol("sigma", positive=True)
    x_before = denoising_update(a, a * before, deviation)
    first = integrate(x_before * density(z, 0, 1), (z, -oo, oo))
    second = integrate((x_before - first) ** 2 * density(z, 0, 1), (z, -oo, oo))
    return [first - mean, second.subs(deviation, sqrt(variance)) - variance]


def likelihood() -> list[Expr]:
    """The Kullback-Leibler divergence of the Gaussian with (18) from the same with a predicted noise y, which the bound
    on the likelihood asks to be small, is a factor times the square that Algorithm 1 takes.
    """
    abar, variance = symbols("abar v", positive=True)
    true = denoising_mean(a, abar)
    predicted = true.subs(eps, y)
    log_ratio = ((x - predicted) ** 2 - (x - true) ** 2) / (2 * variance)
    divergence = integrate(log_ratio.subs(x, z + true).expand() * density(z, 0, variance), (z, -oo, oo))
    return [divergence - (1 - a) ** 2 / (2 * variance * a * (1 - abar)) * (eps - y) ** 2]


def last_step() -> list[Expr]:
    zeros = sympy.solve(posterior_variance(a, before), before)
    return [posterior_variance(a, sympy.Integer(1)), *(zero - 1 for zero in zeros)]


def forward_sde() -> list[Expr]:
    """(4) with beta = b h against x - b x / 2 h + sqrt(b h) z, for h to 0."""
    scale, variance = step(1 - b * h)
    return [limit((scale - (1 - b * h / 2)) / h, h, 0), limit((variance - b * h) / h, h, 0)]


def backward_sde() -> list[Expr]:
    """(19) with beta = b h against x + (b x / 2 + b s) h + sqrt(b h) z with the score s = -eps / sqrt(1 - abar_t)."""
    abar = before  # of step t, held fixed while h goes to 0
    mean = denoising_mean(1 - b * h, abar)
    variance = posterior_variance(1 - b * h, abar / (1 - b * h))
    return [
        limit((diff(mean, x_t) - (1 + b * h / 2)) / h, h, 0),
        limit((diff(mean, eps) + b * h / sqrt(1 - abar)) / h, h, 0),
        limit((variance - b * h) / h, h, 0),
    ]


def eigenvalue(k: Expr) -> Expr:
    return (k * pi / L) ** 2


def eigenfunction(k: Expr) -> Expr:
    return sqrt(2 / L) * cos(k * pi * x / L)


def over_interval(u: Expr) -> Expr:
    return integrate(expand(u), (x, 0, L))


def right_hand_side(u: Expr, gradient_norm: Expr) -> Expr:
    """The right-hand side of (22)."""
    return diff(u, x, 2) + over_interval(diff(u, x, 2) ** 2) / gradient_norm * u


def multiplier() -> list[Expr]:
    """With u_t from (22): the divergence theorem, and the time derivative of (21)."""
    amplitudes = symbols("a_1:4", real=True)
    u = sum(amplitude * eigenfunction(mode) for mode, amplitude in enumerate(amplitudes, start=1))
    gradient_norm = over_interval(diff(u, x) ** 2)
    u_t = right_hand_side(u, gradient_norm)
    by_parts = over_interval(diff(u, x) * diff(u, x, 3)) + over_interval(diff(u, x, 2) ** 2)
    return [by_parts, 2 * over_interval(diff(u, x) * diff(u_t, x))]


def rescaled_heat() -> list[Expr]:
    """With v a solution of the heat equation, u = sqrt(C) v / |v_x|: (21), and (22), for two modes at any time t."""
    t = symbols("t", nonnegative=True)
    amplitudes = symbols("a_1:3", positive=True)
    v = sum(
        amplitude * exp(-eigenvalue(mode) * t) * eigenfunction(sympy.Integer(mode))
        for mode, amplitude in enumerate(amplitudes, start=1)
    )
    u = sqrt(C) * v / sqrt(over_interval(diff(v, x) ** 2))
    return [over_interval(diff(u, x) ** 2) - C, diff(u, t) - right_hand_side(u, C)]


def eigenpairs() -> list[Expr]:
    phi = eigenfunction(k)
    slope = diff(phi, x)
    pairs = [(one, other) for one in range(1, 5) for other in range(one)]
    return [
        diff(phi, x, 2) + eigenvalue(k) * phi,
        slope.subs(x, 0),
        slope.subs(x, L),
        over_interval(phi**2) - 1,
        *(over_interval(eigenfunction(one) * eigenfunction(other)) for one, other in pairs),
    ]


def steady_states() -> list[Expr]:
    u = sqrt(C / eigenvalue(k)) * eigenfunction(k)
    return [
        over_interval(diff(u, x) ** 2) - C,
        right_hand_side(u, C),
        over_interval(u),
        over_interval(diff(eigenfunction(sympy.Integer(0)), x) ** 2),  # k = 0 has no gradient to keep at C > 0
    ]


def growth_rate(k: Expr, j: Expr) -> Expr:
    """The rate after (23)."""
    return eigenvalue(k) - eigenvalue(j)


def linearisation() -> list[Expr]:
    """To first order in delta, (22) at u_k + delta phi_j is the rate times delta phi_j, for k = 1..4 and j = 0..4."""
    delta = sympy.Symbol("delta")
    residuals = []
    for one in map(sympy.Integer, range(1, 5)):
        for other in map(sympy.Integer, range(5)):
            if one != other:
                u = sqrt(C / eigenvalue(one)) * eigenfunction(one) + delta * eigenfunction(other)
                first_order = diff(right_hand_side(u, C), delta).subs(delta, 0)
                residuals.append(first_order - growth_rate(one, other) * eigenfunction(other))
    return residuals


def backward_ill_posed() -> list[Expr]:
    """1 over the limit of the reversed rates."""
    return [1 / limit(-growth_rate(Rational(1), j), j, oo)]


CHECKS: dict[str, Callable[[], list[Expr]]] = {
    "gaussian_sum": gaussian_sum,
    "gaussian_scaling": gaussian_scaling,
    "gaussian_merge": gaussian_merge,
    "transition_density": transition_density,
    "two_steps": two_steps,
    "leap": leap,
    "bayes": bayes,
    "posterior_variance": posterior_variance_by_square,
    "posterior_mean": posterior_mean_by_cross_product,
    "mean_from_noise": mean_from_noise,
    "denoising_step": denoising_step,
    "likelihood": likelihood,
    "last_step": last_step,
    "forward_sde": forward_sde,
    "backward_sde": backward_sde,
    "multiplier": multiplier,
    "rescaled_heat": rescaled_heat,
    "eigenpairs": eigenpairs,
    "steady_states": steady_states,
    "linearisation": linearisation,
    "backward_ill_posed": backward_ill_posed,
}


def check(name: str) -> dict:
    """One check: whether it holds, of how many differences, and those that are left over, as text."""
    differences = [simplify(difference) for difference in CHECKS[name]()]
    left = [str(difference) for difference in differences if difference != 0]
    return {"holds": not left, "residuals": len(differences), "left": "; ".join(left)}
