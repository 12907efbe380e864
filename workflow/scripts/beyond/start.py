"""The cost of the 8% of the amplitude that is left at t = T.

Algorithm 2 starts from N(0, I), though x_T keeps the share sqrt(abar_T) of the image's amplitude.

For Gaussian data N(mu, C) everything is exact. In the directions of C's eigenvectors, the modes, the best prediction
of the noise is affine, a mode at a time, and so Algorithm 2 carries Gaussians to Gaussians. Their Wasserstein-2
distance is

    W2^2 = sum over modes of (difference of means)^2 + (difference of standard deviations)^2,

the Euclidean distance of the points (means, standard deviations). So errors are vectors: that of the start, of the
finite steps and of the last step add up to the whole error. (Pierret and Galerne, "Diffusion models for Gaussian
distributions: exact solutions and Wasserstein errors", ICML 2025, arXiv:2405.14250, study such errors for stochastic
differential equations and their discretisations; the steps here are the paper's own.)

For the law that is finitely many images, each as likely as another, the start's cost is a change of their chances: see
`chances`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from beyond.memory import Minimiser
from diffusion.affine import moments
from diffusion.backward import denoising_mean, posterior_variance
from diffusion.forward import VarianceSchedule, forward_leap
from diffusion.images import rescale
from engine.randomness import generator


@dataclass(frozen=True)
class Modes:
    """A Gaussian whose covariance has the data's eigenvectors: means and variances of its modes, (d,), float64."""

    mean: Tensor
    variance: Tensor

    @classmethod
    def standard(cls, d: int) -> "Modes":
        """The standard Gaussian, in whatever directions."""
        return cls(torch.zeros(d, dtype=torch.float64), torch.ones(d, dtype=torch.float64))

    @property
    def point(self) -> Tensor:
        """(means, standard deviations), (2, d)."""
        return torch.stack([self.mean, self.variance.sqrt()])

    def distance(self, other: "Modes") -> float:
        """The Wasserstein-2 distance, where both have the same eigenvectors."""
        return float((self.point - other.point).norm())


def modes_of(images: Tensor) -> tuple[Modes, Tensor]:
    """The Gaussian with the mean and covariance of images, (n, 1, h, w) in [-1, 1], and its eigenvectors as columns,
    (d, d).
    """
    mean, covariance = moments(images)
    values, vectors = torch.linalg.eigh(covariance)
    return Modes(mean @ vectors, values.clamp(min=0)), vectors


def noised(data: Modes, t: int, schedule: VarianceSchedule) -> Modes:
    """The law of x_t: by (8), means sqrt(abar) mu and variances abar lambda + 1 - abar."""
    abar = schedule.alpha_bar[t]
    return Modes(abar**0.5 * data.mean, abar * data.variance + 1 - abar)


def noise(x: Tensor, t: int, data: Modes, schedule: VarianceSchedule) -> Tensor:
    """E[eps | x_t = x] for Gaussian data, (d,): sqrt(1 - abar) (x - sqrt(abar) mu) / (abar lambda + 1 - abar)."""
    law = noised(data, t, schedule)
    return (1 - schedule.alpha_bar[t]) ** 0.5 / law.variance * (x - law.mean)


def step_back(law: Modes, t: int, data: Modes, schedule: VarianceSchedule) -> Modes:
    """The law of x_{t-1} by the denoising step (19), with the exact noise for Gaussian data, if x_t has a given law.

    The mean (18) is affine in x; its slope is what it makes of x = 1 in place of x = 0.
    """

    def mean(x: Tensor) -> Tensor:
        return denoising_mean(x, noise(x, t, data, schedule), t, schedule)

    slope = mean(torch.ones_like(law.mean)) - mean(torch.zeros_like(law.mean))
    return Modes(mean(law.mean), slope**2 * law.variance + posterior_variance(t, schedule))


def algorithm_2(law: Modes, data: Modes, schedule: VarianceSchedule) -> Modes:
    """The law of Algorithm 2's x_0, if its x_T has a given law."""
    for t in range(schedule.T, 0, -1):
        law = step_back(law, t, data, schedule)
    return law


def kept_of_start(variance: Tensor, schedule: VarianceSchedule) -> Tensor:
    """How much of a displacement of x_T Algorithm 2 hands on to x_0, for each mode, (d,): the product of its slopes,
    which is that of the regression of x_0 on x_T, sqrt(abar_T) lambda / (abar_T lambda + 1 - abar_T).

    For (18) is the exact mean of x_{t-1} given x_t, and means of Markov chains follow one another.
    """
    abar = schedule.alpha_bar[-1]
    return abar**0.5 * variance / (abar * variance + 1 - abar)


@dataclass(frozen=True)
class Errors:
    """What each cause adds to (means, standard deviations) of the law of x_0: displacements (2, d), which add up."""

    start: Tensor
    """By starting from N(0, I) in place of the law of x_T."""
    steps: Tensor
    """By steps with the variance (15), where the exact one is larger, from x_T to x_1."""
    last: Tensor
    """By the last step's mean in place of a draw of x_0 given x_1."""

    @property
    def total(self) -> Tensor:
        return self.start + self.steps + self.last

    def sizes(self) -> dict[str, float]:
        """The Wasserstein-2 distance that each makes alone, and that of all together."""
        return {name: float(part.norm()) for name, part in {**vars(self), "total": self.total}.items()}

    def shares(self) -> dict[str, float]:
        """How much of the total each explains: <part, total> / |total|^2, which add up to 1."""
        return {name: float((part * self.total).sum() / self.total.square().sum()) for name, part in vars(self).items()}


def errors(data: Modes, schedule: VarianceSchedule) -> Errors:
    """The three errors of Algorithm 2 for Gaussian data, the first two with the exact prediction of the noise."""
    of_standard = algorithm_2(Modes.standard(len(data.mean)), data, schedule)
    of_x_T = algorithm_2(noised(data, schedule.T, schedule), data, schedule)
    of_x_1 = step_back(noised(data, 1, schedule), 1, data, schedule)
    return Errors(
        start=of_standard.point - of_x_T.point,
        steps=of_x_T.point - of_x_1.point,
        last=of_x_1.point - data.point,
    )


def chances(minimiser: Minimiser, x_T: Tensor, batch_size: int = 250) -> Tensor:
    """How likely each training image is to be copied from starts x_T, (n, 1, h, w): (N,), the mean of w_i(x_T, T).

    The forward process from finitely many images, run backwards without error, ends in the image i with the
    chance w_i(x_T, T). Starts from the law of x_T itself give each the chance 1 / N; those from N(0, I) do not.
    """
    T = torch.tensor([minimiser.schedule.T])
    total = torch.zeros(len(minimiser.images), dtype=torch.float64)
    for batch in x_T.split(batch_size):
        total += minimiser.weights(batch, T).sum(dim=0)
    return total / len(x_T)


def starts(images: Tensor, n: int, schedule: VarianceSchedule, seed: int) -> dict[str, Tensor]:
    """Pairs of starts x_T, each (n, 1, h, w): `gaussian`, standard Gaussians eps, and `true`, training images carried
    to T by the leap (8) with the same eps. `images` are all training images, (N, 1, h, w) uint8.
    """
    chosen = torch.randint(len(images), (n,), generator=generator(seed, "beyond, starts, images"))
    eps = torch.randn(n, *images.shape[1:], generator=generator(seed, "beyond, starts, noise"))
    return {"gaussian": eps, "true": forward_leap(rescale(images[chosen]), schedule.T, eps, schedule)}
