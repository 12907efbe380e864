"""What the perfect network knows: the exact minimiser of Algorithm 1's loss over finitely many images, and copies.

Algorithm 1 draws x_0 from finitely many training images y_1, ..., y_N, each as likely as another. Whatever the network,
its loss at the step t is smallest, over all functions of x_t, for the conditional mean of the noise,

    eps*(x, t) = E[eps | x_t = x] = (x - sqrt(abar_t) m(x, t)) / sqrt(1 - abar_t),
    m(x, t) = sum_i w_i(x, t) y_i,    w_i(x, t) proportional to exp(-|x - sqrt(abar_t) y_i|^2 / (2 (1 - abar_t))),

by (8), (9) and Bayes's rule: a mean of the training images, with weights that are a softmax (Karras et al.,
"Elucidating the design space of diffusion-based generative models", NeurIPS 2022, equation 57; Gu et al., "On
memorization in diffusion models", Transactions on Machine Learning Research, 2025).
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from scipy.interpolate import interp1d
from sklearn.datasets import load_digits
from torch import Tensor, nn

from diffusion.forward import VarianceSchedule, factors, forward_leap
from diffusion.sampling import NoisePredictor
from diffusion.training import Training, TrainingSettings, loss, training_steps
from diffusion.unet import SinusoidalEmbedding
from engine.device import Hardware
from engine.randomness import generator

COPY = 1 / 3
"""A generated image is a copy if its nearest training image is nearer than this times the second nearest: Gu et al.,
as in their program's `mem_ratio.py`."""


REMEDY = "lower beyond.memory.learning_rate"
"""For a small network whose training diverges."""


def posterior_weights(x: Tensor, abar: Tensor, images: Tensor) -> Tensor:
    """w_i(x, t), (n, N), of the images, (N, d), for x, (n, d), and abar_t in float64, (n,) or (1,).

    The exponent, less what all i share, is (sqrt(abar) x . y_i - abar |y_i|^2 / 2) / (1 - abar).
    """
    of_product, of_square = factors(x, abar**0.5 / (1 - abar), abar / (1 - abar) / 2)
    squares = images.square().sum(dim=1)
    return (of_product * (x @ images.T) - of_square * squares).softmax(dim=1)


@dataclass(frozen=True)
class Minimiser:
    """eps*(x, t), the exact minimiser of Algorithm 1's loss over the training images; it can stand for the network."""

    images: Tensor
    """y_1, ..., y_N as rows, (N, d), in [-1, 1]."""
    schedule: VarianceSchedule

    @classmethod
    def of(cls, images: Tensor, schedule: VarianceSchedule) -> "Minimiser":
        """For images (N, 1, h, w) in [-1, 1]."""
        return cls(images.flatten(1), schedule)

    def weights(self, x: Tensor, t: Tensor) -> Tensor:
        """w_i(x, t), (n, N), for images x, (n, 1, h, w), at steps t, (n,) or (1,)."""
        return posterior_weights(x.flatten(1), self.schedule.alpha_bar[t], self.images)

    def mean(self, x: Tensor, t: Tensor) -> Tensor:
        """m(x, t) = E[x_0 | x_t = x], of the shape of x: the weighted mean of the training images."""
        return (self.weights(x, t) @ self.images).reshape(x.shape)

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """eps*(x, t), of the shape of x."""
        abar = self.schedule.alpha_bar[t]
        scale, deviation = factors(x, abar**0.5, (1 - abar) ** 0.5)
        return (x - scale * self.mean(x, t)) / deviation


def effective_number(weights: Tensor) -> Tensor:
    """Of how many images a weighted mean is made: the exponential of the weights' entropy, (n,), for weights (n, N).
    It is N for equal weights, and 1 where one image has all the weight.
    """
    return torch.special.entr(weights).sum(dim=1).exp()


def spread_times(T: int, count: int) -> list[int]:
    """At most `count` steps from 1 to T, half of them evenly spread on a logarithmic scale from 1, half on a linear one
    to T; count >= 2.
    """
    logarithmic = np.geomspace(1, T, count // 2 + 1)[:-1]
    linear = np.linspace(0, T, count - count // 2 + 1)[1:]
    return sorted({max(1, round(t)) for t in [*logarithmic, *linear]})


@dataclass(frozen=True)
class Noised:
    """Images x_0, (n, 1, h, w), their steps t, (n,), and their noise eps, (n, 1, h, w): what Algorithm 1 draws."""

    x_0: Tensor
    t: Tensor
    eps: Tensor

    @classmethod
    def draw(cls, x_0: Tensor, t: Tensor, seed: int, stream: str) -> "Noised":
        """With standard Gaussian noise of a stream, for steps t, (n,) or (1,)."""
        eps = torch.randn(x_0.shape, generator=generator(seed, stream, len(x_0), int(t.sum())), dtype=x_0.dtype)
        return cls(x_0, t.expand(len(x_0)), eps)

    @classmethod
    def at(cls, t: int, x_0: Tensor, seed: int, stream: str) -> "Noised":
        """All at one step t."""
        return cls.draw(x_0, torch.tensor([t]), seed, stream)

    @classmethod
    def over(cls, T: int, x_0: Tensor, seed: int, stream: str) -> "Noised":
        """At steps evenly spread over 1..T, in random order, so that a mean over them is one over t."""
        n = len(x_0)
        t = 1 + ((torch.arange(n) + 0.5) * T / n).long().clamp(max=T - 1)
        return cls.draw(x_0, t[torch.randperm(n, generator=generator(seed, stream, n))], seed, stream)

    def x_t(self, schedule: VarianceSchedule) -> Tensor:
        """The noised images, by the leap (8)."""
        return forward_leap(self.x_0, self.t, self.eps, schedule)

    def losses(self, eps_theta: NoisePredictor, schedule: VarianceSchedule) -> Tensor:
        """The loss of Algorithm 1, each pixel's mean, of each image: (n,)."""
        return self._each(lambda x_0, t, eps: loss(eps_theta, x_0, t, eps, schedule))

    def distances(self, first: NoisePredictor, second: NoisePredictor, schedule: VarianceSchedule) -> Tensor:
        """|first(x_t, t) - second(x_t, t)|^2, each pixel's mean, of each image: (n,)."""

        def between(x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
            x_t = forward_leap(x_0, t, eps, schedule)
            return (first(x_t, t) - second(x_t, t)).square().mean(dim=(1, 2, 3))

        return self._each(between)

    @torch.no_grad()
    def _each(self, value: Callable[[Tensor, Tensor, Tensor], Tensor], batch_size: int = 250) -> Tensor:
        batches = zip(*(part.split(batch_size) for part in (self.x_0, self.t, self.eps)), strict=True)
        return torch.cat([value(*batch) for batch in batches])


def mean_over_t(times: Sequence[int], losses: Tensor, schedule: VarianceSchedule) -> Tensor:
    """The mean over t = 1..T of each image's losses, (len(times), n), known at some times from 1 to T: (n,) in float64.

    Of a weighted mean m of images the loss is abar / (1 - abar) |x_0 - m|^2 / d, and the last factor, which varies
    little with t, is taken to be linear in log t between the times.
    """
    factor = (schedule.alpha_bar / (1 - schedule.alpha_bar))[1:].numpy()
    squares = losses.double().numpy() / factor[np.asarray(times) - 1][:, None]
    if len(times) == 1:  # T = 1
        return torch.from_numpy(factor * squares[0])
    between = interp1d(np.log(times), squares, axis=0)(np.log(np.arange(1, schedule.T + 1)))
    return torch.from_numpy((factor[:, None] * between).mean(axis=0))


def position(distance: float, least: float, affine: float) -> float:
    """Where a prediction of the noise stands between the exact minimiser, 0, and the best affine one, 1, by its mean
    squared `distance` to the minimiser; `least` and `affine` are the losses of these two.

    By Pythagoras, in the space of square-integrable functions of x_t, the distance is what the prediction's loss has
    above the least.
    """
    return distance / (affine - least)


def nearest_two(x: Tensor, images: Tensor, batch_size: int = 250) -> tuple[Tensor, Tensor]:
    """The Euclidean distances of each image of x, (n, 1, h, w), to its nearest and its second nearest of `images`,
    (n, 2), and their numbers, (n, 2).
    """
    rows, flat = x.flatten(1), images.flatten(1)
    found = torch.cat([torch.cdist(batch, flat).topk(2, largest=False).indices for batch in rows.split(batch_size)])
    # the product of matrices, by which cdist finds them, loses the small distances to rounding
    distances = (rows[:, None] - flat[found]).norm(dim=2)
    nearest_first = distances.argsort(dim=1)
    return distances.gather(1, nearest_first), found.gather(1, nearest_first)


def copies(x: Tensor, images: Tensor) -> Tensor:
    """Which of the images x, (n, 1, h, w), are copies of one of `images` by the rule COPY: (n,) of truth values."""
    nearest, second = nearest_two(x, images)[0].unbind(dim=1)
    return nearest < COPY * second


def small_digits(seed: int) -> Tensor:
    """Scikit-learn's 1,797 embedded digits as they are, 8x8, in random order: (1797, 1, 8, 8) uint8."""
    grey = torch.from_numpy(load_digits().images / 16 * 255).round().to(torch.uint8)[:, None]
    return grey[torch.randperm(len(grey), generator=generator(seed, "beyond, digits"))]


def on_cpu(predict: NoisePredictor, hardware: Hardware) -> NoisePredictor:
    """A network's prediction of the noise in images on the CPU, computed on the hardware's device."""
    return lambda x, t: predict(hardware.send(x), hardware.send(t)).cpu()


class SmallNetwork(nn.Module):
    """eps_theta(x_t, t) for images of few pixels: fully connected layers, of which the hidden ones have a shortcut, on
    the pixels. From a sinusoidal embedding of t come a factor and a summand for what goes into each, since how sharply
    the prediction depends on x_t is up to t. Maps (n, 1, h, w) and t, (n,) or (1,), to (n, 1, h, w). On images as small
    as these a processor would spend its time between the 205 layers of the paper's network rather than in them.
    """

    def __init__(self, pixels: int, width: int, hidden: int = 2) -> None:
        super().__init__()
        self.embed_t = nn.Sequential(
            SinusoidalEmbedding(64), nn.Linear(64, width), nn.SiLU(), nn.Linear(width, 2 * width * (hidden + 1))
        )
        self.first = nn.Linear(pixels, width)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.hidden = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width)) for _ in range(hidden)
        )
        self.last = nn.Linear(width, pixels)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        (scale, shift), *others = self.embed_t(t).unflatten(1, (-1, 2, self.first.out_features)).permute(1, 2, 0, 3)
        h = self.first(x.flatten(1)) * (1 + scale) + shift
        for layer, (scale, shift) in zip(self.hidden, others, strict=True):
            h = h + layer(self.norm(h) * (1 + scale) + shift)
        return self.last(h).reshape(x.shape)


def stages(
    images: Tensor, width: int, settings: TrainingSettings, schedule: VarianceSchedule, after: Collection[int]
) -> Iterator[tuple[int, SmallNetwork]]:
    """A small network in training by Algorithm 1 on `images`, (n, 1, h, w) uint8: after some of the gradient steps
    their number, and the network as it is to be used, with its averaged weights.
    """
    torch.manual_seed(settings.seed)
    network = SmallNetwork(images[0].numel(), width)
    training = Training(network, settings, remedy=REMEDY)
    for step, _ in training_steps(training, images, schedule):
        if step in after:
            now = deepcopy(network)
            now.load_state_dict(training.weights())
            yield step, now.eval().requires_grad_(False)
