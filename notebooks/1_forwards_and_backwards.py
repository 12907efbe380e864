# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1. Forwards and backwards
#
# Sections 3 and 4 of Higham, Higham and Grindrod, *Diffusion Models for Generative Artificial
# Intelligence: An Introduction for Applied Mathematicians*. Numbers in brackets, such as (8), are
# the paper's equations.
#
# A diffusion model destroys data by adding noise, step by step, and then learns to undo each step.
# In this notebook nothing is learned: the data are so simple that the best way back is known in
# closed form. So every picture can be compared with a formula. First the data are one number, then
# points of the plane.
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

# %% [markdown]
# ## Forwards: one number
#
# The forward process is (2), or with $\alpha_t = 1 - \beta_t$ the same as (4):
#
# $$x_t = \sqrt{\alpha_t}\,x_{t-1} + \sqrt{1 - \alpha_t}\,\varepsilon_t, \qquad t = 1, \dots, T,$$
#
# where the $\varepsilon_t$ are independent standard Gaussians. Each step shrinks a little and adds
# a little noise. The repository has one function for each equation; this is the one for (4). An
# "image" is any array of numbers, and here it is a single one.

# %%
show(forward_step)

# %% [markdown]
# We take the same $x_0 = 2$ two thousand times, and follow all of them through the whole chain.

# %%
x_0 = torch.full((2000, 1), 2.0)
source = torch.Generator().manual_seed(SEED)


def gaussian(t):
    """A fresh standard Gaussian for the step t."""
    return torch.randn(x_0.shape, generator=source)


chain = torch.cat([x for _, x in forward_process(x_0, schedule, gaussian)], dim=1)

t = np.arange(T + 1)
mean, deviation = (
    2.0 * schedule.alpha_bar.sqrt().numpy(),
    (1 - schedule.alpha_bar).sqrt().numpy(),
)

figure = plots.new_figure(2.8)
ax = figure.subplots()
ax.plot(t, chain[:40].T, color="0.6", linewidth=0.4)
ax.plot(t, mean, color="black", label=r"mean $\sqrt{\bar\alpha_t}\,x_0$ of (9)")
ax.plot(t, mean + 2 * deviation, "k--", linewidth=1)
ax.plot(t, mean - 2 * deviation, "k--", linewidth=1, label=r"$\pm 2\sqrt{1 - \bar\alpha_t}$")
ax.set(xlabel="$t$", ylabel="$x_t$", title="40 of the 2000 paths that start at 2", xlim=(0, T))
ax.legend(frameon=False)
figure

# %% [markdown]
# ## The leap
#
# Sums of independent Gaussians are Gaussian, and variances add. So, with
# $\bar\alpha_t = \alpha_1\alpha_2\cdots\alpha_t$ from (7), the whole chain up to $t$ has the law of
# a single step (8):
#
# $$x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1 - \bar\alpha_t}\,\bar\varepsilon_t,$$
#
# that is (9): $p(x_t \mid x_0)$ is a Gaussian with mean $\sqrt{\bar\alpha_t}\,x_0$ and variance
# $1 - \bar\alpha_t$. Here are both ways to $x_t$, the chain of $t$ steps and one leap, beside the
# density.

# %%
show(forward_leap)

# %%
leaps = {at: forward_leap(x_0, at, gaussian(at), schedule) for at in (10, 100, 500)}

figure = plots.new_figure(2.3)
for ax, (at, leap) in zip(figure.subplots(1, 3), leaps.items(), strict=True):
    u = np.linspace(mean[at] - 4 * deviation[at], mean[at] + 4 * deviation[at], 200)
    bins = np.linspace(u[0], u[-1], 33)
    ax.hist(chain[:, at].numpy(), bins, density=True, color="0.8", label="chain (2)")
    ax.hist(
        leap[:, 0].numpy(),
        bins,
        density=True,
        histtype="step",
        color="#1f5fa8",
        label="leap (8)",
    )
    ax.plot(u, norm.pdf(u, mean[at], deviation[at]), "k--", linewidth=1, label="law (9)")
    ax.set(xlabel=f"$x_{{{at}}}$", title=f"$t = {at}$")
figure.axes[0].legend(frameon=False, fontsize=7, loc="upper left")
figure

# %% [markdown]
# The leap is why training is cheap: to see an image at $t = 300$ one needs one Gaussian, not three
# hundred.
#
# ## The eight per cent that is left
#
# The paper says that at $T$ "we effectively have pure Gaussian noise". How much of $x_0$ is left
# can be computed.

# %%
left = schedule.alpha_bar[T].sqrt().item()
print(
    f"alpha_bar_T = {schedule.alpha_bar[T]:.5f}: {100 * left:.1f}% of the amplitude of x_0 is left"
)

# %% [markdown]
# For one number that is hardly visible: the mean of $x_T$ is 0.16, and its standard deviation
# nearly 1. But an image has $d$ numbers. Take an $x_0$ of which every entry is $1$ or $-1$, so that
# $|x_0| = \sqrt d$, and look at $x_T$ in the direction of $x_0$ alone. By (9),
# $x_T \cdot x_0 / |x_0|$ is a Gaussian with mean $\sqrt{\bar\alpha_T\, d}$ and variance
# $1 - \bar\alpha_T$, where pure noise has mean 0 and variance 1. The distance between the two grows
# with $\sqrt d$.

# %%
figure = plots.new_figure(2.1)
u = np.linspace(-4, 6, 300)
for ax, d in zip(figure.subplots(1, 3), (1, 64, 28 * 28), strict=True):
    ax.fill_between(u, norm.pdf(u), color="0.85", label="pure noise")
    shift, spread = left * d**0.5, (1 - left**2) ** 0.5
    ax.plot(u, norm.pdf(u, shift, spread), "k", label="$x_T$")
    ax.set(
        title=f"$d = {d}$: means {shift:.2f} apart",
        xlabel=r"$x_T \cdot x_0\,/\,|x_0|$",
        yticks=[],
    )
figure.axes[0].legend(frameon=False, loc="upper right")
figure

# %% [markdown]
# So a person sees nothing of a digit of $28 \times 28 = 784$ pixels at $T$, and yet whoever knows
# the digit finds it with a single scalar product. "Effectively" is a matter of what one looks for.
# Exercise 6 asks whether it matters.

# %% [markdown]
# ## Points of the plane, and the best prediction of their noise
#
# Now the data are points $x_0 \in \mathbb R^2$ from a mixture of three Gaussians: with probability
# $w_k$ the point comes from a Gaussian with mean $m_k$ and variance $v$.
#
# In (19) the network $\varepsilon_\theta(x_t, t)$ stands for the noise $\bar\varepsilon_t$ of (8),
# which nobody knows who sees only $x_t$. Training makes the mean of
# $|\bar\varepsilon_t - \varepsilon_\theta(x_t, t)|^2$ small. Among all functions, the one that
# makes it smallest is the conditional mean, $\mathrm E[\bar\varepsilon_t \mid x_t]$. For our
# mixture we can write it down.
#
# - **One Gaussian.** If $x_0$ has mean $m$ and variance $v$, then by (8) $x_t$ is Gaussian with
#   mean $\sqrt{\bar\alpha_t}\,m$ and variance $s_t = \bar\alpha_t v + 1 - \bar\alpha_t$, and its
#   covariance with $\bar\varepsilon_t$ is $\sqrt{1 - \bar\alpha_t}$. Hence
#   $\mathrm E[\bar\varepsilon_t \mid x_t] = \dfrac{\sqrt{1 - \bar\alpha_t}}{s_t}\,(x_t - \sqrt{\bar\alpha_t}\,m).$
# - **A mixture.** The same for each component, weighted by the probability $r_k(x_t)$ that $x_t$
#   came from it; by Bayes' rule
#   $r_k(x) \propto w_k \exp\bigl(-|x - \sqrt{\bar\alpha_t}\,m_k|^2 / (2 s_t)\bigr)$.

# %%
show(GaussianData.noise)


# %%
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


# %%
means, weights = (
    torch.tensor([[-1.5, -0.9], [1.5, -0.9], [0.0, 1.6]]),
    torch.tensor([0.5, 0.3, 0.2]),
)
mixture = Mixture(means, weights, variance=0.02)
data = mixture.draw(3000, source)
exact_noise = mixture.noise(schedule)

# %% [markdown]
# ### The score field
#
# Let $p_t$ be the density of $x_t$. Differentiating the mixture's density gives an identity that
# holds for any data:
#
# $$\nabla \log p_t(x) = -\,\frac{\mathrm E[\bar\varepsilon_t \mid x_t = x]}{\sqrt{1 - \bar\alpha_t}}.$$
#
# The left side is called the *score*. It points to where data are denser: to predict the noise is
# to know the way uphill. The arrows show it (each divided by $1 + $ its length, so that all can be
# seen), over points $x_t$.

# %%
side = torch.linspace(-3, 3, 15)
places = torch.cartesian_prod(side, side)


def draw_score(ax, t):
    """The score field at a time t, over 800 points x_t."""
    x_t = forward_leap(data[:800], t, torch.randn((800, 2), generator=source), schedule)
    score = -exact_noise(places, t) / (1 - schedule.alpha_bar[t].item()) ** 0.5
    arrows = score / (1 + score.norm(dim=1, keepdim=True))
    ax.scatter(*x_t.T, s=2, color="#8fb3dd", linewidths=0)
    ax.quiver(*places.T, *arrows.T, angles="xy", scale=19, width=0.007)
    ax.set(title=f"$t = {t}$", xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal")


figure = plots.new_figure(2.5)
for ax, t in zip(figure.subplots(1, 3), (20, 150, 400), strict=True):
    draw_score(ax, t)
figure

# %% [markdown]
# At small $t$ each arrow points to the nearest component, and between two of them the arrows part.
# At large $t$ all three have melted into one, and the arrows point to the common centre. On the way
# back from $T$ all points first move alike; which component a point goes to is decided at the times
# between.
#
# Move $t$, and look for the time at which the three become one.


# %%
@interact(t=(5, 500, 5))
def score_field(t=100):
    """The score field at the time of the slider."""
    figure = plots.new_figure(3.0, width=3.0)
    draw_score(figure.subplots(), t)
    display(figure)


# %% [markdown]
# The identity is easy to test: let the machine differentiate $\log p_t$.

# %%
at = 150
alpha_bar = schedule.alpha_bar[at].item()
x = places.clone().requires_grad_()
log_p = mixture.log_joint(x, alpha_bar).logsumexp(dim=1)  # up to a constant
(gradient,) = torch.autograd.grad(log_p.sum(), x)
difference = (gradient + exact_noise(places, at) / (1 - alpha_bar) ** 0.5).abs().max()
print(f"largest difference between the two sides at {len(places)} points: {difference:.1e}")

# %% [markdown]
# ## Backwards: Algorithm 2
#
# If $x_0$ were known, $p(x_{t-1} \mid x_t, x_0)$ would be the Gaussian (14), with the variance
# $\sigma_t^2$ of (15) and the mean (16), or, with the noise in place of $x_0$, the mean (18). The
# denoising step (19) uses the predicted noise:
#
# $$x_{t-1} = \frac{1}{\sqrt{\alpha_t}}\Bigl(x_t - \frac{1 - \alpha_t}{\sqrt{1 - \bar\alpha_t}}\,
# \varepsilon_\theta(x_t, t)\Bigr) + \sigma_t z, \qquad
# \sigma_t^2 = \frac{(1 - \alpha_t)(1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t}.$$

# %%
show(denoising_step)

# %%
show(posterior_variance)

# %% [markdown]
# Algorithm 2 starts from a standard Gaussian $x_T$ and applies (19) for $t = T, \dots, 1$. Our
# $\varepsilon_\theta$ is the exact one. No data enter below but through it.

# %%
show(backward_process)

# %%
x_T = torch.randn((3000, 2), generator=source)
z = {t: torch.randn(x_T.shape, generator=source) for t in range(1, T + 1)}
path = dict(backward_process(exact_noise, x_T, z.get, schedule))

figure = plots.new_figure(1.75)
for ax, at in zip(figure.subplots(1, 5, sharey=True), (500, 200, 100, 50, 0), strict=True):
    ax.scatter(*path[at][:1500].T, s=2, color="black", alpha=0.35, linewidths=0)
    ax.set(
        title=f"$t = {at}$",
        xlim=(-3.2, 3.2),
        ylim=(-3.2, 3.2),
        aspect="equal",
        xticks=[-2, 0, 2],
        yticks=[-2, 0, 2],
    )
figure


# %% [markdown]
# Are these points of the mixture? For each we ask which mean is nearest, and compare the shares
# with $w_k$, and the variance around the means with $v$.


# %%
def describe(points, mixture):
    """The share of the points nearest to each mean, and their variance about it."""
    squares = (points[:, None] - mixture.means).square().sum(2)
    shares = torch.bincount(squares.argmin(1), minlength=len(mixture.means)) / len(points)
    return f"shares {', '.join(f'{share:.3f}' for share in shares)}, variance {squares.amin(1).mean() / 2:.4f}"


# %%
print(
    "the mixture:   shares",
    ", ".join(f"{w:.3f}" for w in weights),
    f"and variance {mixture.variance:.4f}",
)
print("drawn from it:", describe(data, mixture))
print("Algorithm 2:  ", describe(path[0], mixture))

# %% [markdown]
# The shares agree as well as those of 3000 points can, to about 0.01. The variance is a little too
# small, and that is no accident. (15) is the variance of $x_{t-1}$ for someone who knows $x_0$.
# Algorithm 2 puts an estimate in the place of $x_0$, and leaves out the uncertainty of that
# estimate. Exercise 4 computes the loss.
#
# ### What $\sigma_1 = 0$ does
#
# The paper sets $\bar\alpha_0 = 1$, so that (15) gives $\sigma_1 = 0$. And in (16) the factor of
# $x_t$ is then 0 and that of $x_0$ is 1: the last step leaves $x_1$ behind and returns the estimate
# of $x_0$ itself.

# %%
x_1, estimate = torch.randn((1, 2)), torch.randn((1, 2))
print(
    f"sigma_1 = {posterior_variance(1, schedule) ** 0.5:g}, sigma_2 = {posterior_variance(2, schedule) ** 0.5:.4f}"
)
print(
    "(16) at t = 1 returns the x_0 it is given:",
    torch.equal(posterior_mean(x_1, estimate, 1, schedule), estimate),
)

# %% [markdown]
# To see what it is good for, let the data be three *points*, $v = 0$. With $\sigma_1 = 0$ the
# samples end on them. If one adds noise of the size $\sqrt{\beta_1} = 0.01$ in the last step as
# well, they end near them: in an image this would be a grain of about one grey value.
#
# This is Algorithm 2 by hand, with a standard deviation of your choice in each step.


# %%
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
points = Mixture(means, weights, variance=0.0)
figure = plots.new_figure(2.4)
names = {r"$\sigma_1 = 0$": sigma, r"$\sigma_1 = \sqrt{\beta_1} = 0.01$": never_zero}
for ax, (name, deviation) in zip(
    figure.subplots(1, 2, sharey=True), names.items(), strict=True
):
    x = backward_with(deviation, points, torch.Generator().manual_seed(SEED))
    near = x[x[:, 1] > 0.5] - means[2]
    ax.scatter(*near.T, s=4, color="black", linewidths=0)
    ax.set(
        title=f"{name}: at most {near.norm(dim=1).max():.3f} away",
        xlim=(-0.05, 0.05),
        ylim=(-0.05, 0.05),
    )
    ax.set(xlabel="samples, less the third point", aspect="equal")
figure

# %% [markdown]
# ## Exercises
#
# Solutions: `1_solutions`. In each grade, the later exercises are the longer ones.
#
# ### First grade: change a number
#
# **1.** How large must $\beta_T$ be, with $\beta_1 = 10^{-4}$ and $T = 500$ as they are, for only
# 1% of the amplitude of $x_0$ to be left at $T$? Or how large $T$, with the paper's $\beta_1$ and
# $\beta_T$?
#
# <details><summary>Hint</summary>
#
# `VarianceSchedule.linear(T, 1e-4, beta_T).alpha_bar[T].sqrt()` is what is left. Try values, or use
# `scipy.optimize.brentq`.
#
# </details>
#
# **2.** Data with mean 0 and variance 1 go through (2). What is the variance of $x_t$? Show it from
# (4), and test it with `forward_process` on points drawn uniformly from $[-\sqrt 3, \sqrt 3]$.
#
# <details><summary>Hint</summary>
#
# The variances of independent terms add: $\alpha_t \cdot 1 + (1 - \alpha_t) \cdot 1$.
#
# </details>
#
# ### Second grade: a formula and a picture
#
# **3.** Let $x_0$ be $-1$ or $1$ with probability one half each. Show that the best prediction of
# the noise is
# $$\mathrm E[\bar\varepsilon_t \mid x_t = x] = \frac{x - \sqrt{\bar\alpha_t}\,\tanh\bigl(\sqrt{\bar\alpha_t}\,x /
# (1 - \bar\alpha_t)\bigr)}{\sqrt{1 - \bar\alpha_t}},$$
# and draw it for $t = 20, 100, 500$. Where is it not monotone, and what does that mean for a point
# there?
#
# <details><summary>Hint</summary>
#
# Solve (8) for the noise: it is $(x_t - \sqrt{\bar\alpha_t}\,x_0) / \sqrt{1 - \bar\alpha_t}$, so
# only $\mathrm E[x_0 \mid x_t]$ is needed. Bayes' rule with the two densities (9) gives a quotient
# of exponentials, which is a tanh.
#
# </details>
#
# **4.** *A wrong variance.* Run `backward_with` with the standard deviations $0$, $\sigma_t$,
# $\sqrt{\beta_t}$ and $2\sqrt{\beta_t}$, draw the four sets of points side by side, and `describe`
# them. Then take a single Gaussian of variance $v$ (a `Mixture` with one mean, of weight 1). Step
# (19) is then linear in $x_t$, so the variance follows a recursion
# $V_{t-1} = a_t^2 V_t + \sigma_t^2$. Find $a_t$, and compute $V_0$ for the four choices.
#
# <details><summary>Hint</summary>
#
# With the exact noise of one Gaussian, the factor of $x_t$ in (19) is
# $a_t = \bigl(1 - (1 - \alpha_t) / s_t\bigr) / \sqrt{\alpha_t}$ with
# $s_t = \bar\alpha_t v + 1 - \bar\alpha_t$. Start from $V_T = 1$.
#
# </details>
#
# ### Third grade: a small investigation
#
# **5.** *Fewer steps.* The leap (8) holds between any two times: from $s$ to $t > s$,
# $x_t = \sqrt{\bar\alpha_t / \bar\alpha_s}\,x_s + \dots$ So every $m$-th time of our schedule is a
# schedule of its own, with $\beta'_i = 1 - \bar\alpha_{t_i} / \bar\alpha_{t_{i-1}}$. Run Algorithm
# 2 on it with $m = 5, 20, 50, 100$. What goes wrong first, the shares or the variance?
#
# <details><summary>Hint</summary>
#
# `VarianceSchedule(torch.cat([torch.zeros(1), 1 - ab[1:] / ab[:-1]]))` with
# `ab = schedule.alpha_bar[::m]` is the new schedule, `mixture.noise(...)` of it the new predictor;
# give both to `backward_process`.
#
# </details>
#
# **6.** *Does the 8% matter?* Algorithm 2 starts from a standard Gaussian, but the forward process
# ends at the law of $x_T$, with mean $0.08\,\mathrm E[x_0]$. Move all three `means` by $(c, 0)$,
# and run Algorithm 2 from both starts, for $c$ from 0 to 20. How do the shares of the components
# differ? How far from 0 must data be for it to matter? (MNIST's images have pixels between $-1$ and
# $1$, but 784 of them.)
#
# <details><summary>Hint</summary>
#
# The right start is `forward_leap(moved.draw(n, source), T, torch.randn((n, 2)), schedule)`. At
# large $c$ the component on the side that the start favours gets too much.
#
# </details>
