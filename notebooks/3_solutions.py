# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions of notebook 3, diffusion that keeps its gradient
#
# The first cells repeat what is needed of the notebook.

# %% tags=["repeated"]
import inspect
import os
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

# This notebook works in a clone or an unpacked ZIP of the repository, in any folder of it, beside it, or after
# `%pip install` of the ZIP.
here = Path.cwd()
ROOT = next(
    (
        p
        for p in (here, *here.parents, *here.glob("*/"))
        if (p / "workflow/scripts/diffusion").is_dir()
    ),
    None,
)
if ROOT:
    sys.path.insert(0, str(ROOT / "workflow/scripts"))
elif not find_spec("diffusion"):
    raise ModuleNotFoundError(
        "the repository of this notebook is not here: unpack its ZIP beside the notebook, or run "
        "`%pip install NAME.zip` with that ZIP, and run this cell again"
    )
os.environ.pop(
    "MPLBACKEND", None
)  # pictures appear in the notebook, whatever other programs are told
# %matplotlib inline
from IPython.display import Markdown


def show(function):
    """The source of a function, as the repository has it."""
    return Markdown(f"```python\n{textwrap.dedent(inspect.getsource(function))}```")


# %% tags=["repeated"]
import numpy as np
import pandas as pd
from scipy.integrate import solve_ivp

from diffusion.pde import (
    Grid,
    Stepper,
    combination,
    eigenvalue,
    exact_amplitudes,
    exact_semidiscrete,
    exact_solution,
    growth_rate,
    l2_error,
    leading_modes,
    multiplier,
    solve,
)
from publishing import plots

L = np.pi  # on (0, pi) the eigenvalues are the squares 0, 1, 4, 9, ...
grid = Grid(L, 400)
dt = 1e-3

# %% tags=["repeated"]
amplitudes = np.array([4e-11, 2.5e-8, 1.4e-5, 2.9e-3, 0.13, 1.0])  # of phi_1, ..., phi_6
k = np.arange(1, 7)
u_0 = combination(amplitudes, grid.x, L)


def heat(t):
    """The heat equation's solution at a time t."""
    return combination(amplitudes * np.exp(-eigenvalue(k, L) * t), grid.x, L)


times = np.linspace(0, 0.3, 61)
figure = plots.new_figure(2.3)
left, right = figure.subplots(1, 2)
for t, colour in zip((0, 0.01, 0.03, 0.1), ("0", "0.35", "0.55", "0.75"), strict=True):
    left.plot(grid.x, heat(t), color=colour, label=f"$t = {t}$")
left.set(xlabel="$x$", title="the heat equation's solution $v$", xlim=(0, L), ylim=(-1.8, 1))
left.legend(frameon=False, ncols=2, loc="lower center")
right.semilogy(times, [grid.gradient_norm(heat(t)) for t in times], "k")
right.set(xlabel="$t$", title=r"$\int v_x^2\,dx$")
figure


# %% tags=["repeated"]
def follow(u_0, t_end, profile_times=()):
    """The solution from u_0, drawn as in figure 7, and itself."""
    solution = solve(
        u_0, grid, dt, round(t_end / dt), save_every=max(1, round(t_end / dt / 1000))
    )
    data = {"x": grid.x, "t": solution.t, "u": solution.u, "profile_times": profile_times}
    data |= {
        "amplitudes": grid.amplitudes(solution.u)[:, :7],
        "eigenvalues": grid.eigenvalues[:7],
    }
    return plots.norm_preserving_pde(data), solution


figure, solution = follow(u_0, 4.0, [0, 0.3, 0.6, 1.1, 1.9, 4.0])
figure


# %% tags=["repeated"]
def as_written(t, a, eigenvalues, C):
    """(22) in the amplitudes, with the C of the initial condition."""
    mu = np.sum(eigenvalues**2 * a**2) / C
    return (mu - eigenvalues) * a


def norm_is_tenfold(t, a, eigenvalues, C):
    return np.sum(eigenvalues * a**2) - 10 * C


norm_is_tenfold.terminal = True
rates = eigenvalue(k, L)
C = np.sum(rates * amplitudes**2)
magnification = np.array(
    [C / np.sum(rates * amplitudes**2 * np.exp(-2 * rates * t)) for t in times]
)  # exp(2 int mu)

figure = plots.new_figure(2.7, width=4.8)
ax = figure.subplots()
for error, style in ((1e-8, "k-"), (-1e-8, "k:"), (0.0, "#1f5fa8")):
    run = solve_ivp(
        as_written, (0, 1), amplitudes * np.sqrt(1 + error), "DOP853", args=(rates, C), rtol=1e-13, atol=1e-30,
        events=norm_is_tenfold, max_step=0.005,
    )  # fmt: skip
    drift = (rates[:, None] * run.y**2).sum(axis=0) / C - 1
    end = f"blows up at $t = {run.t[-1]:.2f}$" if drift[-1] > 1 else "dies out"
    ax.semilogy(
        run.t,
        np.abs(drift) + 1e-17,
        style,
        label=f"{error:+.0e} at the start: {end}" if error else f"exact start: {end}",
    )
ax.semilogy(
    times,
    1e-8 * magnification,
    color="0.7",
    linewidth=4,
    zorder=0,
    label=r"$10^{-8}\,\exp(2\int\mu\,dt)$",
)
ax.set(xlabel="$t$", ylabel="$|G - C|\\,/\\,C$", ylim=(1e-17, 20), xlim=(0, 0.8))
ax.legend(frameon=False, fontsize=7, loc="lower right")
figure


# %%
from diffusion.pde import steady_state

# %% [markdown]
# ## Exercise 1
#
# The limit has the sign of $a_1 = \langle u_0, \varphi_1\rangle$. For a function that is larger on
# the left than on the right it is positive, so that the limit is $u_1$. For `own` of the notebook,
# $\cos 5x$ is orthogonal to $\varphi_1$, and the step decides: positive. The step the other way
# round goes to $-u_1$.

# %%
for name, u_0 in {
    "own": np.cos(5 * grid.x) + 0.001 * (grid.x < 1),
    "x > 1": 1.0 * (grid.x > 1),
}.items():
    end = solve(u_0, grid, dt, 3000)
    print(
        f"{name}: a_1 = {grid.amplitudes(u_0)[1]:+.1e}; at t = 3 the left end is {end.u[-1][0]:+.2f}"
    )

# %% [markdown]
# ## Exercise 2
#
# By symmetry $a_1 = a_3 = \dots = 0$, and the mode with the slowest decay that is present is
# $\varphi_2$: the exact solution tends to $u_2$. The computed one is near $u_2$ for a long time,
# while the rounding errors in $a_1$ grow as $e^{3t}$. A trace of $10^{-16}$ would reach 1 at
# $t = \frac{16 \log 10}{3} = 12.3$. The picture has the change at $t = 10.7$, as from a trace of
# $e^{-3 \cdot 10.7} \approx 10^{-14}$: the errors of many cells and steps.

# %%
figure, solution = follow((grid.x - np.pi / 2) ** 2, 20.0, [0, 1, 10, 15, 20])
figure

# %% [markdown]
# ## Exercise 3
#
# The integral of (20) over the interval, with no flux through its ends, is
# $\frac{d}{dt}\int u = \mu\int u$, so that $m' = \mu\,m$. The constant is the lowest mode,
# $\lambda_0 = 0$. So it is the fastest growing near *every* steady state, with rate
# $\lambda_k - 0 = \mu$, and near $u_1$ it grows as $e^t$. It does not change (21), and nothing
# stops it.

# %%
squares = np.arange(6) ** 2
start = np.array([1e-3 * np.sqrt(np.pi), 1, 0, 0, 0, 0])
run = solve_ivp(
    as_written, (0, 8), start, "DOP853", args=(squares, 1.0), rtol=1e-12, atol=1e-30
)
mean = run.y[0] / np.sqrt(np.pi)

figure = plots.new_figure(2.2, width=4.2)
ax = figure.subplots()
ax.semilogy(run.t, mean, "k", label="mean")
ax.semilogy(
    run.t, 1e-3 * np.exp(run.t), color="0.7", linewidth=4, zorder=0, label="$10^{-3}\\,e^t$"
)
ax.semilogy(run.t, run.y[1], "k--", label="amplitude of $\\varphi_1$")
ax.set(xlabel="$t$")
ax.legend(frameon=False)
print(f"the norm (21) stays 1 to {np.abs((squares[:, None] * run.y**2).sum(0) - 1).max():.0e}")
figure

# %% [markdown]
# So the paper's sentence needs the zero mean that it asks of $u_0$ nowhere; with a mean, the
# solution becomes a large constant with a ripple $u_1$ on it.
#
# ## Exercise 4

# %%
shares = eigenvalue(k, L) * amplitudes**2
_, cascade = follow(combination(amplitudes, grid.x, L), 4.0)
reigns = leading_modes(cascade.t, grid.amplitudes(cascade.u)[:, :7], grid.eigenvalues[:7])
seen = {reign["k"]: reign["from"] for reign in reigns}
rows = []
for above in range(6, 1, -1):
    ratio = shares[above - 1] / shares[above - 2]
    predicted = np.log(ratio) / (2 * (eigenvalue(above, L) - eigenvalue(above - 1, L)))
    rows.append({"takes over": above - 1, "predicted": predicted, "seen": seen[above - 1]})
pd.DataFrame(rows).set_index("takes over").round(3)

# %% [markdown]
# The two agree to the time step and the error of the cells. The scaling by $C$ plays no part: it is
# the same for all modes.
#
# ## Exercise 5
#
# After the time $t$ mode $k$ has been damped by $e^{-\lambda_k t}$. Where that takes the amplitude
# of $u_0$ below the noise, multiplying by $e^{+\lambda_k t}$ brings back mostly noise. With too few
# modes the jump is missing, with too many the noise explodes.

# %%
u_0 = 1.0 * (grid.x < 1)
u_0 -= u_0.mean()
modes = np.arange(1, 41)
random = np.random.default_rng(1)


def heat_from(u_0, t):
    """The heat equation's solution on the grid, a time t after u_0."""
    return grid.from_amplitudes(grid.amplitudes(u_0) * np.exp(-grid.eigenvalues * t))


def back(v, t, K):
    """An estimate of u_0 from v at the time t, by the modes 1..K."""
    a = np.zeros(grid.N)
    a[1 : K + 1] = grid.amplitudes(v)[1 : K + 1] * np.exp(grid.eigenvalues[1 : K + 1] * t)
    return grid.from_amplitudes(a)


figure = plots.new_figure(2.5)
left, right = figure.subplots(1, 2)
for t, noise, style in ((0.01, 1e-3, "k-"), (0.01, 1e-6, "k--"), (0.05, 1e-3, "k:")):
    v = heat_from(u_0, t)
    v = v + noise * np.abs(v).max() * random.standard_normal(grid.N)
    errors = [l2_error(back(v, t, K), u_0, grid) for K in modes]
    best = modes[np.argmin(errors)]
    estimate = back(v, t, best)
    rescaled = estimate * np.sqrt(grid.gradient_norm(u_0) / grid.gradient_norm(estimate))
    left.semilogy(
        modes, errors, style, label=f"$t = {t}$, noise $10^{{{np.log10(noise):.0f}}}$"
    )
    right.plot(grid.x, estimate, style, linewidth=1)
    print(
        f"t = {t}, noise {noise:.0e}: best K = {best}, error {min(errors):.2f}; "
        f"rescaled to C {l2_error(rescaled, u_0, grid):.2f}; "
        f"sqrt(log(1/noise) / t) = {np.sqrt(-np.log(noise) / t):.0f}"
    )
left.set(xlabel="$K$", title="relative error of $u_0$", ylim=(0.05, 10))
left.legend(frameon=False, fontsize=7, loc="upper left")
right.set(xlabel="$x$", title="$u_0$ from the best $K$ modes")
figure

# %% [markdown]
# The best $K$ is about $\sqrt{\log(1/\text{noise})/t}$, where $e^{-K^2 t}$ is the size of the
# noise. Noise of $10^{-6}$ in place of $10^{-3}$, a thousand times less, gives only 40% more modes.
#
# To rescale to $C$ makes it worse. The $C$ of a jump is nearly all in the high modes, which are
# lost, and to scale the others up to all of it makes $u$ too large. (On ever finer grids the $C$ of
# a jump has no bound.) So the kept norm is no help where it would be needed most.
#
# ## Exercise 6

# %%
tv = np.abs(np.diff(cascade.u, axis=1)).sum(axis=1)
at_rest = [np.abs(np.diff(steady_state(j, grid.x, L, cascade.C))).sum() for j in range(1, 7)]
print("total variation at rest:", np.round(at_rest, 3))
print(f"along the cascade: between {tv.min():.3f} and {tv.max():.3f}")

# %% [markdown]
# It is the same at all steady states: $u_k$ runs $k$ times between $\pm\sqrt{2C/(L\lambda_k)}$, and
# $k/\sqrt{\lambda_k} = L/\pi$. Between them it is not kept, since by (21) only the integral of the
# *square* of $u_x$ is.
#
# With $\int u^2 = K$ kept, $0 = \int u\,u_t = -\int u_x^2 + \mu\int u^2$, so
# $\mu = \int u_x^2 / \int u^2$. In the amplitudes it is again $a_j' = (\mu - \lambda_j)\,a_j$, so
# the steady states are the multiples of one $\varphi_k$ again, now $\pm\sqrt{K}\,\varphi_k$, and
# near them $\mu = \lambda_k$ to first order: the rates are $\lambda_k - \lambda_j$ as before. The
# ratios $a_j/a_k$ are the same functions of time, since the solution is the same heat solution with
# another scale. What changes is when a mode has the largest share: without the factor $\lambda_k$
# in the shares, the lower one takes over earlier.

# %%
for above in range(6, 1, -1):
    gap = 2 * (eigenvalue(above, L) - eigenvalue(above - 1, L))
    ratio = (amplitudes[above - 1] / amplitudes[above - 2]) ** 2
    factor = eigenvalue(above, L) / eigenvalue(above - 1, L)
    print(
        f"phi_{above - 1} takes over at {np.log(ratio) / gap:.3f}, and by (21) at {np.log(ratio * factor) / gap:.3f}"
    )

# %% [markdown]
# One more thing changes: with this norm the constant is a steady state too, and a mean ends the
# story: $a_0' = \mu\,a_0$ grows until all of the norm is in it.
