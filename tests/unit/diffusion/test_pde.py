"""Section 7: the solver of (20)-(22) against exact solutions."""

from math import factorial

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from diffusion import pde
from diffusion.pde import (
    Grid,
    Stepper,
    combination,
    eigenfunction,
    eigenvalue,
    exact_amplitudes,
    exact_semidiscrete,
    exact_solution,
    figure_7,
    growth_rate,
    l2_error,
    leading_modes,
    mode_shares,
    motion,
    multiplier,
    solve,
    steady_state,
)
from engine.errors import UserError

L = 2.0
AMPLITUDES = np.array([0.5, -0.3, 0.8, 0.2, 0.0, 1.0])


def start(grid):
    return combination(AMPLITUDES, grid.x, grid.L)


def order(sizes, errors):
    return np.polyfit(np.log(sizes), np.log(errors), 1)[0]


def test_second_order_in_space():
    grids = [Grid(L, N) for N in (50, 100, 200)]
    errors = [
        l2_error(solve(start(g), g, 0.1 / 4000, 4000, 4000).u[-1], exact_solution(AMPLITUDES, g.x, 0.1, L), g)
        for g in grids
    ]
    assert order([g.h for g in grids], errors) == pytest.approx(2, abs=0.02)


@pytest.mark.parametrize("m, steps", [(2, [40, 80, 160, 320]), (4, [20, 40, 80, 160]), (6, [30, 40, 60])])
def test_order_in_time(m, steps):
    grid = Grid(L, 100)
    exact = exact_semidiscrete(start(grid), grid, 0.1)
    errors = [l2_error(solve(start(grid), grid, 0.1 / n, n, n, m).u[-1], exact, grid) for n in steps]
    assert order([1 / n for n in steps], errors) == pytest.approx(m, abs=0.035 * m)


@pytest.mark.parametrize("dt", [1e-6, 1e-3, 1.0, 1e3])
def test_norm_and_mean_are_kept_at_every_step_whatever_its_size(dt):
    grid = Grid(L, 200)
    solution = solve(start(grid) + 7.0, grid, dt, 200)  # the mean of the start is taken out
    assert solution.norm_drift < 1e-12 and solution.mean_drift < 1e-12
    assert len(solution.t) == 201 and solution.t[-1] == pytest.approx(200 * dt)
    norms = [grid.gradient_norm(u) for u in solution.u]
    assert np.allclose(norms, solution.C, rtol=1e-12) and np.isfinite(solution.u).all()


@pytest.mark.parametrize("m", [2, 6])
@pytest.mark.parametrize("dt", [1e-3, 0.1, 10.0])
def test_every_start_ends_in_the_first_eigenmode_at_every_step_size(dt, m):
    grid = Grid(L, 100)
    u = solve(np.random.default_rng(0).normal(size=100), grid, dt, max(20, round(10 / dt)), 20, m).u[-1]
    final = steady_state(1, grid.x, L, grid.gradient_norm(u))
    assert min(l2_error(u, final, grid), l2_error(u, -final, grid)) < 1e-3


@pytest.mark.parametrize("m", [2, 4, 6, 8])
def test_step_is_the_rational_approximation_it_says(m):
    """Mode k is multiplied by 1 / (1 + s + ... + s^m / m!), s = dt lambda_k, before the rescaling."""
    grid, dt = Grid(L, 64), 0.05
    u = np.random.default_rng(1).normal(size=64)
    u -= u.mean()
    s = dt * grid.eigenvalues
    expected = grid.amplitudes(u) / sum(s**k / factorial(k) for k in range(m + 1))
    found = grid.amplitudes(Stepper(grid, dt, 1.0, m)(u))
    assert np.allclose(found / found[1], expected / expected[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("m", [2, 4, 6, 8])
@pytest.mark.parametrize("dt", [1.0, 1e3, 1e5, 1e8])
def test_rounding_takes_little_at_any_order_and_step_size(m, dt):
    """p(dt lambda_1) is up to 1e70 here. What is left after one step against the rational function in closed form, and
    that 30 steps end in the first eigenmode; partial fractions of 1 / p lose phi_1 at order 4 and more.
    """
    grid, u = Grid(L, 64), start(Grid(L, 64))
    step, s = Stepper(grid, dt, grid.gradient_norm(u), m), dt * grid.eigenvalues
    relative = sum(s**k * s[1] ** (-m) / factorial(k) for k in range(m + 1))
    expected = grid.amplitudes(u) / relative * (grid.eigenvalues > 0)
    expected *= np.sqrt(step.C / np.sum(grid.eigenvalues * expected**2))
    rounding = np.finfo(float).eps * s[-1]
    assert l2_error(step(u), grid.from_amplitudes(expected), grid) < 1e-13 + rounding
    for _ in range(30):
        u = step(u)
    assert mode_shares(grid.amplitudes(u)[None], grid.eigenvalues)[0, 1] > 1 - 1e-9


@pytest.mark.parametrize("k", [1, 2, 5])
def test_steady_states_stay_and_mu_is_their_eigenvalue(k):
    grid = Grid(L, 400)
    u = steady_state(k, grid.x, L, C=3.0)
    assert grid.gradient_norm(u) == pytest.approx(3.0, rel=1e-3)
    assert multiplier(u, grid) == pytest.approx(eigenvalue(k, L), rel=1e-3)
    late = solve(u, grid, 1e-3, 100, 100).u[-1]
    assert l2_error(late, u, grid) < 1e-10


def test_no_steady_state_from_the_constant_mode():
    with pytest.raises(ValueError, match="no steady state"):
        steady_state(0, Grid(L, 10).x, L, 1.0)


@pytest.mark.parametrize("k, j", [(1, 2), (3, 1), (3, 2), (3, 4), (4, 6), (6, 5)])
def test_growth_rates_23(k, j):
    assert growth_rate(k, j, Grid(L, 400), 1e-4) == pytest.approx(eigenvalue(k, L) - eigenvalue(j, L), rel=2e-3)


def test_mu_is_the_rate_of_the_rescaling():
    """(22)'s mu(t) against d/dt of log of the amplitude of phi_1, which is mu - lambda_1."""
    grid = Grid(L, 200)
    solution = solve(start(grid), grid, 1e-4, 400)
    log_a = np.log(np.abs(grid.amplitudes(solution.u)[:, 1]))
    rate = np.gradient(log_a, solution.t) + grid.eigenvalues[1]
    assert np.allclose(rate[1:-1], solution.mu[1:-1], rtol=2e-3)


def test_exact_solutions_solve_the_equation():
    """Finite differences of the exact solution in t against Lap u + mu u of (22), both from the cosine series."""
    grid, t, dt = Grid(L, 2000), 0.05, 1e-6
    before, now, after = (exact_solution(AMPLITUDES, grid.x, s, L) for s in (t - dt, t, t + dt))
    right = grid.laplacian(now) + multiplier(now, grid) * now
    assert l2_error((after - before) / (2 * dt), right, grid) < 1e-4
    assert grid.gradient_norm(now) == pytest.approx(grid.gradient_norm(start(grid)), rel=1e-4)


def test_exact_amplitudes_solve_22_as_it_is_written():
    """With a mean, with which the solution ends in the constant and not in the first eigenmode, and without the first
    mode: against a stiff solver of `motion` with C fixed.
    """
    rates, start = np.arange(4.0) ** 2, np.array([0.05, 0.3, 0.8, 1.0])
    C = np.sum(rates * start**2)

    def as_written(t, a):
        return (np.sum(rates**2 * a**2) / C - rates) * a

    assert np.allclose(motion(start, rates), as_written(0, start), rtol=1e-13)
    by_steps = solve_ivp(as_written, (0, 1.5), start, method="BDF", rtol=1e-11, atol=1e-13).y[:, -1]
    assert np.allclose(exact_amplitudes(start, rates, 1.5), by_steps, rtol=1e-6)
    assert np.allclose(exact_amplitudes(np.array([0.0, 0, 2, 1]), rates, 9.0), [0, 0, np.sqrt((16 + 9) / 4), 0])
    late = exact_amplitudes(np.array([0.0, 1, 1, 0]), rates, 1e4)  # nothing under- or overflows
    assert np.allclose(late, [0, 5**0.5, 0, 0])


@pytest.mark.parametrize("angle", [0.0, 0.4, 2.0])
def test_a_double_eigenvalue_has_a_circle_of_steady_states(angle):
    circle = np.array([np.cos(angle), np.sin(angle), 0.0])
    assert np.allclose(motion(circle, np.array([1.0, 1.0, 2.0])), 0, atol=1e-15)
    assert np.abs(motion(np.array([1.0, 0, 1.0]), np.array([1.0, 1.0, 2.0]))).min() == 0
    assert np.abs(motion(np.array([1.0, 0, 1.0]), np.array([1.0, 1.0, 2.0]))).max() > 0.3


def test_amplitudes_and_back():
    grid = Grid(L, 32)
    u = 3 * eigenfunction(2, grid.x, L) - eigenfunction(5, grid.x, L)
    a = grid.amplitudes(u)
    expected = np.zeros(32)
    expected[2], expected[5] = 3, -1
    assert np.allclose(a, expected, atol=1e-13) and np.allclose(grid.from_amplitudes(a), u)
    rows = np.array([u, 2 * u, u + 1])  # of several times at once, as figure 7 has them
    assert np.allclose(grid.amplitudes(rows)[1], 2 * a) and np.allclose(
        grid.from_amplitudes(grid.amplitudes(rows)), rows
    )


def test_eigenfunctions_are_orthonormal_the_constant_too():
    grid = Grid(L, 64)
    phi = np.array([eigenfunction(k, grid.x, L) for k in range(5)])
    assert np.allclose(grid.h * phi @ phi.T, np.eye(5), atol=1e-12)


def test_a_mean_is_taken_out_of_the_semidiscrete_solution_too():
    grid = Grid(L, 32)
    exact = exact_semidiscrete(start(grid), grid, 0.3)
    assert np.allclose(exact_semidiscrete(start(grid) + 5.0, grid, 0.3), exact, rtol=0, atol=1e-12)
    assert abs(exact.mean()) < 1e-12 and exact.std() > 0.1


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_drifts_are_relative_to_what_is_to_be_kept(monkeypatch, size):
    """A step that adds to u a fifth of its largest value, and then one that makes u larger by a tenth."""
    grid = Grid(L, 32)
    u = size * start(grid) - size * start(grid).mean()
    for change, drifts in ((lambda v: v + 0.2 * np.abs(u).max(), "mean"), (lambda v: 1.1 * v, "norm")):
        monkeypatch.setattr(pde, "Stepper", lambda *_, change=change: change)
        solution = solve(u, grid, 0.1, 1)
        if drifts == "mean":
            assert solution.norm_drift < 1e-12
            assert solution.mean_drift == pytest.approx(0.2 * np.abs(u).max() / np.abs(solution.u[-1]).max())
        else:
            assert solution.mean_drift < 1e-12 and solution.norm_drift == pytest.approx(0.21)


def explicit_euler(u, grid, dt, steps, C):
    """(22) as it is written, C fixed, by the scheme one would try first."""
    for n in range(1, steps + 1):
        lap = grid.laplacian(u)
        with np.errstate(over="ignore", invalid="ignore"):
            u = u + dt * (lap + grid.integral(lap**2) / C * u)
        if not np.isfinite(u).all():
            return n
    return None


def test_naive_explicit_scheme_blows_up_where_the_solver_does_not():
    """Well inside the step limit h^2 / 2 of the heat equation: the instability is that of (22) itself."""
    grid = Grid(1.0, 200)
    near_phi_6 = [4.0e-11, 2.5e-8, 1.4e-5, 2.9e-3, 0.13, 1.0]
    u = combination(near_phi_6, grid.x, 1.0)
    dt, steps = 0.2 * grid.h**2, 8_000
    assert explicit_euler(u, grid, dt, steps, grid.gradient_norm(u)) is not None
    solution = solve(u, grid, dt, steps, steps)
    exact = exact_semidiscrete(u, grid, dt * steps)
    assert l2_error(solution.u[-1], exact, grid) < 1e-4


def test_figure_7_runs_from_its_amplitudes_to_its_end():
    """Saved a thousand times, with the amplitudes of the exact solution at the end and the drifts of all steps."""
    arrays, run = figure_7(L, cells=200, dt=1e-4, t_end=0.3, amplitudes=[0.5, 0.0, 0.8])
    grid = Grid(L, 200)
    assert len(arrays["t"]) == 1001 and arrays["t"][-1] == pytest.approx(0.3) and run["steps"] == 3000
    assert arrays["u"].shape == (1001, 200) and arrays["mu"].shape == (1001,) and np.array_equal(arrays["x"], grid.x)
    assert arrays["amplitudes"].shape == (1001, 4) and np.allclose(
        arrays["amplitudes"][0], [0, 0.5, 0, 0.8], atol=1e-12
    )
    assert np.array_equal(arrays["eigenvalues"], grid.eigenvalues[:4])
    exact = exact_solution(np.array([0.5, 0.0, 0.8]), grid.x, 0.3, L)
    assert l2_error(arrays["u"][-1], exact, grid) < 1e-3
    assert np.allclose(arrays["amplitudes"][-1], grid.amplitudes(exact)[:4], atol=1e-3)
    assert run["C"] == arrays["C"] == pytest.approx(grid.gradient_norm(exact), rel=1e-3)
    assert run["norm_drift"] < 1e-12 and run["mean_drift"] < 1e-12


def test_impossible_starts_are_refused():
    grid = Grid(L, 16)
    with pytest.raises(ValueError, match="constant"):
        solve(np.ones(16), grid, 0.1, 1)
    with pytest.raises(ValueError, match="positive"):
        solve(start(grid), grid, 0.0, 1)
    for order in (0, 3):
        with pytest.raises(ValueError, match="even and at least 2"):
            solve(start(grid), grid, 0.1, 1, order=order)
    with pytest.raises(ValueError, match=r"dt = 1e\+13 would lose u in rounding errors: take at most 1\.8e\+10"):
        solve(start(grid), grid, 1e13, 1)
    largest = Stepper.LARGEST / grid.eigenvalues.max()
    Stepper(grid, 0.999 * largest, 1.0)
    with pytest.raises(ValueError, match="rounding errors"):
        Stepper(grid, 1.001 * largest, 1.0)
    for C in (0.0, -1.0):
        with pytest.raises(ValueError, match="must be positive"):
            Stepper(grid, 0.1, C)


def test_a_step_is_of_second_order_unless_another_is_asked_for():
    grid = Grid(L, 16)
    u = start(grid) - start(grid).mean()
    C = grid.gradient_norm(u)
    assert np.array_equal(Stepper(grid, 0.1, C)(u), Stepper(grid, 0.1, C, order=2)(u))
    assert not np.allclose(Stepper(grid, 0.1, C)(u), Stepper(grid, 0.1, C, order=4)(u), rtol=1e-6)


def test_shares_of_the_gradient_norm():
    """Of 3 phi_1 + phi_2 on (0, pi): 9 and 4 of 13, and none for the constant; all in phi_3 for a steady state."""
    eigenvalues = np.array([0.0, 1.0, 4.0, 9.0])
    shares = mode_shares(np.array([[7.0, 3.0, 1.0, 0.0], [0.0, 0.0, 0.0, -2.0]]), eigenvalues)
    assert np.allclose(shares, [[0, 9 / 13, 4 / 13, 0], [0, 0, 0, 1]], rtol=1e-14)
    grid = Grid(L, 64)  # the norm by differences and that by amplitudes are the same on the grid
    u = start(grid)
    found = mode_shares(grid.amplitudes(u)[None], grid.eigenvalues)[0] * grid.gradient_norm(u)
    assert np.allclose(found[1:7], grid.eigenvalues[1:7] * AMPLITUDES**2, rtol=1e-12)


def test_leading_modes_change_where_two_exponentials_cross():
    """On (0, pi) phi_1 and phi_2 hold a_1^2 e^{-2t} and 4 a_2^2 e^{-8t} of the norm: cross at ln(2 a_2 / a_1) / 3."""
    t = np.linspace(0, 2, 2001)
    amplitudes = np.stack(
        [np.full_like(t, 9.0), 0.1 * np.exp(-t), np.exp(-4 * t)], axis=1
    )  # that of phi_0 counts for none
    first, second = leading_modes(t, amplitudes, np.array([0.0, 1.0, 4.0]))
    assert (first["k"], first["from"], second["k"], second["to"]) == (2, 0.0, 1, 2.0)
    assert first["to"] == second["from"] == pytest.approx(np.log(20) / 3, abs=1e-3)


def test_one_mode_leads_all_the_time():
    assert leading_modes(np.array([0.0, 1.0]), np.array([[0.0, 1.0]] * 2), np.array([0.0, 1.0])) == [
        {"k": 1, "from": 0.0, "to": 1.0}
    ]


@pytest.mark.parametrize("amplitudes", [[1.0, 1e200], [1e160, 1.0], [np.inf, 1.0], [np.nan, 1.0]])
def test_a_solution_that_is_not_finite_is_refused(amplitudes):
    """`max(drift, nan)` is the drift: it must not be taken for a small one."""
    with pytest.raises(UserError), np.errstate(all="ignore"):
        figure_7(L, cells=32, dt=0.01, t_end=0.1, amplitudes=amplitudes)


@pytest.mark.parametrize("times", [[0.0, 0.0011, 0.1999, 0.2222], [0.3], [0.1, 0.1]])
def test_figure_7_has_the_times_asked_for_among_its_own(times):
    """Of 3000 steps every third is kept, and those."""
    arrays, _ = figure_7(L, cells=16, dt=1e-4, t_end=0.3, amplitudes=[0.5, 0.8], profile_times=times)
    assert np.array_equal(arrays["profile_times"], times) and np.all(np.diff(arrays["t"]) > 0)
    assert all(np.abs(arrays["t"] - time).min() < 1e-12 for time in times)


def test_a_very_fine_grid_is_kept_at_fewer_times(monkeypatch):
    monkeypatch.setattr(pde, "MOST_VALUES", 16 * 100)
    arrays, run = figure_7(L, cells=16, dt=1e-3, t_end=1.0, amplitudes=[0.5, 0.8])
    assert len(arrays["t"]) == 101 and run["steps"] == 1000
    rate = eigenvalue(2, L) - eigenvalue(1, L)
    assert growth_rate(2, 1, Grid(L, 16), 1e-4) == pytest.approx(rate, rel=0.05)
