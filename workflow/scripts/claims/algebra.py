"""The paper's algebra, checked with sympy: each function returns differences that the paper says are 0.

Sections 3, 4 and 6 first, then section 7 on (0, L). A function's name is that of its record in algebra.json.
"""

from collections.abc import Callable

import sympy
from sympy import Expr, Integer, Rational, diff, exp, expand, integrate, limit, log, oo, pi, simplify, sqrt, symbols

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


def backward_last_steps() -> list[Expr]:
    """(15) at the fixed step t, with beta_1 = beta_2 = ... = b h, over b h, for h to 0: the share (t - 1) / t."""

    def alpha_bar(steps: Expr) -> Expr:
        return (1 - b * h) ** steps

    variance = paper.posterior_variance(1 - b * h, alpha_bar(k - 1))
    return [limit(simplify(variance / (b * h)), h, 0) - (k - 1) / k]


def three_modes() -> Expr:
    """A sum of eigenfunctions with symbolic amplitudes."""
    return sum(amplitude * paper.eigenfunction(n) for n, amplitude in enumerate(symbols("a_1:4", real=True), start=1))


def multiplier() -> list[Expr]:
    """The divergence theorem; the time derivative of (21) with u_t from (20) for any mu, which is linear in mu and so 0
    for one mu alone; and that it is 0 with u_t from (22).
    """
    u, mu = three_modes(), sympy.Symbol("mu")
    gradient_norm, laplacian = over_interval(diff(u, x) ** 2), over_interval(diff(u, x, 2) ** 2)

    def rate(u_t: Expr) -> Expr:
        return 2 * over_interval(diff(u, x) * diff(u_t, x))

    return [
        over_interval(diff(u, x) * diff(u, x, 3)) + laplacian,
        rate(diff(u, x, 2) + mu * u) - 2 * (mu * gradient_norm - laplacian),
        rate(paper.right_hand_side(u, gradient_norm)),
    ]


def other_norms() -> list[Expr]:
    """The time derivatives of the norms of u, u_x and u_xx, kept by the diffusion and by the biharmonic equation."""
    u = three_modes()
    cases = [(m, p) for m in (0, 1, 2) for p in (1, 2)]
    return [over_interval(diff(u, x, m) * diff(paper.keeping_another_norm(u, m, p), x, m)) for m, p in cases]


def rescaled_heat() -> list[Expr]:
    """With v a solution of the heat equation, u = sqrt(C) v / |v_x|: (21), and (22), for two modes at any time t."""
    t = symbols("t", nonnegative=True)
    amplitudes = symbols("a_1:3", positive=True)
    v = sum(
        amplitude * paper.heat_decay(paper.eigenvalue(mode), t) * paper.eigenfunction(Integer(mode))
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
    """On (0, L): (21), (22) and a mean of 0 at u_k; for k = 0 there is no gradient whose norm could be C > 0. On a
    rectangle with the sides L and M: (21), -Lap u = lambda u, the same mu = lambda, and a mean of 0 at u_jk.
    """
    u = paper.steady_state(k)
    plate, rate = paper.steady_state_on_rectangle(j, k), paper.eigenvalue_on_rectangle(j, k)
    over_plate = paper.over_rectangle
    laplacian = diff(plate, x, 2) + diff(plate, y, 2)
    return [
        over_interval(diff(u, x) ** 2) - C,
        paper.right_hand_side(u, C),
        over_interval(u),
        over_interval(diff(paper.eigenfunction(Integer(0)), x) ** 2),
        over_plate(diff(plate, x) ** 2 + diff(plate, y) ** 2) - C,
        laplacian + rate * plate,
        over_plate(laplacian**2) / C - rate,
        over_plate(plate),
    ]


def only_steady_states() -> list[Expr]:
    """Among the combinations of phi_0..phi_3, how many steady states of the norm C are not a +-u_k, or the reverse.

    In amplitudes (22) is at rest where (mu - lambda_i) a_i = 0 for all i, with a constant mu.
    """
    amplitudes, mu = symbols("a_0:4", real=True), sympy.Symbol("mu", real=True)
    rates = [paper.eigenvalue(Integer(i)) for i in range(4)]
    at_rest = [(mu - rate) * a for rate, a in zip(rates, amplitudes, strict=True)]
    norm = sum(rate * a**2 for rate, a in zip(rates, amplitudes, strict=True)) - C
    found = {tuple(map(simplify, one[:-1])) for one in sympy.solve([*at_rest, norm], [*amplitudes, mu])}
    expected = {
        tuple(simplify(sign * sqrt(C / rates[n])) if i == n else Integer(0) for i in range(4))
        for n in range(1, 4)
        for sign in (1, -1)
    }
    return [Integer(len(found ^ expected))]


def total_variation_at_rest() -> list[Expr]:
    """The integral of |u_k'| over (0, L), k times that over a half wave, in which u_k falls."""
    half_wave = integrate(-diff(paper.steady_state(k), x), (x, 0, L / k))
    return [k * half_wave - 2 * sqrt(2 * L * C) / pi]


def linearisation() -> list[Expr]:
    """(23), and the rate that follows from it, for k = 1..4 and j = 0..4.

    With u_k + delta w and w = phi_j, (22) is to first order (23), delta (Lap w + lambda_k w + nu u_k), with the nu that
    mu changes by; nu is 0, and the whole is the rate times delta phi_j.
    """
    delta = sympy.Symbol("delta")
    residuals = []
    for one in map(Integer, range(1, 5)):
        for other in map(Integer, range(5)):
            if one != other:
                w = paper.eigenfunction(other)
                u = paper.steady_state(one) + delta * w
                nu = diff(over_interval(diff(u, x, 2) ** 2) / C, delta).subs(delta, 0)
                first_order = diff(paper.right_hand_side(u, C), delta).subs(delta, 0)
                residuals += [
                    nu,
                    first_order - (diff(w, x, 2) + paper.eigenvalue(one) * w + nu * paper.steady_state(one)),
                    first_order - paper.growth_rate(one, other) * w,
                ]
    return residuals


def long_time_limit() -> list[Expr]:
    """The limits of the amplitudes of sqrt(C) v / |grad v|, for a start of zero mean with two modes of the first
    eigenvalue, as on a square, and one of a higher: C and no more on the first two, in the start's proportion.
    """
    t, rate, gap = symbols("t lambda delta", positive=True)
    start = symbols("a_1:4", positive=True)
    rates = [rate, rate, rate + gap]
    v = [a * paper.heat_decay(r, t) for a, r in zip(start, rates, strict=True)]
    norm = sum(r * a**2 for a, r in zip(v, rates, strict=True))
    end = [limit(simplify(sqrt(C * a**2 / norm)), t, oo) for a in v]
    return [end[2], end[0] * start[1] - end[1] * start[0], rate * (end[0] ** 2 + end[1] ** 2) - C]


def backward_ill_posed() -> list[Expr]:
    """1 over the limit of the reversed rates."""
    return [1 / limit(-paper.growth_rate(Rational(1), j), j, oo)]


def backward_existence() -> list[Expr]:
    """Of v / |grad v|, which (21) makes of the heat equation's solution v, when v runs back to a point mass in one, two
    or three dimensions: its mass; and when v runs back to a unit jump in one dimension: its jump. Both in the limit.
    """
    tau = symbols("tau", positive=True)
    kernel = paper.heat_kernel(tau)  # the source in d dimensions is a product of d of them, and the jump's slope is one
    mass, square, of_slope = (integrate(simplify(f), (x, -oo, oo)) for f in (kernel, kernel**2, diff(kernel, x) ** 2))
    masses = [limit(mass**d / sqrt(d * of_slope * square ** (d - 1)), tau, 0) for d in (1, 2, 3)]
    return [*masses, limit(mass / sqrt(square), tau, 0)]


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
    backward_last_steps,
    multiplier,
    other_norms,
    rescaled_heat,
    eigenpairs,
    steady_states,
    only_steady_states,
    total_variation_at_rest,
    linearisation,
    long_time_limit,
    backward_ill_posed,
    backward_existence,
)


def record(check: Callable[[], list[Expr]]) -> dict:
    """Whether an identity holds, of how many differences, and those that are left over, as text."""
    differences = [simplify(difference) for difference in check()]
    left = [str(difference) for difference in differences if difference != 0]
    return {"holds": not left, "residuals": len(differences), "left": "; ".join(left)}


def measure() -> dict[str, dict]:
    """The records of algebra.json."""
    return {check.__name__: record(check) for check in CHECKS}
