# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions of notebook 1, forwards and backwards
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
from dataclasses import dataclass

import numpy as np
import torch
from IPython.display import display
from ipywidgets import interact
from scipy.stats import norm

from diffusion.backward import (
    denoising_mean,
    denoising_step,
    posterior_mean,
    posterior_variance,
)
from diffusion.forward import VarianceSchedule, forward_leap, forward_process, forward_step
from diffusion.sampling import backward_process
from diffusion.sde import GaussianData
from publishing import plots

SEED = 1  # another seed, other random numbers
T = 500
schedule = VarianceSchedule.linear(T, beta_1=1e-4, beta_T=0.02)  # the paper's


# %% tags=["repeated"]
@dataclass
class Mixture:
    """Points of the plane from K Gaussians: means (K, 2), weights (K,), all of one variance."""

    means: torch.Tensor
    weights: torch.Tensor
    variance: float

    def draw(self, n, source):
        """n of its points, (n, 2)."""
        k = torch.multinomial(self.weights, n, replacement=True, generator=source)
        return self.means[k] + self.variance**0.5 * torch.randn((n, 2), generator=source)

    def log_joint(self, x, alpha_bar):
        """log(w_k p(x_t = x | component k)) for points x, (n, 2), up to a constant: (n, K)."""
        squares = (x[:, None] - alpha_bar**0.5 * self.means).square().sum(dim=2)
        return self.weights.log() - squares / (2 * (alpha_bar * self.variance + 1 - alpha_bar))

    def noise(self, schedule):
        """The best eps_theta: a function of points x_t = x, (n, 2), and a step t."""

        def exact_noise(x, t):
            alpha_bar = float(schedule.alpha_bar[t])
            probability = self.log_joint(x, alpha_bar).softmax(dim=1)  # r_k(x), (n, K)
            each = [GaussianData(m, self.variance).noise(x, alpha_bar) for m in self.means]
            return (probability[:, :, None] * torch.stack(each, dim=1)).sum(dim=1)

        return exact_noise


# %% tags=["repeated"]
def describe(points, mixture):
    """The share of the points nearest to each mean, and their variance about it."""
    squares = (points[:, None] - mixture.means).square().sum(2)
    shares = torch.bincount(squares.argmin(1), minlength=len(mixture.means)) / len(points)
    return f"shares {', '.join(f'{share:.3f}' for share in shares)}, variance {squares.amin(1).mean() / 2:.4f}"


# %% tags=["repeated"]
def backward_with(deviation, mixture, source, n=3000):
    """Algorithm 2 with the exact noise, and with deviation(t) in place of sigma_t: x_0, (n, 2)."""
    exact_noise = mixture.noise(schedule)
    x = torch.randn((n, 2), generator=source)
    for t in range(T, 0, -1):
        x = denoising_mean(x, exact_noise(x, t), t, schedule)
        x = x + deviation(t) * torch.randn(x.shape, generator=source)
    return x


def sigma(t):
    """sigma_t of (15)."""
    return posterior_variance(t, schedule).item() ** 0.5


def never_zero(t):
    """The same, but sqrt(beta_1) at t = 1."""
    return sigma(t) if t > 1 else schedule.beta[1].item() ** 0.5


# %%
from scipy.optimize import brentq

source = torch.Generator().manual_seed(SEED)
means = torch.tensor([[-1.5, -0.9], [1.5, -0.9], [0.0, 1.6]])
weights = torch.tensor([0.5, 0.3, 0.2])
mixture = Mixture(means, weights, variance=0.02)

# %% [markdown]
# ## Exercise 1
#
# What is left is $\sqrt{\bar\alpha_T}$, which falls as $\beta_T$ or $T$ grows. Since
# $\log\bar\alpha_T = \sum\log(1 - \beta_t) \approx -\sum\beta_t = -T(\beta_1 + \beta_T)/2$, one
# expects $T(\beta_1 + \beta_T) \approx 4\log 100 = 18.4$ in place of the paper's 10.


# %%
def left(T, beta_T):
    """The share of the amplitude of x_0 that is left at T."""
    return VarianceSchedule.linear(T, 1e-4, beta_T).alpha_bar[T].sqrt().item()


beta_T = brentq(lambda beta_T: left(500, beta_T) - 0.01, 0.02, 0.1)
longer = next(T for T in range(500, 2000) if left(T, 0.02) <= 0.01)
print(f"beta_T = {beta_T:.4f} with T = 500, or T = {longer} with beta_T = 0.02")

# %% [markdown]
# ## Exercise 2
#
# $x_{t-1}$ and $\varepsilon_t$ are independent, so by (4)
# $\mathrm{Var}\,x_t = \alpha_t\,\mathrm{Var}\,x_{t-1} + (1 - \alpha_t)$. If
# $\mathrm{Var}\,x_{t-1} = 1$, this is 1: by induction the variance is 1 at all $t$. (This is why
# the two factors in (2) are chosen as they are.) The mean stays 0.

# %%
x_0 = 3**0.5 * (2 * torch.rand((20_000, 1), generator=source) - 1)
eps = {t: torch.randn(x_0.shape, generator=source) for t in range(1, T + 1)}
for t, x in forward_process(x_0, schedule, eps.get):
    if t % 100 == 0:
        print(f"t = {t:3}: variance {x.var():.3f}")

# %% [markdown]
# ## Exercise 3
#
# By (8), $\bar\varepsilon_t = (x_t - \sqrt{\bar\alpha_t}\,x_0) / \sqrt{1 - \bar\alpha_t}$, so its
# conditional mean follows from that of $x_0$. By Bayes' rule and (9), the two values of $x_0$ have,
# given $x_t = x$, probabilities in the ratio
#
# $$\frac{P(x_0 = 1)}{P(x_0 = -1)} =
# \exp\frac{(x + \sqrt{\bar\alpha_t})^2 - (x - \sqrt{\bar\alpha_t})^2}{2(1 - \bar\alpha_t)}
# = \exp\frac{2\sqrt{\bar\alpha_t}\,x}{1 - \bar\alpha_t} = e^{2y},$$
#
# and $\mathrm E[x_0 \mid x_t] = (e^{2y} - 1)/(e^{2y} + 1) = \tanh y$ with
# $y = \sqrt{\bar\alpha_t}\,x/(1 - \bar\alpha_t)$.
#
# The slope at $x = 0$ has the sign of $1 - \bar\alpha_t/(1 - \bar\alpha_t)$: negative as long as
# $\bar\alpha_t > \frac12$. Then a point a little to the right of 0 is believed to have come from 1
# by a *negative* noise, and the denoising step moves it on to the right: the two values repel. When
# $\bar\alpha_t < \frac12$, the prediction is monotone, and both sides are drawn to the centre.

# %%
figure = plots.new_figure(2.4, width=4.2)
ax = figure.subplots()
x = torch.linspace(-2.5, 2.5, 401)
for t, style in ((20, "k-"), (100, "k--"), (500, "k:")):
    ab = schedule.alpha_bar[t].item()
    exact = (x - ab**0.5 * torch.tanh(ab**0.5 * x / (1 - ab))) / (1 - ab) ** 0.5
    ax.plot(x, exact, style, label=f"$t = {t}$")
ax.set(xlabel="$x_t$", ylabel=r"$\mathrm{E}[\bar\varepsilon_t \mid x_t]$", ylim=(-6, 6))
ax.legend(frameon=False)
last = int((schedule.alpha_bar > 0.5).sum()) - 1
print(f"alpha_bar_t > 1/2 until t = {last}")
figure

# %% [markdown]
# ## Exercise 4
#
# Without noise in the steps, nearly all points end at the heaviest component, and nearly at its
# mean: the noise of the steps is what carries points to the others. With twice the standard
# deviation the variance is four times $v$, and the weights are less unequal than they should be.
# Between $\sigma_t$ and $\sqrt{\beta_t}$ the eye sees no difference, since they differ only where
# $t$ is small: $\sigma_t^2 / \beta_t = (1 - \bar\alpha_{t-1})/(1 - \bar\alpha_t)$.

# %%
choices = {
    "$0$": lambda t: 0.0,
    r"$\sigma_t$": sigma,
    r"$\sqrt{\beta_t}$": lambda t: schedule.beta[t].item() ** 0.5,
    r"$2\sqrt{\beta_t}$": lambda t: 2 * schedule.beta[t].item() ** 0.5,
}
figure = plots.new_figure(2.0)
for ax, (name, deviation) in zip(
    figure.subplots(1, 4, sharey=True), choices.items(), strict=True
):
    x = backward_with(deviation, mixture, torch.Generator().manual_seed(SEED))
    ax.scatter(*x[:1500].T, s=2, color="black", alpha=0.35, linewidths=0)
    ax.set(title=name, xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal")
    print(f"{name:18} {describe(x, mixture)}")
figure

# %% [markdown]
# For one Gaussian, (19) with the exact noise is $x_{t-1} = a_t x_t + {}$constant${} + \sigma_t z$,
# hence the recursion. The simulation has 3000 points in two dimensions, so its variances are
# accurate to about 2%.


# %%
def recursion(deviation, v):
    """V_0, from V_T = 1, for data of variance v."""
    V = 1.0
    for t in range(T, 0, -1):
        alpha, ab = schedule.alpha[t].item(), schedule.alpha_bar[t].item()
        a = (1 - (1 - alpha) / (ab * v + 1 - ab)) / alpha**0.5
        V = a**2 * V + deviation(t) ** 2
    return V


one = Mixture(torch.zeros((1, 2)), torch.ones(1), variance=0.02)
print("v = 0.02              recursion  simulation")
for name, deviation in choices.items():
    x = backward_with(deviation, one, torch.Generator().manual_seed(SEED))
    print(f"{name:18}     {recursion(deviation, 0.02):.4f}     {x.var():.4f}")

# %% [markdown]
# Which of $\sigma_t$ and $\sqrt{\beta_t}$ is right? $x_{t-1}$ given $x_t$ has for this Gaussian the
# variance $\beta_t\,s_{t-1}/s_t$ with $s_t = \bar\alpha_t v + 1 - \bar\alpha_t$. For $v = 0$ that
# is $\sigma_t^2$ of (15), for $v = 1$ it is $\beta_t$. So $\sigma_t$ is right for data that are
# points, and too small for all others.

# %%
for v in (0.0, 0.0004, 0.02, 1.0):
    results = ", ".join(
        f"{name} {recursion(choices[name], v):.5f}" for name in list(choices)[1:3]
    )
    print(f"v = {v:<7}", results)

# %% [markdown]
# ## Exercise 5


# %%
def every(m):
    """The schedule of every m-th time."""
    ab = schedule.alpha_bar[::m]
    return VarianceSchedule(torch.cat([torch.zeros(1), 1 - ab[1:] / ab[:-1]]))


for m in (1, 5, 20, 50, 100):
    coarse = every(m)
    x_T = torch.randn((10_000, 2), generator=source)
    z = {t: torch.randn(x_T.shape, generator=source) for t in range(1, coarse.T + 1)}
    *_, (_, x) = backward_process(mixture.noise(coarse), x_T, z.get, coarse)
    print(f"{coarse.T:3} steps: {describe(x, mixture)}")

# %% [markdown]
# The variance goes first: with fewer steps each estimate of $x_0$ stands for a longer stretch, and
# what (15) leaves out is more. With ten steps the variance is less than half of $v$, while the
# shares are right to a few hundredths. With five steps the shares go too, and points are left
# between the components.
#
# ## Exercise 6

# %%
n = 4000
for c in (0, 2, 5, 10, 20):
    moved = Mixture(means + torch.tensor([float(c), 0.0]), weights, variance=0.02)
    starts = {
        "standard Gaussian": torch.randn((n, 2), generator=source),
        "law of x_T": forward_leap(
            moved.draw(n, source), T, torch.randn((n, 2), generator=source), schedule
        ),
    }
    for name, x_T in starts.items():
        z = {t: torch.randn(x_T.shape, generator=source) for t in range(1, T + 1)}
        *_, (_, x) = backward_process(moved.noise(schedule), x_T, z.get, schedule)
        print(f"c = {c:2}, from the {name:18} {describe(x, moved)}")

# %% [markdown]
# From the law of $x_T$ the shares are the weights, up to the 0.01 of 4000 points. From a standard
# Gaussian, the start is too far to the left by $0.08\,c$ standard deviations of $x_T$: the
# component on the left gets too much, the one on the right too little. The error grows with $c$,
# and is large once $0.08\,c$ is not small against 1. An image of 784 pixels has a distance of up to
# 28 from 0, and $0.08 \cdot 28 = 2.2$: so it is not clear beforehand that the paper's schedule does
# no harm to images.
