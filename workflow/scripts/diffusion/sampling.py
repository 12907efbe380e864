"""Section 5, Algorithm 2: from Gaussian noise x_T to an image x_0, one denoising step (19) at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from diffusion.backward import denoising_step
from diffusion.forward import VarianceSchedule
from diffusion.unet import UNet
from engine.device import CPU, Hardware, recorded
from engine.errors import UserError
from engine.randomness import generator

NoisePredictor = Callable[[Tensor, Tensor], Tensor]
"""eps_theta(x_t, t): the noise in the images x_t, (n, 1, h, w), at step t, a tensor (1,)."""


@torch.no_grad()
def backward_process(
    eps_theta: NoisePredictor, x_T: Tensor, z: Callable[[int], Tensor], schedule: VarianceSchedule
) -> Iterator[tuple[int, Tensor]]:
    """Algorithm 2: yields (t, x_t) for t = T, T - 1, ..., 0, by (19), with z(t) the standard Gaussian of step t.

    x_T and z(t) are (n, 1, h, w).
    """
    x = x_T
    steps = torch.arange(schedule.T + 1, device=x.device)
    yield schedule.T, x
    for t in range(schedule.T, 0, -1):
        x = denoising_step(x, eps_theta(x, steps[t : t + 1]), z(t), t, schedule)
        yield t - 1, x


NOISE_BYTES = 2**28
"""At most about this much noise of a batch is in memory at once."""


def draw_noise(seed: int, stream: str, indices: Sequence[int], T: int, shape: tuple[int, ...]) -> Tensor:
    """All noise of Algorithm 2 for the samples `indices`: (n, T + 1, *shape), standard Gaussian.

    Entry [:, 0] is x_T, entry [:, t] is the z of step t (that of t = 1 is multiplied by sigma_1 = 0). Sample i's
    noise depends on (seed, stream, i) alone.
    """
    noise = torch.empty((len(indices), T + 1, *shape))
    for row, i in zip(noise, indices, strict=True):
        torch.randn(row.shape, generator=generator(seed, stream, i), out=row)
    return noise


class Noise:
    """The noise of `draw_noise` by the step, of which only a part of at most `most` bytes is in memory.

    Algorithm 2 takes it in the opposite order to that in which it is drawn. So it is drawn twice if it has several
    parts, first to know the state of each sample's generator where a part begins. The numbers are the same: PyTorch
    draws Gaussians sixteen at a time, and a part holds a multiple of that of each sample.
    """

    def __init__(
        self,
        seed: int,
        stream: str,
        indices: Sequence[int],
        T: int,
        shape: tuple[int, ...],
        device: torch.device,
        most: int = NOISE_BYTES,
    ) -> None:
        self.T, self.shape, self.device = T, shape, device
        self.sources = [generator(seed, stream, i) for i in indices]
        bytes_a_step = 4 * len(indices) * prod(shape)
        self.steps = min(T + 1, max(1, most // bytes_a_step)) if prod(shape) % 16 == 0 else T + 1
        """In each part but the last."""
        self.starts = []
        for first in range(0, T + 1, self.steps):
            self.starts.append([source.get_state() for source in self.sources])
            self.part = torch.empty(0)  # makes room for the next one
            self.first, self.part = first, self._draw(first)
            if first == 0:
                self.x_T = self.part[:, 0].clone()

    def _draw(self, first: int) -> Tensor:
        part = torch.empty((len(self.sources), min(self.steps, self.T + 1 - first), *self.shape))
        for row, source in zip(part, self.sources, strict=True):
            torch.randn(row.shape, generator=source, out=row)
        return part.to(self.device)

    def __call__(self, t: int) -> Tensor:
        """z of step t, (n, *shape), on the device."""
        number, offset = divmod(t, self.steps)
        if self.first != number * self.steps:
            for source, state in zip(self.sources, self.starts[number], strict=True):
                source.set_state(state)
            self.part = torch.empty(0)
            self.first, self.part = number * self.steps, self._draw(number * self.steps)
        return self.part[:, offset]


def noise_predictor(model: UNet, hardware: Hardware) -> NoisePredictor:
    """eps_theta as Algorithm 2 asks for it: images in float32, the network's products in the hardware's precision."""
    layout = torch.channels_last if hardware.device.type == "cuda" else torch.contiguous_format  # the faster one there
    network = recorded(model.for_sampling(hardware.precision).to(hardware.device).to(memory_format=layout))

    def predict(x: Tensor, t: Tensor) -> Tensor:
        inputs = x.to(hardware.precision, memory_format=layout)
        return network(inputs, t).float().contiguous()

    return predict


@dataclass(frozen=True)
class Sampler:
    """A trained network, and all that its samples depend on."""

    eps_theta: NoisePredictor
    schedule: VarianceSchedule
    """On the device that computes."""
    shape: tuple[int, ...]
    """Of an image, (1, h, w)."""
    seed: int

    @classmethod
    def of(cls, model: UNet, schedule: VarianceSchedule, seed: int, hardware: Hardware = CPU) -> "Sampler":
        """The samples of a network. It is changed: moved to the hardware's device, and set for sampling."""
        shape = (1, model.image_size, model.image_size)
        return cls(noise_predictor(model, hardware), schedule.to(hardware.device), shape, seed)

    def process(self, stream: str, indices: Sequence[int], x_T: Tensor | None = None) -> Iterator[tuple[int, Tensor]]:
        """Algorithm 2 for the samples `indices` of a stream: yields (t, x_t) for t = T, T - 1, ..., 0.

        Each sample starts from its own standard Gaussian, or from its own of the images x_T, (n, 1, h, w), or all from
        one, (1, 1, h, w). A sample does not depend, to rounding, on which others are asked for. Raises
        UserError if a sample is not finite.
        """
        device = self.schedule.beta.device
        z = Noise(self.seed, stream, indices, self.schedule.T, self.shape, device)
        start = z.x_T if x_T is None else x_T.to(device).expand(len(indices), *self.shape)
        for t, x in backward_process(self.eps_theta, start, z, self.schedule):
            if t == 0 and not x.isfinite().all():
                raise UserError(
                    "a sample is not finite: Algorithm 2 diverged, with weights that predict no noise, or a variance "
                    "schedule too steep for them; lower ddpm.beta_T, or train the network longer or with a lower "
                    "ddpm.learning_rate"
                )
            yield t, x

    def in_batches(
        self, stream: str, indices: Sequence[int], batch_size: int, x_T: Tensor | None = None
    ) -> Iterator[tuple[int, Tensor]]:
        """The process of one batch of samples after the other, from as many images x_T where they are given."""
        for first in range(0, len(indices), batch_size):
            batch = slice(first, first + batch_size)
            yield from self.process(stream, indices[batch], None if x_T is None else x_T[batch])
