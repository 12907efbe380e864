# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3. Diffusion that keeps its gradient
#
# Section 7 of Higham, Higham and Grindrod, *Diffusion Models for Generative Artificial
# Intelligence: An Introduction for Applied Mathematicians*. Numbers in brackets, such as (22), are
# the paper's equations.
#
# The heat equation forgets: whatever it starts from, in the end all is flat. The paper asks what
# happens if the solution is rescaled all the time so that the norm of its gradient stays what it
# was. There is a surprise in it: this nonlinear, nonlocal equation can be solved exactly, and yet
# it must not be computed as it is written.
#
# Run the cells from top to bottom (Shift-Enter); all together take less than a minute. Then change
# a number, and run again.

# %%
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


# %%
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

# %% [markdown]
# ## The heat equation forgets
#
# On the interval $(0, L)$ with no flux through the ends, $-\varphi'' = \lambda\varphi$ has the
# solutions $\varphi_k(x) = \sqrt{2/L}\,\cos(k\pi x/L)$, $k \ge 1$, and the constant $\varphi_0$,
# with $\lambda_k = (k\pi/L)^2$. They are orthonormal. The heat equation $v_t = v_{xx}$ multiplies
# each of its modes by $e^{-\lambda_k t}$, and so
#
# $$\int v_x^2\,dx = \sum_k \lambda_k a_k^2\, e^{-2\lambda_k t}$$
#
# goes to 0. We start near $\varphi_6$, with traces of the lower modes; they will matter.

# %%
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

# %% [markdown]
# ## Rescaled all the time
#
# The paper's equation is (20) with the condition (21):
#
# $$u_t = u_{xx} + \mu(t)\,u, \qquad \int u_x^2\,dx = C \ \text{ for all } t,$$
#
# with no flux through the ends, $u_0$ of zero mean (the paper does not ask for it; exercise 3 shows
# why it must), and $C$ that of $u_0$. What must $\mu$ be? Differentiate (21), and integrate by
# parts twice; the boundary terms vanish:
#
# $$0 = \tfrac12\tfrac{d}{dt}\int u_x^2 = -\int u_{xx}\,u_t = -\int u_{xx}^2 + \mu\int u_x^2,
# \qquad\text{so}\qquad \mu(t) = \frac1C\int u_{xx}^2\,dx,$$
#
# and (20) becomes (22). It is nonlinear and nonlocal. But try $u = c(t)\,v$ with $v$ the solution
# of the *heat* equation from $u_0$: then $u_t = u_{xx} + (c'/c)\,u$, which is (20) with
# $\mu = c'/c$. And (21) says what $c$ must be:
#
# $$u(x, t) = \sqrt{C}\;\frac{v(x, t)}{\bigl(\int v_x^2\,dx\bigr)^{1/2}}.$$
#
# So the nonlinear equation is the heat equation looked at through a magnifying glass whose power
# grows as fast as the solution fades. The solver does the same: a step of the heat equation (an
# approximation of $e^{-\Delta t\,\lambda}$ that needs only tridiagonal systems), then the
# rescaling.

# %%
show(Stepper.__call__)

# %%
solution = solve(u_0, grid, dt, steps=300)
magnified = heat(0.3) * np.sqrt(grid.gradient_norm(u_0) / grid.gradient_norm(heat(0.3)))
print(
    f"heat equation, magnified at the end, against the solver: {l2_error(solution.u[-1], magnified, grid):.1e}"
)
print(
    f"drift of (21) over all steps: {solution.norm_drift:.0e}; of the mean: {solution.mean_drift:.0e}"
)

# %% [markdown]
# ## The cascade
#
# In the amplitudes $a_k = \langle u, \varphi_k\rangle$ the equation reads
# $a_k' = (\mu - \lambda_k)\,a_k$, where $\mu$ lies between the smallest and the largest $\lambda_k$
# present. While $\varphi_6$ rules, $\mu \approx \lambda_6 = 36$, and every lower mode grows,
# $\varphi_5$ as $e^{(36 - 25)t}$. When it has become large, *it* rules, and so on, down to
# $\varphi_1$. This is figure 7.


# %%
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

# %% [markdown]
# The multiplier $\mu(t)$ shows the same as a staircase, from one square to the next. On each step
# the solution is nearly at rest: it is near a steady state.

# %%
show(multiplier)

# %%
figure = plots.new_figure(2.0, width=4.5)
ax = figure.subplots()
ax.plot(solution.t, solution.mu, "k")
ax.set(xlabel="$t$", ylabel=r"$\mu(t)$", yticks=k**2, xlim=(0, 4))
ax.grid(axis="y", color="0.9")
figure

# %% [markdown]
# ## The exact solution, and how well the solver does
#
# Because $u$ is a rescaled heat solution, its amplitudes at any time are known, with no step in
# between.

# %%
show(exact_amplitudes)


# %%
def table(name, errors):
    """Errors by the numbers of cells or steps, and by what each divides the one before."""
    rows = pd.DataFrame({"error at t = 0.3": errors}).rename_axis(name)
    rows["divided by"] = rows.shift() / rows
    return rows


errors = {}
for N in (50, 100, 200, 400):
    cells = Grid(L, N)
    end = solve(combination(amplitudes, cells.x, L), cells, 5e-5, 6000).u[-1]
    errors[N] = l2_error(end, exact_solution(amplitudes, cells.x, 0.3, L), cells)
table("cells", errors)

# %% [markdown]
# The time steps have an error of their own. To see it alone, the next table compares with the exact
# solution of the equations on the 400 cells, where $\lambda_k$ is
# $\frac{4}{h^2}\sin^2\frac{k\pi h}{2L}$.

# %%
on_the_cells = exact_semidiscrete(u_0, grid, 0.3)
steps = (40, 80, 160, 320)
table(
    "steps",
    {n: l2_error(solve(u_0, grid, 0.3 / n, n).u[-1], on_the_cells, grid) for n in steps},
)

# %% [markdown]
# Half the width of the cells divides the error by four, and half the time step comes near to it:
# both are of second order.
#
# ## Why one must not compute it as it is written
#
# (22) has the constant $C$ in it: $\mu = \frac1C\int u_{xx}^2$. Suppose that $G(t) = \int u_x^2$ is
# not exactly $C$, by a rounding error, say. The same integration by parts gives
#
# $$\tfrac{d}{dt}\,(G - C) = 2\mu\,(G - C):$$
#
# the error grows as $\exp(2\int\mu\,dt)$, here at first as $e^{72 t}$. This is a property of the
# *equation*: no time step, however small, helps. We integrate $a_k' = (\mu - \lambda_k)\,a_k$ with
# $\mu = \frac1C\sum\lambda_k^2 a_k^2$ as accurately as floating-point numbers allow, from a $u_0$
# whose norm is wrong by $\pm 10^{-8}$, or not at all.


# %%
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

# %% [markdown]
# Too large a norm by a hundred-millionth, and the solution is infinite soon after $t = 0.28$; too
# small, and it dies out. (Since $\mu \ge \lambda_1 G / C$, a $G$ above $C$ does become infinite in
# finite time.) Even from an exact start, rounding errors are enough a little later. A second
# direction is just as unstable: a mean that is not zero grows as $\exp(\int\mu\,dt)$ (exercise 3).
#
# The cure is in what was said above: the solver never uses $\mu$. It restores the norm to $C$ and
# the mean to 0 in every step.
#
# ## Steady states, and the rates (23)
#
# If $u$ is a multiple of $\varphi_k$, then $\mu = \lambda_k$ and $u_t = 0$. With (21), the steady
# states are $u_k = \pm\sqrt{C/\lambda_k}\,\varphi_k$, $k \ge 1$. Near one, put
# $u = u_k + \epsilon\,w$. To first order in $\epsilon$, (23) says that the part of $w$ along
# $\varphi_j$, $j \ne k$, grows as $e^{(\lambda_k - \lambda_j)\,t}$. So $u_k$ is stable against all
# higher modes, and unstable against all lower ones. The measurement below disturbs $u_k$ by
# $10^{-6}\varphi_j$, runs the solver, and fits a slope.

# %%
show(growth_rate)

# %%
fine = Grid(L, 200)
rows = [
    {
        "k": k,
        "j": j,
        "by (23)": eigenvalue(k, L) - eigenvalue(j, L),
        "measured": growth_rate(k, j, fine, 1e-4),
    }
    for k, j in ((1, 2), (2, 1), (2, 3), (3, 1), (3, 2), (3, 5), (4, 1))
]
pd.DataFrame(rows).set_index(["k", "j"]).round(3)

# %% [markdown]
# ## An initial condition of your own
#
# Any function will do, even one with jumps: the solver takes out its mean. Where does yours go,
# through which modes, and how long does it take?


# %%
def own(x):
    """Change this."""
    return np.cos(5 * x) + 0.001 * np.where(x < 1, 1.0, 0.0)


figure, solution = follow(own(grid.x), 1.0, [0, 0.1, 0.2, 0.3, 0.5, 1.0])
figure

# %%
for reign in leading_modes(
    solution.t, grid.amplitudes(solution.u)[:, :50], grid.eigenvalues[:50]
):
    print(
        f"phi_{reign['k']} has the largest share of the norm (21) from t = {reign['from']:.3f} to {reign['to']:.3f}"
    )

# %% [markdown]
# ## Exercises
#
# Solutions: `3_solutions`. In each grade, the later exercises are the longer ones.
#
# ### First grade: change a function
#
# **1.** The limit is $u_1$ or $-u_1$. Which? Say it for `own` before you look, and find a step
# function that goes to the other.
#
# <details><summary>Hint</summary>
#
# In $a_1' = (\mu - \lambda_1)\,a_1$ the sign of $a_1$ cannot change. So it is that of
# $\langle u_0, \varphi_1\rangle$, and $\varphi_1$ is positive on the left half.
#
# </details>
#
# **2.** Start from $u_0 = (x - \pi/2)^2$. Which steady state is the limit? Follow the *computed*
# solution until $t = 20$. What do you see, and why?
#
# <details><summary>Hint</summary>
#
# $u_0$ is symmetric about the middle, and $\varphi_1, \varphi_3, \dots$ are antisymmetric. But
# floating-point numbers are symmetric to $10^{-16}$ only, and by (23) a trace of $\varphi_1$ grows
# near $u_2$ as $e^{3t}$. When does $10^{-16}\,e^{3t}$ reach 1?
#
# </details>
#
# ### Second grade: a formula and a picture
#
# **3.** *The constant mode.* The paper's sentence "over a long time the solution must decay to the
# first eigenmode" needs zero mean. Let $m(t)$ be the mean of a solution of (22). Show that
# $m' = \mu\,m$. Start from $u_0 = u_1 + 10^{-3}$ with $C = 1$, and integrate `as_written` with the
# constant as a sixth mode of eigenvalue 0. How does the mean grow, and what happens to the norm
# (21)? Near $u_k$, which is the fastest growing of all modes?
#
# <details><summary>Hint</summary>
#
# Integrate (20) over the interval; without flux, the integral of $u_{xx}$ is 0. For the numbers:
# eigenvalues $0, 1, 4, \dots$, amplitudes $10^{-3}\sqrt{\pi}, 1, 0, \dots$, and `solve_ivp` up to
# $t = 8$. A constant has no gradient, so it does not change (21).
#
# </details>
#
# **4.** *When does the next mode take over?* By the exact solution, the share of $\varphi_k$ in the
# norm (21) is proportional to $\lambda_k a_k^2 e^{-2\lambda_k t}$, with $a_k$ the amplitudes of
# $u_0$. Compute the time at which $\varphi_{k-1}$ overtakes $\varphi_k$, for $k = 6, \dots, 2$, and
# compare with `leading_modes` for the cascade above.
#
# <details><summary>Hint</summary>
#
# Set the two shares equal:
# $t = \dfrac{\log(\lambda_k a_k^2) - \log(\lambda_{k-1} a_{k-1}^2)}{2\,(\lambda_k - \lambda_{k-1})}$.
#
# </details>
#
# ### Third grade: a small investigation
#
# **5.** *Backwards.* At the end of section 7 the paper asks whether such a process can be run in
# reverse. Take the step function $u_0 = 1$ for $x < 1$, $0$ elsewhere, less its mean, and the heat
# equation's solution $v$ at $t = 0.01$. Add independent noise, a thousandth of the largest value,
# to each cell. Multiply the first $K$ amplitudes by $e^{+\lambda_k t}$ and drop the others. Draw
# the error against $u_0$ for $K = 1, \dots, 40$. Why is there a best $K$? How does it depend on $t$
# and on the noise? At last rescale the result to the $C$ of $u_0$, which (21) has kept. Does that
# help?
#
# <details><summary>Hint</summary>
#
# `grid.amplitudes` and `grid.from_amplitudes` go to the modes and back, and `grid.eigenvalues` are
# the $\lambda_k$ on the grid. The noise in mode $k$ is multiplied by $e^{\lambda_k t}$ too. Which
# modes hold the $C$ of a jump?
#
# </details>
#
# **6.** *What is kept?* The paper calls the norm of the gradient "the total variation". Compute the
# total variation $\int |u_x|\,dx$ along the cascade. Is it kept? At the steady states? Then keep
# another norm, $\int u^2$: derive its $\mu$, and its steady states, and the rate of $\varphi_j$
# near each of them. What changes in the cascade?
#
# <details><summary>Hint</summary>
#
# `np.abs(np.diff(u)).sum()` is the total variation of values on a grid. With $\int u^2$ kept,
# $\mu = \int u_x^2 / \int u^2$; the solution is again a rescaled heat solution, with another scale.
#
# </details>
