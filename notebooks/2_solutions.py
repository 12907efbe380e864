# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions of notebook 2, learning the noise
#
# The first cells repeat what is needed of the notebook. They do not train the small network:
# exercise 3 trains one for itself, for fewer steps.

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


# %% tags=["parameters"]
SEED = 2025
STEPS = 300  # of the trainings of exercises 3 and 6
IMAGES = 9

# %% tags=["repeated"]
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

# %% tags=["repeated"]
digits = read_embedded_digits(image_size=16, seed=SEED)
images = digits.train_images
print(f"{len(images)} images for training, {len(digits.test_images)} for testing")
plots.training_images({"images": images[:48, 0].numpy()})

# %% tags=["repeated"]
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


# %%
def grid_of(x, title=""):
    """Images (n, 1, h, w) side by side, three in a row."""
    figure = plots.new_figure(2.2, width=2.2)
    plots.show(figure.subplots(), plots.tiled(x[:, 0].float().cpu().numpy(), 3), title)
    return figure


# %% [markdown]
# ## Exercise 1
#
# Look at each image and decide. A count of 27 does not say much about a share: if 93% are digits,
# as the classifier of this repository finds among 500 (see `weights/README.md`), nine contain at
# least eight with probability 0.87, and three times nine all do with probability 0.67.

# %%
x = snapshots(replace(sampler, seed=1).process("figure 3", range(IMAGES)))[:, 0]
grid_of(x, "seed 1")  # and so with 2 and 3

# %% [markdown]
# ## Exercise 2
#
# Three runs from each start.

# %%
x_0 = rescale(read_embedded_digits(size, seed=SEED).train_images[3:4])
starts = [100, 200, 300, 400, 500]
rows = []
for start in starts:
    eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(SEED))
    x_t = forward_leap(x_0, start, eps, schedule.to("cpu"))
    from_there = replace(sampler, schedule=VarianceSchedule(schedule.beta[: start + 1]))
    rows.append(snapshots(from_there.process("figure 6", range(min(3, IMAGES)), x_t))[:, 0])

figure = plots.new_figure(2.2)
for ax, start, x in zip(figure.subplots(1, len(starts)), starts, rows, strict=True):
    plots.show(ax, plots.tiled(x[:, 0].numpy(), 1), f"$t = {start}$")
figure

# %% [markdown]
# From $t = 100$ and $200$ the three runs agree, and show the digit, in the hand of MNIST. From
# $t = 300$ all are still sixes, but in several hands; from $t = 400$ on other digits appear. Other
# seeds move these times a little, but the order is the same: first the hand is forgotten, then the
# digit.
#
# ## Exercise 3
#
# With $\varepsilon$ independent of $x_0$ and of mean zero, (8) gives for a pixel
# $\mathrm E(\varepsilon - c\,x_t)^2 = 1 - 2c\sqrt{1 - \bar\alpha_t} + c^2(\bar\alpha_t m + 1 - \bar\alpha_t)$.
# The parabola has its minimum at the $c_t$ of the exercise, and there the value
# $1 - (1 - \bar\alpha_t)/(\bar\alpha_t m + 1 - \bar\alpha_t)$, which is the loss of the exercise.
# We compare with a network after a short training.

# %%
from diffusion.training import training_steps

settings = TrainingSettings(
    seed=SEED,
    steps=STEPS,
    batch_size=32,
    learning_rate=2e-3,
    adam_decays=(0.9, 0.999),
    warmup_steps=100,
    cosine_decay=True,
    averaging=0.999,
    stratified_t=True,
)


def trained_on(images, settings):
    """A sampler with a network that was trained on these images."""
    torch.manual_seed(SEED)
    training = Training(hardware.place(UNet(channels=32, image_size=16)), settings)
    for _ in training_steps(training, images, schedule, hardware):
        pass
    network = UNet(channels=32, image_size=16)
    network.load_state_dict(training.weights())
    return Sampler.of(network, schedule, SEED, hardware)


# %%
small_sampler = trained_on(images, settings)
held_out = rescale(digits.test_images[:120]).to(hardware.device)
noise = torch.randn(held_out.shape, generator=torch.Generator().manual_seed(SEED))
noise = noise.to(hardware.device)
at = [1, 5, 10, 20, 50, 100, 200, 300, 400, 500]
by_t = []
for t in at:
    steps = torch.full((len(held_out),), t, device=hardware.device)
    by_t.append(loss(small_sampler.eps_theta, held_out, steps, noise, schedule).mean().item())

ab = schedule.alpha_bar.cpu()[at]
m = held_out.square().mean().item()
figure = plots.new_figure(2.2, width=4.5)
ax = figure.subplots()
ax.semilogy(at, ab * m / (ab * m + 1 - ab), "k--", label="best linear predictor")
ax.semilogy(at, by_t, "k.-", label=f"network after {STEPS} steps")
ax.set(xlabel="$t$", ylabel="loss at $t$")
ax.legend(frameon=False)
figure

# %% [markdown]
# At small and middle $t$ the network is far better, since it knows what digits look like. At
# $t = 500$ nearly all of $x_t$ is noise, and a network after so few steps does not even reach the
# best multiple of $x_t$.
#
# ## Exercise 4

# %%
times = [500, 400, 300, 200, 100, 50]
x_t = snapshots(sampler.process("figure 3", [0]), times)[0]
estimates = []
for t, x in zip(times, x_t, strict=True):
    eps = sampler.eps_theta(
        x[None].to(hardware.device), torch.tensor([t], device=hardware.device)
    )
    ab = schedule.alpha_bar[t].item()
    estimates.append((x - (1 - ab) ** 0.5 * eps[0].cpu()) / ab**0.5)

figure = plots.new_figure(2.5)
for ax, t, x, estimate in zip(figure.subplots(2, 6).T, times, x_t, estimates, strict=True):
    plots.show(ax[0], x[0].numpy(), f"$x_{{{t}}}$")
    plots.show(ax[1], estimate[0].numpy(), r"$\hat x_0$")
figure

# %% [markdown]
# $\hat x_0$ approximates $\mathrm E[x_0 \mid x_t]$, a mean over all digits from which $x_t$ may
# have come, each with its probability. At $t = 500$ these are nearly all digits, and their mean is
# a blur in the middle. The nearer $t$ comes to 0, the fewer remain, and the sharper is their mean.
# A blurred $\hat x_0$ is no failure of the network: it is the right answer to the question that the
# least squares of Algorithm 1 ask.
#
# ## Exercise 5
#
# For the training images as points of equal weight, $\mathrm E[x_0 \mid x_t]$ is their mean with
# the weights $r_i$, and (8) solved for the noise gives the best $\varepsilon_\theta$.

# %%
points = rescale(images).flatten(1)  # (n, 256)
exact_schedule = schedule.to("cpu")


def perfect_student(x, t):
    """The minimiser of Algorithm 1's loss over the training images, for x, (n, 1, 16, 16), at t, (1,)."""
    ab = exact_schedule.alpha_bar[t].item()
    squares = torch.cdist(x.flatten(1), ab**0.5 * points).square()
    x_0 = (-squares / (2 * (1 - ab))).softmax(dim=1) @ points
    return (x - ab**0.5 * x_0.view_as(x)) / (1 - ab) ** 0.5


perfect = Sampler(perfect_student, exact_schedule, (1, 16, 16), SEED)
x = snapshots(perfect.process("perfect", range(9)))[:, 0]
distances, nearest = torch.cdist(x.flatten(1), points).min(dim=1)
between = torch.cdist(points[:500], points[:500]).fill_diagonal_(np.inf).min(dim=1).values
print(f"from the nearest training image: at most {distances.max():.4f}")
print(f"training images from their nearest: {between.median():.2f} in the median")
figure = plots.new_figure(2.2, width=4.5)
left, right = figure.subplots(1, 2)
plots.show(left, plots.tiled(x[:, 0].numpy(), 3), "Algorithm 2")
plots.show(
    right, plots.tiled(rescale(images[nearest])[:, 0].numpy(), 3), "nearest training images"
)
figure

# %% [markdown]
# All nine are training images. So whoever minimises the loss of Algorithm 1 *perfectly* over a
# finite set of images has built an expensive way to draw from that set. That networks make new
# images is due to what they do *not* learn: they are too small, too smooth or not trained long
# enough to be perfect.
#
# ## Exercise 6

# %%
eight = images[:8]
own = torch.cdist(points[:8], points[:8]).fill_diagonal_(np.inf).min()
for steps in (STEPS // 3, STEPS):
    student = trained_on(
        eight, replace(settings, steps=steps, warmup_steps=min(100, steps // 2))
    )
    x = snapshots(student.process("eight", range(IMAGES)))[:, 0]
    distance = torch.cdist(x.flatten(1), points[:8]).min(dim=1).values / own
    print(
        f"{steps} steps: distance from the nearest of the eight {distance.median():.2f} (median)"
    )
    display(grid_of(x, f"{steps} steps on eight images"))

# %% [markdown]
# Already after 300 steps the samples are nearer to one of the eight than the two most similar of
# the eight are to each other, and the eye finds the original of each. With more steps they become
# copies, as exercise 5 says they must. What keeps the network of 60,000 images from it is that it
# has too few steps, and too few parameters, to learn each of them by heart.
