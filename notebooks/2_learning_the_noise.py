# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2. Learning the noise
#
# Section 5 of Higham, Higham and Grindrod, *Diffusion Models for Generative Artificial
# Intelligence: An Introduction for Applied Mathematicians*. Numbers in brackets, such as (8), are
# the paper's equations.
#
# In the first notebook the best prediction of the noise was known. For images it is not, and a
# network learns it from examples. First you train a small one, for a few minutes, on small digits.
# Then you look at the paper's own network, whose trained weights are in this repository, and repeat
# figures 3, 5 and 6 of the paper with it.
#
# Run the cells from top to bottom (Shift-Enter). All together take less than ten minutes on two
# cores of a processor; a GPU is used if there is one, and not needed.

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


# %% tags=["parameters"]
SEED = 2025  # another seed, other images
STEPS = 800  # gradient steps of the training
IMAGES = 9  # images that are drawn at a time

# %%
from dataclasses import replace

import numpy as np
import torch
from IPython.display import display

import diffusion
from diffusion.data import read_embedded_digits
from diffusion.forward import VarianceSchedule, forward_leap
from diffusion.images import rescale, snapshots
from diffusion.sampling import Sampler, backward_process
from diffusion.training import Training, TrainingSettings, draw, loss, minibatch
from diffusion.unet import UNet
from engine.device import prepare
from engine.environment import cores
from engine.files import read_json
from publishing import plots, weights

hardware = prepare(cores(), device="auto", precision="auto")
schedule = VarianceSchedule.linear(T=500, beta_1=1e-4, beta_T=0.02).to(
    hardware.device
)  # the paper's
print("computing on", hardware)

# %% [markdown]
# ## The data
#
# Scikit-learn comes with 1,797 handwritten digits of 8×8 pixels, which need no download. Here they
# are enlarged to 16×16. Grey values from 0 to 255 become numbers from $-1$ to $1$, and $x_0$ is a
# vector of $d = 256$ of them.

# %%
digits = read_embedded_digits(image_size=16, seed=SEED)
images = digits.train_images
print(f"{len(images)} images for training, {len(digits.test_images)} for testing")
plots.training_images({"images": images[:48, 0].numpy()})

# %% [markdown]
# The forward process, by the leap (8), turns one of them into noise:

# %%
times = [0, 25, 50, 100, 150, 200, 300, 500]
eps = torch.randn((1, 1, 16, 16), generator=torch.Generator().manual_seed(SEED))
x_t = [
    forward_leap(rescale(images[3:4]), t, eps, schedule.to("cpu"))[0, 0].numpy() for t in times
]
plots.forward_process({"t": times, "images": x_t})

# %% [markdown]
# ## The network
#
# $\varepsilon_\theta(x_t, t)$ takes an image and a step, and returns an image: its prediction of
# the noise $\bar\varepsilon_t$ in (8). It is made of residual and attention blocks "in a U-Net type
# structure" (section 5): on the way down the image is halved twice while the number of channels
# grows, and on the way up the earlier images are put beside the later ones. This is its definition,
# as a list of layers and as the way through them.

# %%
show(UNet)

# %%
torch.manual_seed(SEED)  # the first weights are random
network = hardware.place(UNet(channels=32, image_size=16))
print(f"{sum(p.numel() for p in network.parameters()):,} parameters")

# %% [markdown]
# ## Algorithm 1: training
#
# Repeat: draw $x_0$ from the training images, $t$ uniformly from $\{1, \dots, T\}$ and a standard
# Gaussian $\varepsilon$; form $x_t$ by (8); take a gradient step on
#
# $$\bigl|\,\varepsilon -
# \varepsilon_\theta\bigl(\sqrt{\bar\alpha_t}\,x_0 + \sqrt{1 - \bar\alpha_t}\,\varepsilon,\; t\bigr)\bigr|^2.$$
#
# No step needs a chain: that is what the leap is for. The paper draws one image a step; it is usual
# to take the mean over a few, here 32. Line 5 of the algorithm is the function `loss` (the mean
# over pixels in place of the sum):

# %%
show(loss)

# %% [markdown]
# Everything else that a training needs is a choice: Adam for the gradient step, a learning rate
# that rises and falls, and averaged weights. (The $t$ of a minibatch are spread evenly over
# $1, \dots, T$; each alone is still uniform.)

# %%
settings = TrainingSettings(
    seed=SEED, steps=STEPS, batch_size=32, learning_rate=2e-3, adam_decays=(0.9, 0.999),
    warmup_steps=100, cosine_decay=True, averaging=0.999, stratified_t=True,
)  # fmt: skip


def learning_curve(losses):
    """The losses of the steps so far, and their mean over the last fifty steps."""
    figure = plots.new_figure(2.2, width=4.5)
    ax = figure.subplots()
    ax.semilogy(range(1, len(losses) + 1), losses, color="0.8", linewidth=0.6)
    means = [np.mean(losses[max(0, n - 50) : n]) for n in range(1, len(losses) + 1)]
    ax.semilogy(range(1, len(losses) + 1), means, color="black")
    ax.set(xlabel="gradient steps", ylabel=r"loss", xlim=(0, STEPS), ylim=(0.02, 1.5))
    ax.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5, 1], ["0.02", "0.05", "0.1", "0.2", "0.5", "1"])
    return figure


# %% [markdown]
# And this is Algorithm 1. The curve grows while it runs. A network that predicts nothing,
# $\varepsilon_\theta = 0$, has loss 1.

# %%
training, losses = Training(network, settings), []
curve = display(learning_curve([1.0]), display_id=True)

while training.step < STEPS:
    chosen = minibatch(SEED, training.step, 32, len(images))
    x_0 = hardware.send(rescale(images[chosen]))  # line 2
    t, eps = draw(SEED, training.step, 32, schedule.T, (1, 16, 16), True)  # lines 3 and 4
    t, eps = hardware.send(t), hardware.send(eps)  # to the GPU, if there is one
    with hardware.mixed_precision():
        error = loss(network, x_0, t, eps, schedule).mean()  # line 5: the loss ...
    training.descend(error)  # ... and the gradient step
    losses.append(error.item())
    if training.step % 20 == 0:
        curve.update(learning_curve(losses))

# %% [markdown]
# ## Algorithm 2: nine digits
#
# Start from a Gaussian $x_T$; for $t = T, \dots, 1$ put the prediction into (19):

# %%
show(backward_process)


# %%
def watch(process):
    """The process, whose images are drawn as it goes on, and disappear at its end."""
    picture = display(Markdown("..."), display_id=True)
    for t, x in process:
        if t % 20 == 0:
            figure = plots.new_figure(2.2, width=2.2)
            plots.show(
                figure.subplots(), plots.tiled(x[:, 0].float().cpu().numpy(), 3), f"$t = {t}$"
            )
            picture.update(figure)
        yield t, x
    picture.update(Markdown(""))


# %%
small = UNet(channels=32, image_size=16)
small.load_state_dict(training.weights())
small_sampler = Sampler.of(small, schedule, SEED, hardware)
x = snapshots(watch(small_sampler.process("small digits", range(IMAGES))))[:, 0, 0].numpy()

figure = plots.new_figure(2.2, width=2.2)
plots.show(figure.subplots(), plots.tiled(x, 3))
figure

# %% [markdown]
# How many of them would you call digits? Some minutes more would help: `make demo` trains the same
# network nearly three times as long.
#
# ### Where the noise is hard to see
#
# The loss is a mean over all $t$. How is it for each? We measure it on images that the training has
# not seen.

# %%
held_out = rescale(digits.test_images[:120]).to(hardware.device)
noise = torch.randn(held_out.shape, generator=torch.Generator().manual_seed(SEED))
noise = noise.to(hardware.device)
at = [1, 5, 10, 20, 50, 100, 200, 300, 400, 500]
by_t = []
for t in at:
    steps = torch.full((len(held_out),), t, device=hardware.device)
    by_t.append(loss(small_sampler.eps_theta, held_out, steps, noise, schedule).mean().item())

figure = plots.new_figure(2.2, width=4.5)
ax = figure.subplots()
ax.semilogy(at, by_t, "k.-")
ax.set(xlabel="$t$", ylabel="loss at $t$", title="on 120 images not used in training")
figure

# %% [markdown]
# At small $t$ there is hardly any noise, and it is hard to tell from the pen's grain: the loss is
# largest. At large $t$ nearly all of $x_t$ is noise, and a network that returned $x_t$ itself would
# do well. That does not make large $t$ unimportant: the little by which the network does better
# there decides which digit will appear.

# %% [markdown]
# ## The paper's network
#
# The folder `weights/` has the network of the paper, with 12,980,033 parameters in 205 layers,
# trained on MNIST for eight hours on two cores. Its record says with which settings.

# %%
WEIGHTS = (ROOT or Path(diffusion.__file__).parent) / "weights"
record = read_json(WEIGHTS / "ddpm.json")
size, channels = (
    record["settings"]["data"]["image_size"],
    record["settings"]["ddpm"]["channels"],
)
paper = UNet(channels, size)
paper.load_state_dict(weights.unpack(WEIGHTS, "ddpm", record["settings"]).tensors)
print(
    f"{sum(p.numel() for p in paper.parameters()):,} parameters, images of {size}×{size} pixels"
)

sampler = Sampler.of(paper, schedule, SEED, hardware)

# %% [markdown]
# ### Figure 3: nine Gaussians become nine digits

# %%
times = [500, 300, 200, 100, 50, 0]
x = snapshots(watch(sampler.process("figure 3", range(IMAGES))), times)[:, :, 0].transpose(0, 1)
plots.backward_process({"t": times, "images": x.numpy()})

# %% [markdown]
# ### Figure 5: one Gaussian, nine runs
#
# The same $x_T$ each time, but other $z$ in (19). So the digit is decided on the way, and not by
# the start alone.

# %%
x_T = torch.randn((1, 1, size, size), generator=torch.Generator().manual_seed(SEED))
x = snapshots(watch(sampler.process("figure 5", range(IMAGES), x_T)))[:, 0, 0]
plots.one_gaussian({"x_T": x_T[0, 0].numpy(), "images": x.numpy()})

# %% [markdown]
# ### Figure 6: there and back, from a step of your choice
#
# A digit is carried forward to a time $t$, by (8), and from there Algorithm 2 goes back nine times.
# In the paper $t = T$, and nothing of the digit returns. Choose `START` from $1, \dots, 500$.
# (MNIST is not part of this repository, so the digit is one of scikit-learn's, enlarged.)

# %%
START = 200
DIGIT = 3

x_0 = rescale(read_embedded_digits(size, seed=SEED).train_images[DIGIT : DIGIT + 1])


def there_and_back(start):
    """x_0, x_start and what Algorithm 2 makes of it: the pictures of figure 6."""
    eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(SEED))
    x_t = forward_leap(x_0, start, eps, schedule.to("cpu"))
    first_steps = VarianceSchedule(schedule.beta[: start + 1])
    from_there = replace(sampler, schedule=first_steps)
    x = snapshots(watch(from_there.process("figure 6", range(IMAGES), x_t)))[:, 0, 0]
    figure = plots.new_figure(2.2)
    axes = figure.subplots(1, 3)
    plots.show(axes[0], x_0[0, 0].numpy(), "a digit $x_0$")
    plots.show(axes[1], x_t[0, 0].numpy(), f"$x_t$ at $t = {start}$")
    plots.show(axes[2], plots.tiled(x.numpy(), 3), "nine ways back")
    return figure


there_and_back(START)

# %%
there_and_back(500)

# %% [markdown]
# ## Exercises
#
# Solutions: `2_solutions`. In each grade, the later exercises are the longer ones. To begin with an
# exercise, run all cells first; set `STEPS = 300` to be there sooner.
#
# ### First grade: change a number
#
# **1.** Run figure 3 with three other seeds, and count the images that you would call digits. The
# paper says at least eight of nine. What do you find in your 27?
#
# <details><summary>Hint</summary>
#
# `replace(sampler, seed=1)` is the same sampler with another seed.
#
# </details>
#
# **2.** For the digit of figure 6, try `START` from 50 to 500. Until when do all nine return as the
# same digit? When is nothing of it left?
#
# <details><summary>Hint</summary>
#
# `there_and_back(50)`. Small starts are quick, since Algorithm 2 has only `START` steps to take.
#
# </details>
#
# ### Second grade: a formula and a picture
#
# **3.** *The best linear predictor.* Let $\varepsilon_\theta(x_t, t) = c_t\,x_t$ with a number
# $c_t$, and let $m$ be the mean square of the pixels of $x_0$. Show that the best $c_t$ and its
# loss are
# $$c_t = \frac{\sqrt{1 - \bar\alpha_t}}{\bar\alpha_t m + 1 - \bar\alpha_t}, \qquad
# \frac{\bar\alpha_t m}{\bar\alpha_t m + 1 - \bar\alpha_t},$$
# and draw this loss beside the network's.
#
# <details><summary>Hint</summary>
#
# By (8), for one pixel:
# $\mathrm E(\varepsilon - c\,x_t)^2 = 1 - 2c\sqrt{1 - \bar\alpha_t} + c^2\,(\bar\alpha_t m + 1 - \bar\alpha_t)$,
# since $\varepsilon$ is independent of $x_0$. It is a parabola in $c$.
#
# </details>
#
# **4.** *What the network believes.* Solve (8) for $x_0$, and put the predicted noise in:
# $\hat x_0 = (x_t - \sqrt{1 - \bar\alpha_t}\,\varepsilon_\theta) / \sqrt{\bar\alpha_t}$. Draw
# $\hat x_0$ along the way of one digit of the paper's network, at
# $t = 500, 400, 300, 200, 100, 50$. Why is it blurred at first?
#
# <details><summary>Hint</summary>
#
# `snapshots(sampler.process("figure 3", [0]), times)` has the $x_t$, and
# `sampler.eps_theta(x_t, torch.tensor([t]))` the prediction. The best prediction of the noise is a
# conditional mean, and so $\hat x_0$ is one too: of all digits that $x_t$ may come from.
#
# </details>
#
# ### Third grade: a small investigation
#
# **5.** *The perfect student copies.* Take the training images as what they are, $n$ points
# $x^{(i)}$ of equal weight. For them the best $\varepsilon_\theta$ is known, as for the three
# points of the first notebook. Write it, run Algorithm 2 with it, and compare the nine results with
# the training images that are nearest. What does that say about a network that minimises the loss
# of Algorithm 1 perfectly?
#
# <details><summary>Hint</summary>
#
# $\mathrm E[x_0 \mid x_t] = \sum_i r_i\,x^{(i)}$ with
# $r_i \propto \exp(-|x_t - \sqrt{\bar\alpha_t}\,x^{(i)}|^2 / (2(1 - \bar\alpha_t)))$: a softmax.
# `torch.cdist` gives the distances. Then the noise follows from (8).
#
# </details>
#
# **6.** *Eight images.* Train a new network on the first eight images alone, for some hundred
# steps, and draw nine samples. How near are they to the eight? After how many steps do they become
# copies?
#
# <details><summary>Hint</summary>
#
# `images[:8]` in the loop; a new `UNet`, and new `Training`. Measure the distance of a sample from
# the nearest training image in units of the smallest distance between two of the eight.
#
# </details>
