"""When is a digit decided? Figure 6 from every t: noise an image to t, come back, and see whether it is the same digit.

A sampler that is exact for the data's law draws, from x_t, from p(x_0 | x_t). So the share that keeps its class c is

    kept(t) = E p(c | x_t) = E sum over classes of p(class | x_t)^2,

which is 1 at t = 0, and the chance that two independent images share their class where x_t holds nothing of the image.
In between it falls around the time at which the noise covers the direction in which the data vary most. The forward
process in continuous time, dx = -x dtau + sqrt(2) dW, has abar = exp(-2 tau); by Biroli, Bonnaire, de Bortoli and
Mezard, Dynamical regimes of diffusion models, Nature Communications 15:9957 (2024), the trajectories commit to a class
at the "speciation time" tau = log(Lambda) / 2, with the largest eigenvalue Lambda of the data's covariance, in the
limit of many dimensions: where abar_t Lambda = 1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import root_scalar
from torch import Tensor

from beyond.memory import posterior_weights
from beyond.steps import Mixture, SubsequenceSampler, coefficients, subsequence
from diffusion.affine import variances
from diffusion.classifier import CLASSES
from diffusion.forward import VarianceSchedule, chain_of_figure_2, forward_leap
from diffusion.images import Digits, rescale, snapshots
from diffusion.sampling import draw_noise
from diffusion.unet import UNet
from engine.device import CPU, Hardware
from engine.randomness import generator

Array = NDArray[np.floating]

NINE = 9
"""Runs of figure 6."""


def chosen_originals(there: int, total: int, seed: int) -> Tensor:
    """The numbers of `total` test images, of those that are there, to be noised and returned."""
    return torch.randperm(there, generator=generator(seed, "decision, originals"))[:total]


def noise_of_originals(total: int, shape: tuple[int, ...], seed: int) -> Tensor:
    """The noise with which the originals are noised, (total, *shape): the same at every t, so that the t differ in
    nothing else.
    """
    return draw_noise(seed, "decision, noise", range(total), 0, shape)[:, 0]


@dataclass(frozen=True)
class Starts:
    """What Algorithm 2 returns from x_t at one t: test images, noised by the leap (8), and figure 6's image."""

    originals: Tensor
    """The numbers of the test images, (n,)."""
    noised: Tensor
    """x_t of these, (n, 1, h, w)."""
    x_t: Tensor
    """Figure 6's image in the chain of figure 2, (1, 1, h, w): at t = T it is the start of figure 6's runs."""

    @classmethod
    def at(cls, t: int, digits: Digits, image: int, total: int, schedule: VarianceSchedule, seed: int) -> "Starts":
        """For `total` test images, and the training image of number `image`. The noise of the former is the same at
        every t.
        """
        originals = chosen_originals(len(digits.test_images), total, seed)
        x_0 = rescale(digits.test_images[originals])
        eps = noise_of_originals(len(x_0), tuple(x_0.shape[1:]), seed)
        chain = chain_of_figure_2(digits.training_image(image), schedule, seed)
        return cls(originals, forward_leap(x_0, t, eps, schedule), snapshots(chain, [t])[:, 0])

    @property
    def of_figure_6(self) -> Tensor:
        """Figure 6's image at t, once for each of the nine runs, (9, 1, h, w)."""
        return self.x_t.expand(NINE, -1, -1, -1)


def sampler_from(
    t: int, model: UNet, schedule: VarianceSchedule, seed: int, hardware: Hardware = CPU
) -> SubsequenceSampler:
    """Algorithm 2 with a trained network from t down, step by step, in place of from T."""
    sampler = SubsequenceSampler.of(model, schedule, seed, hardware)
    return replace(sampler, times=subsequence(t, t), eta=1.0)


def spectrum(images: Tensor) -> Array:
    """The eigenvalues of the covariance of images (n, ...), from the largest down, as many as an image has pixels."""
    return variances(images).flip(0).numpy()


def speciation_time(eigenvalue: float, schedule: VarianceSchedule) -> float:
    """The t at which abar_t times the eigenvalue is 1, between whole t by linear interpolation of log abar; 0 for an
    eigenvalue of at most 1, T for one of at least 1 / abar_T.
    """
    decay = -torch.log(schedule.alpha_bar).numpy()  # log(1 / abar_t)
    return float(np.interp(np.log(eigenvalue), decay, np.arange(schedule.T + 1)))


def eigenvalue_at(t: float, schedule: VarianceSchedule) -> float:
    """The eigenvalue whose `speciation_time` is t: 1 / abar_t, between whole t by interpolation of its logarithm."""
    decay = -torch.log(schedule.alpha_bar).numpy()
    return float(np.exp(np.interp(t, np.arange(schedule.T + 1), decay)))


def between_classes(images: Tensor, labels: Tensor) -> Array:
    """The eigenvalues, (d,), from the largest down, of the covariance of the classes' means, each weighted by its share
    of the images, (n, ...): of that part of the images' covariance that is between classes.
    """
    x, shares = images.flatten(1).double(), torch.bincount(labels, minlength=CLASSES).double() / len(labels)
    present = shares > 0
    means = torch.stack([x[labels == label].mean(dim=0) for label in torch.nonzero(present).flatten()])
    apart = means - shares[present] @ means
    eigenvalues = torch.linalg.eigvalsh(apart.T @ (shares[present, None] * apart)).flip(0)
    return eigenvalues.clamp(min=0).numpy()


def two_classes(largest_eigenvalue: float, separation: float) -> Mixture:
    """Two equally likely Gaussians with means -m and m and deviation s, m = separation s, whose variance m^2 + s^2 is
    the largest eigenvalue. It stands for two Gaussian classes in any dimension that differ in one direction: what is
    orthogonal to it keeps nothing of the class, and the best denoiser treats it apart.
    """
    s = (largest_eigenvalue / (1 + separation**2)) ** 0.5
    return Mixture((0.5, 0.5), (-separation * s, separation * s), (s, s))


def kept_exactly(mixture: Mixture, abar: float, points: int = 4001) -> float:
    """E sum_k p(k | x_t)^2 by quadrature (a trapezoidal sum, which converges exponentially for such integrands)."""
    weights, means, deviations = mixture.components
    spread = np.sqrt(abar * deviations**2 + 1 - abar)
    ends = np.sqrt(abar) * means + 9 * np.outer([-1, 1], spread)
    x = np.linspace(ends.min(), ends.max(), points)
    density = np.exp(-(((x[:, None] - np.sqrt(abar) * means) / spread) ** 2) / 2) / (spread * np.sqrt(2 * np.pi))
    return float(np.trapezoid((mixture.responsibilities(x, abar) ** 2).sum(axis=1) * (density @ weights), x))


def half_decided(mixture: Mixture) -> float:
    """The abar at which `kept_exactly` of two classes is 3/4, half-way from 1 to chance."""
    found = root_scalar(lambda decay: kept_exactly(mixture, np.exp(-decay)) - 0.75, bracket=(1e-3, 20))
    return float(np.exp(-found.root))


def signal(mixture: Mixture, abar: float) -> float:
    """a of (T2): the distance of a class's mean from the middle in standard deviations within a class, at abar."""
    _, means, deviations = mixture.components
    return float((abar * means[1] ** 2 / (abar * deviations[1] ** 2 + 1 - abar)) ** 0.5)


def kept_by_algorithm_2(mixture: Mixture, schedule: VarianceSchedule, t: int, runs: int, seed: Sequence[int]) -> int:
    """How many of `runs` draws from the mixture, noised to t by the leap (8), come back by Algorithm 2 with the exact
    prediction of the noise to the side of 0 that they came from. `seed` is the address of the random numbers.
    """
    random = np.random.default_rng(list(seed))
    abar = schedule.alpha_bar.numpy()
    x_0, _ = mixture.draw(runs, random)
    x = np.sqrt(abar[t]) * x_0 + np.sqrt(1 - abar[t]) * random.standard_normal(runs)
    for step in range(t, 0, -1):
        a, b, sigma = coefficients(abar[step], abar[step - 1], eta=1.0)
        x = a * x + b * mixture.noise(x, abar[step]) + sigma * random.standard_normal(runs)
    return int(np.sum((x > 0) == (x_0 > 0)))


def posterior(x_t: Tensor, abar: float, images: Tensor, labels: Tensor) -> Array:
    """p(class | x_t), (n, 10), for x_t, (n, ...), if x_0 is one of the `images`, (m, ...), each as likely: what a
    network that minimises the loss of Algorithm 1 over them exactly would go by (`memory.posterior_weights`).
    """
    weights = posterior_weights(x_t.flatten(1), torch.tensor([abar], dtype=torch.float64), images.flatten(1))
    return (weights.double() @ torch.nn.functional.one_hot(labels, CLASSES).double()).numpy()


def own(probabilities: Array, labels: NDArray[np.integer]) -> Array:
    """Of each image the probability of its own class, (n,), from p(class | x_t), (n, 10), and its labels, (n,)."""
    return np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]


def crossing(t: Iterable[float], share: Iterable[float], level: float) -> float:
    """The smallest t from which the share, given at rising t and linear between them, stays below the level: 0 if it is
    never above, the last t if it ends above.
    """
    t, share = np.asarray(t, dtype=float), np.asarray(share, dtype=float)
    above = np.flatnonzero(share >= level)
    if len(above) == 0:
        return float(t[0])
    last = above[-1]
    if last == len(t) - 1:
        return float(t[-1])
    return float(t[last] + (share[last] - level) / (share[last] - share[last + 1]) * (t[last + 1] - t[last]))


def agreement_time(t: Sequence[int], agreeing: Sequence[int], needed: int) -> int:
    """The largest of the rising times t up to which, at each of them, at least `needed` runs agree with the original;
    0 if not even at the first.
    """
    agreed = 0
    for time, number in zip(t, agreeing, strict=True):
        if number < needed:
            break
        agreed = time
    return agreed
