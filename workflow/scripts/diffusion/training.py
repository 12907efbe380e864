"""Section 5, Algorithm 1: the network learns to predict the noise in x_t."""

import logging
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffusion.forward import VarianceSchedule, forward_leap
from diffusion.images import rescale
from engine import parallel
from engine.checkpoints import StateFolder
from engine.device import compiled, send, wait_for
from engine.errors import UserError
from engine.progress import Forecast, duration, progress_bar
from engine.randomness import generator

logger = logging.getLogger(__name__)

STEPS_BETWEEN_VOTES = 10
"""Several processes agree so often on whether to save or to stop: each vote makes a GPU wait."""


@dataclass(frozen=True)
class TrainingSettings:
    """What Algorithm 1 leaves open; the values of the paper's experiment stand in config.yaml."""

    seed: int
    steps: int
    """Gradient steps, each on one minibatch."""
    batch_size: int
    learning_rate: float
    adam_decays: tuple[float, float]
    """Adam's decay rates of the mean of the gradient and of its square."""
    warmup_steps: int = 0
    """The learning rate rises linearly over so many steps."""
    cosine_decay: bool = False
    """After the warm-up the learning rate falls to zero along half a cosine, else it is constant."""
    averaging: float = 0.0
    """Decay of the exponential moving average of the weights; 0 keeps the last weights."""
    stratified_t: bool = False
    """Spread the steps t of a minibatch evenly over 1..T; each is still uniform (see `draw`)."""
    loss_weight_power: float = 0.0
    """Power p of the weight of a step t in the loss (see `loss_weights`); 0 is Algorithm 1."""
    history_steps: int = 50
    """Steps that one row of the history sums up."""

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


@dataclass
class Training:
    """What a training holds: weights, optimiser, averaged weights, and the history so far."""

    model: nn.Module
    optimiser: torch.optim.Optimizer
    average: list[Tensor]
    loss_sum: Tensor
    """Sum of the losses since the last row of the history, on the device: reading it would stop a GPU."""
    step: int
    history: list[dict]
    seconds: float

    @classmethod
    def start(cls, model: nn.Module, settings: TrainingSettings, device: torch.device) -> "Training":
        parameters = list(model.parameters())
        optimiser = torch.optim.Adam(parameters, settings.learning_rate, settings.adam_decays, fused=True)
        average = [p.detach().clone() for p in parameters] if settings.averaging else []
        return cls(model, optimiser, average, torch.zeros((), device=device), 0, [], 0.0)

    def save(self, states: StateFolder) -> None:
        names = [name for name, _ in self.model.named_parameters()]
        tensors = {f"model.{name}": p.detach() for name, p in self.model.named_parameters()}
        tensors |= {f"average.{name}": p for name, p in zip(names, self.average, strict=False)}
        for name, p in self.model.named_parameters():
            tensors |= {f"adam.{key}.{name}": value for key, value in self.optimiser.state[p].items()}
        tensors = {name: value.contiguous() for name, value in tensors.items()} | {"loss_sum": self.loss_sum}
        states.save(self.step, tensors, {"history": self.history, "seconds": self.seconds})

    def restore(self, states: StateFolder) -> bool:
        """Go on from the newest sound state; False where there is none."""
        if (found := states.load()) is None:
            return False
        self.step, tensors, record = found
        self.history, self.seconds = record["history"], record["seconds"]
        with torch.no_grad():
            self.loss_sum.copy_(tensors["loss_sum"])
            for name, p in self.model.named_parameters():
                p.copy_(tensors[f"model.{name}"])
                self.optimiser.state[p] = {
                    key: tensors[f"adam.{key}.{name}"].to(p.device) for key in ("step", "exp_avg", "exp_avg_sq")
                }
            for (name, _), mean in zip(self.model.named_parameters(), self.average, strict=False):
                mean.copy_(tensors[f"average.{name}"])
        return True

    def weights(self) -> dict[str, Tensor]:
        """The weights to sample with: averaged where averaging is on, in float32 on the CPU."""
        values = self.average or [p.detach() for p in self.model.parameters()]
        names = [name for name, _ in self.model.named_parameters()]
        return {name: value.float().cpu().contiguous() for name, value in zip(names, values, strict=True)}


class Interrupted(UserError):
    """Training was asked to stop; its state is saved, and the same call goes on from there."""


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, images: int) -> Tensor:
    return torch.randperm(images, generator=generator(seed, "order", epoch))


def minibatch(seed: int, step: int, batch_size: int, images: int) -> Tensor:
    """Indices (batch_size,) of the training images of a step, counted from 0.

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


def loss(model: nn.Module, x_0: Tensor, t: Tensor, eps: Tensor, schedule: VarianceSchedule) -> Tensor:
    """Line 5 of Algorithm 1: | eps - eps_theta(x_t, t) |^2 with x_t from the leap (8).

    The mean over pixels and images in place of the sum: Adam's steps do not depend on the loss's scale.
    """
    return errors(model, x_0, t, eps, schedule).mean()


def errors(model: nn.Module, x_0: Tensor, t: Tensor, eps: Tensor, schedule: VarianceSchedule) -> Tensor:
    """The loss of each image, (n,)."""
    predicted = model(forward_leap(x_0, t, eps, schedule), t).float()
    return F.mse_loss(predicted, eps, reduction="none").mean(dim=(1, 2, 3))


def loss_weights(schedule: VarianceSchedule, power: float) -> Tensor:
    """A weight for the loss at each step t, (T + 1,) in float32, of mean 1 over t = 1..T:
    max(1, 1 / SNR(t))^power, with SNR(t) = alpha_bar_t / (1 - alpha_bar_t) the signal's power in x_t over the noise's.

    At large t almost all of x_t is noise and eps is easily told: without weights, a short training hardly learns the
    small rest, where an image's shape is settled. Each t is learned apart from all others in principle, so the network
    that minimises the loss is the same one for any weights. Ours; `power` 0 weights all steps alike, as Algorithm 1.
    """
    noise_over_signal = (1 - schedule.alpha_bar) / schedule.alpha_bar
    weights = noise_over_signal.clamp(min=1) ** power
    return (weights / weights[1:].mean()).float()


def train(
    model: nn.Module,
    images: Tensor,
    schedule: VarianceSchedule,
    settings: TrainingSettings,
    device: torch.device,
    precision: torch.dtype,
    states: StateFolder | None = None,
    save_seconds: float = 600.0,
    stop: Callable[[], bool] = lambda: False,
) -> Training:
    """Algorithm 1 on `images`, (n, 1, h, w) uint8, for `settings.steps` steps.

    With `states` it saves its state every `save_seconds` seconds and goes on from the newest one; a training that was
    stopped and goes on ends with bitwise the weights of one that was not (same device, same thread count). Where
    `stop()` becomes true it saves and raises Interrupted. Started in several processes (see `parallel`), each computes
    its share of every minibatch: same minibatches, same noise, and the same weights to rounding.
    """
    model.to(device)
    images, schedule = images.to(device), schedule.to(device)
    training = Training.start(model, settings, device)
    if states:
        if parallel.rank() == 0:
            states.remove_others()
        if training.restore(states):
            logger.info("going on after step %d of %d", training.step, settings.steps)
    network = parallel.shared(compiled(model, device))
    weights = loss_weights(schedule, settings.loss_weight_power)
    started = time.monotonic() - training.seconds
    saved = time.monotonic()
    row_started = training.seconds
    images_before = training.step * settings.batch_size
    total = settings.steps * settings.batch_size
    forecast = Forecast("training", settings.steps - training.step, partial(wait_for, device))
    with progress_bar(total, "image", images_before, hidden=parallel.rank() > 0) as bar:
        while training.step < settings.steps:
            _gradient_step(training, network, images, schedule, weights, settings, precision)
            training.seconds = time.monotonic() - started
            bar.update(settings.batch_size)
            forecast.step()
            finished = training.step == settings.steps
            if training.step % settings.history_steps == 0 or finished:
                _add_row(training, settings, training.seconds - row_started)
                row_started = training.seconds
                bar.set_postfix(loss=f"{training.history[-1]['loss']:.4f}")
            if parallel.workers() > 1 and training.step % STEPS_BETWEEN_VOTES and not finished:
                continue
            asked, due = parallel.any_of(stop(), time.monotonic() - saved > save_seconds, device=device)
            if states and (asked or due or finished):
                parallel.average(training.loss_sum)
                if parallel.rank() == 0:
                    training.save(states)
                saved = time.monotonic()
            if asked:
                raise Interrupted(
                    f"training was asked to stop after step {training.step} of {settings.steps}; its state is saved: "
                    "run again to go on from there"
                )
    return training


def _gradient_step(
    training: Training,
    network: nn.Module,
    images: Tensor,
    schedule: VarianceSchedule,
    weights: Tensor,
    settings: TrainingSettings,
    precision: torch.dtype,
) -> None:
    device, step, n = images.device, training.step, settings.batch_size
    mine = parallel.share(n)
    indices = minibatch(settings.seed, step, n, len(images))[mine]
    drawn = draw(settings.seed, step, n, schedule.T, tuple(images.shape[1:]), settings.stratified_t)
    t, eps = (send(value[mine], device) for value in drawn)
    x_0 = rescale(images[send(indices, device)])
    training.optimiser.param_groups[0]["lr"] = settings.rate(step)
    training.optimiser.zero_grad(set_to_none=True)
    with mixed_precision(device, precision):
        each = errors(network, x_0, t, eps, schedule)
    (weights[t] * each).mean().backward()
    training.optimiser.step()
    if training.average:
        parameters = [p.detach() for p in training.model.parameters()]
        torch._foreach_lerp_(training.average, parameters, 1 - settings.averaging_decay(step))
    training.loss_sum += each.detach().mean()
    training.step += 1


def mixed_precision(device: torch.device, precision: torch.dtype) -> AbstractContextManager:
    """Convolutions and matrix products in bfloat16, weights and sums in float32; nothing to do in float32."""
    return nullcontext() if precision == torch.float32 else torch.autocast(device.type, precision)


def _add_row(training: Training, settings: TrainingSettings, seconds: float) -> None:
    steps = (training.step - 1) % settings.history_steps + 1
    parallel.average(training.loss_sum)
    mean = training.loss_sum.item() / steps
    training.loss_sum.zero_()
    if not math.isfinite(mean):
        raise UserError(
            f"the loss became {mean} before step {training.step}: lower ddpm.learning_rate or raise ddpm.warmup_steps"
        )
    row = {
        "step": training.step,
        "images": training.step * settings.batch_size,
        "loss": mean,
        "learning_rate": settings.rate(training.step - 1),
        "images_per_second": steps * settings.batch_size / max(seconds, 1e-9),
        "seconds": training.seconds,
    }
    training.history.append(row)
    left = (settings.steps - training.step) * settings.batch_size / row["images_per_second"]
    logger.info(
        "step %d of %d: loss %.4f, %.0f images/s, %s left",
        *(training.step, settings.steps, mean, row["images_per_second"], duration(left)),
    )
