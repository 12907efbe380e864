"""Section 5, Algorithm 1: the network learns to predict the noise in x_t."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffusion.forward import VarianceSchedule, forward_leap
from diffusion.images import rescale
from engine.adam import moments, restore_moments
from engine.device import CPU, Hardware, one_ahead
from engine.errors import UserError
from engine.randomness import generator


@dataclass(frozen=True)
class TrainingSettings:
    """What Algorithm 1 leaves open; the values of the paper's experiment are in config.yaml."""

    seed: int
    steps: int
    """Gradient steps, each on one minibatch."""
    batch_size: int
    learning_rate: float
    adam_decays: tuple[float, float]
    """Adam's decay rates of the mean of the gradient and of its square."""
    warmup_steps: int = 0
    """Steps over which the learning rate rises linearly."""
    cosine_decay: bool = False
    """After the warm-up the learning rate falls to zero along half a cosine, else it is constant."""
    averaging: float = 0.0
    """Decay of the exponential moving average of the weights; 0 keeps the last weights."""
    stratified_t: bool = False
    """Spread the steps t of a minibatch evenly over 1..T; each is still uniform (see `draw`)."""
    loss_weight_power: float = 0.0
    """Power p of the weight of a step t in the loss (see `loss_weights`); 0 is Algorithm 1."""

    @classmethod
    def of_epochs(cls, epochs: float, images_per_epoch: int, batch_size: int, **others) -> "TrainingSettings":
        """The settings of a training of this many epochs of this many images: at least one gradient step."""
        steps = max(1, int(epochs * images_per_epoch / batch_size))
        return cls(steps=steps, batch_size=batch_size, **others)

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        warm = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        if not self.cosine_decay:
            return self.learning_rate * warm
        progress = max(0, step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * progress))

    def averaging_decay(self, step: int) -> float:
        """The decay of the averaged weights at a step, counted from 0: it warms up, so that the average forgets the
        first, random weights. After k steps the average reaches back about k / 9 steps, or 1 / (1 - averaging).
        """
        return min(self.averaging, (1 + step) / (10 + step))


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, images: int) -> Tensor:
    return torch.randperm(images, generator=generator(seed, "order", epoch))


def minibatch(seed: int, step: int, batch_size: int, images: int) -> Tensor:
    """Line 2 of Algorithm 1 for a minibatch: indices (batch_size,) of the training images of a step, counted from 0.

    The images come in a fresh random order in each pass over all of them: a function of seed and step alone.
    """
    position = step * batch_size
    indices = []
    while position < (step + 1) * batch_size:
        epoch, offset = divmod(position, images)
        taken = min(images - offset, (step + 1) * batch_size - position)
        indices.append(_permutation(seed, epoch, images)[offset : offset + taken])
        position += taken
    return torch.cat(indices)


def draw(
    seed: int, step: int, batch_size: int, T: int, shape: tuple[int, ...], stratified: bool = False
) -> tuple[Tensor, Tensor]:
    """Lines 3 and 4 of Algorithm 1 for a minibatch: t uniform on {1, ..., T}, (n,), and eps standard Gaussian,
    (n, *shape). Both ends of the range are drawn; both depend on seed and step alone.

    `stratified` draws one t from each n-th part of the range, in random order. Each t alone is still uniform, so the
    expected gradient is that of Algorithm 1; its variance is less, since the loss depends strongly on t.
    """
    source = generator(seed, "training", step)
    if stratified:
        part = torch.randperm(batch_size, generator=source)
        within = torch.rand(batch_size, generator=source, dtype=torch.float64)
        t = 1 + ((part + within) * T / batch_size).long().clamp(max=T - 1)
    else:
        t = torch.randint(1, T + 1, (batch_size,), generator=source)
    return t, torch.randn((batch_size, *shape), generator=source)


def loss(
    eps_theta: Callable[[Tensor, Tensor], Tensor], x_0: Tensor, t: Tensor, eps: Tensor, schedule: VarianceSchedule
) -> Tensor:
    """Line 5 of Algorithm 1: | eps - eps_theta(x_t, t) |^2 for each image, (n,), with x_t from the leap (8).

    The mean over pixels in place of the sum: Adam's steps do not depend on the loss's scale. x_0 and eps are
    (n, 1, h, w), t is (n,).
    """
    predicted = eps_theta(forward_leap(x_0, t, eps, schedule), t).float()
    return F.mse_loss(predicted, eps, reduction="none").mean(dim=(1, 2, 3))


def loss_weights(schedule: VarianceSchedule, power: float) -> Tensor:
    """A weight for the loss at each step t, (T + 1,) in float32, of mean 1 over t = 1..T:
    max(1, 1 / SNR(t))^power, with SNR(t) = alpha_bar_t / (1 - alpha_bar_t) the signal's power in x_t over the noise's.

    At large t almost all of x_t is noise and eps is easily predicted: without weights, a short training hardly learns
    the small remainder, which decides the shape of an image. In principle each t is learned independently of the
    others, so the network that minimises the loss is the same for any weights. Ours; `power` 0 weights all steps alike,
    as Algorithm 1. Raises UserError for a power so large that they are not finite.
    """
    noise_over_signal = (1 - schedule.alpha_bar) / schedule.alpha_bar
    weights = noise_over_signal.clamp(min=1) ** power
    weights = (weights / weights[1:].mean()).float()
    if not weights.isfinite().all():
        raise UserError(f"the weights of the loss are not finite: lower ddpm.loss_weight_power, now {power}")
    return weights


class Objective(nn.Module):
    """Line 5 of Algorithm 1 for a minibatch, as a function of its images, (n, 1, h, w) uint8, their steps t, (n,), and
    the noise eps, (n, 1, h, w): the mean loss with the weights of `loss_weights`, whose gradient is taken, and the mean
    loss without them, both ().
    """

    def __init__(self, model: nn.Module, schedule: VarianceSchedule, weight_power: float = 0.0) -> None:
        super().__init__()
        self.model, self.schedule = model, schedule
        self.weights = loss_weights(schedule, weight_power)

    def forward(self, images: Tensor, t: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        each = loss(self.model, rescale(images), t, eps, self.schedule)
        return (self.weights[t] * each).mean(), each.detach().mean()


REMEDY = "lower ddpm.learning_rate or ddpm.loss_weight_power, or raise ddpm.warmup_steps"
"""For a training that diverges."""


class Training:
    """A network in training: its weights, Adam's moments, averaged weights where they are asked for, and the number of
    gradient steps behind it.

    `prepare` turns the objective into what is to be evaluated, where that differs: compiled, or shared by several
    processes. `remedy` says what to do if the training diverges.
    """

    def __init__(
        self,
        model: nn.Module,
        settings: TrainingSettings,
        prepare: Callable[[nn.Module], nn.Module] = lambda objective: objective,
        remedy: str = REMEDY,
    ) -> None:
        self.model, self.settings, self.prepare, self.remedy = model, settings, prepare, remedy
        self.step = 0
        parameters = list(model.parameters())
        self.optimiser = torch.optim.Adam(parameters, settings.learning_rate, settings.adam_decays, fused=True)
        self.average = [p.detach().clone() for p in parameters] if settings.averaging else []

    def descend(self, loss: Tensor) -> None:
        """The gradient step of line 5 of Algorithm 1, on a loss, (), by Adam."""
        self.optimiser.param_groups[0]["lr"] = self.settings.rate(self.step)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        if self.average:
            parameters = [p.detach() for p in self.model.parameters()]
            torch._foreach_lerp_(self.average, parameters, 1 - self.settings.averaging_decay(self.step))
        self.step += 1

    def state(self) -> dict[str, Tensor]:
        """All that the next steps depend on, by name."""
        names = [name for name, _ in self.model.named_parameters()]
        tensors = {f"model.{name}": p.detach() for name, p in self.model.named_parameters()}
        tensors |= {f"average.{name}": p for name, p in zip(names, self.average, strict=False)}
        tensors |= moments(self.model, self.optimiser)
        return {name: value.contiguous() for name, value in tensors.items()}

    def restore(self, step: int, state: dict[str, Tensor]) -> None:
        """Go on after a step, from the state then."""
        self.step = step
        restore_moments(self.model, self.optimiser, state)
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                p.copy_(state[f"model.{name}"])
            for (name, _), mean in zip(self.model.named_parameters(), self.average, strict=False):
                mean.copy_(state[f"average.{name}"])

    def weights(self) -> dict[str, Tensor]:
        """The weights to sample with: averaged where averaging is on, in float32 on the CPU.

        Raises UserError if they are not finite.
        """
        values = self.average or [p.detach() for p in self.model.parameters()]
        names = [name for name, _ in self.model.named_parameters()]
        if not all(value.isfinite().all() for value in values):
            raise UserError(f"the training diverged, and its weights are not finite: {self.remedy}")
        return {name: value.float().cpu().contiguous() for name, value in zip(names, values, strict=True)}


def training_steps(
    training: Training,
    images: Tensor,
    schedule: VarianceSchedule,
    hardware: Hardware = CPU,
    share: slice = slice(None),
) -> Iterator[tuple[int, Tensor]]:
    """Algorithm 1 on `images`, (n, 1, h, w) uint8, from training.step on: yields (step, loss) after each gradient step,
    the loss () being the minibatch's mean, on the device. What a step draws is drawn while the one before is computed.

    `share` is the part of each minibatch that this process computes. Minibatches and noise depend on the settings'
    seed and the step alone.
    """
    images, settings = images.to(hardware.device), training.settings
    objective = training.prepare(Objective(training.model, schedule.to(hardware.device), settings.loss_weight_power))

    def drawn(step: int) -> tuple[Tensor, ...]:
        at = settings.seed, step, settings.batch_size
        t, eps = draw(*at, schedule.T, tuple(images.shape[1:]), settings.stratified_t)
        return minibatch(*at, len(images))[share], t[share], eps[share]

    for minibatch_and_noise in one_ahead(drawn, range(training.step, settings.steps)):
        indices, t, eps = map(hardware.send, minibatch_and_noise)
        with hardware.mixed_precision():
            weighted, mean = objective(images[indices], t, eps)
        training.descend(weighted)
        yield training.step, mean.clone()  # of its own memory: a recorded step writes over the values of the one before
