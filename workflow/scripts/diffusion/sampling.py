"""Section 5, Algorithm 2: from Gaussian noise x_T to an image x_0, one denoising step (19) at a time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from typing import Self

import torch
from torch import Tensor

from diffusion.backward import denoising_step
from diffusion.forward import VarianceSchedule
from diffusion.unet import UNet
from engine.device import CPU, Hardware, one_ahead, recorded
from engine.errors import UserError
from engine.randomness import generator

NoisePredictor = Callable[[Tensor, Tensor], Tensor]
"""eps_theta(x_t, t): the noise in the images x_t, (n, 1, h, w), at step t, a tensor (1,), or at steps t, (n,)."""


@torch.no_grad()
def backward_process(
    eps_theta: NoisePredictor, x_T: Tensor, z: Callable[[int], Tensor], schedule: VarianceSchedule
) -> Iterator[tuple[int, Tensor]]:
    """Algorithm 2: yields (t, x_t) for t = T, T - 1, ..., 0, by (19), with z(t) the standard Gaussian of step t.

    x_T and z(t) are (n, 1, h, w).
    """

    def step(x: Tensor, z: Tensor, t: Tensor) -> Tensor:
        return denoising_step(x, eps_theta(x, t), z, t, schedule)

    x, step = x_T, recorded(step)
    steps = torch.arange(schedule.T + 1, device=x.device)
    yield schedule.T, x
    for t in range(schedule.T, 0, -1):
        x = step(x, z(t), steps[t : t + 1])
        yield t - 1, x


NOISE_BYTES = {"cpu": 2**28, "cuda": 2**30}
"""The noise of a batch of samples takes at most this much memory on a device; two batches' are there at once."""


def draw_noise(seed: int, stream: str, indices: Sequence[int], T: int, shape: tuple[int, ...]) -> Tensor:
    """All noise of Algorithm 2 for the samples `indices`: (n, T + 1, *shape), standard Gaussian.

    Entry [:, 0] is x_T, entry [:, t] is the z of step t (that of t = 1 is multiplied by sigma_1 = 0). Sample i's
    noise depends on (seed, stream, i) alone, so that several threads can draw.
    """
    noise = torch.empty(len(indices), T + 1, *shape)
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        list(threads.map(lambda place, i: place.normal_(generator=generator(seed, stream, i)), noise, indices))
    return noise


def noise_predictor(model: UNet, hardware: Hardware) -> NoisePredictor:
    """eps_theta as Algorithm 2 asks for it: images in float32, the network's products in the hardware's precision."""
    network = hardware.place(model.for_sampling(hardware.precision))

    @torch.no_grad()
    def predict(x: Tensor, t: Tensor) -> Tensor:
        inputs = x.to(hardware.precision, memory_format=hardware.layout)

        def predict_part(part: slice) -> Tensor:
            at = t if len(t) == 1 else t[part]  # one step for all images is embedded once
            return network(inputs[part], at).float().contiguous()

        first, *others = hardware.each(predict_part, len(x))
        return torch.cat([first, *others]) if others else first

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
    def of(cls, model: UNet, schedule: VarianceSchedule, seed: int, hardware: Hardware = CPU) -> Self:
        """The samples of a network. It is changed: moved to the hardware's device, and set for sampling."""
        shape = (1, model.image_size, model.image_size)
        return cls(noise_predictor(model, hardware), schedule.to(hardware.device), shape, seed)

    @property
    def points(self) -> int:
        """How many (t, x_t) a process yields, both ends included."""
        return self.schedule.T + 1

    def process(self, stream: str, indices: Sequence[int], x_T: Tensor | None = None) -> Iterator[tuple[int, Tensor]]:
        """Algorithm 2 for the samples `indices` of a stream: yields (t, x_t) for t = T, T - 1, ..., 0.

        Each sample starts from its own standard Gaussian, or from its own of the images x_T, (n, 1, h, w), or all from
        one, (1, 1, h, w). A sample does not depend, to rounding, on which others are asked for. Raises
        UserError if a sample is not finite.
        """
        return self._process(self._noise(stream, indices), x_T)

    def in_batches(
        self, stream: str, indices: Sequence[int], batch_size: int, x_T: Tensor | None = None
    ) -> Iterator[tuple[int, Tensor]]:
        """The process of one batch of samples after the other, from as many images x_T where they are given. The noise
        of the next batch is drawn meanwhile. A batch is smaller than asked for where its noise would take too much
        memory.
        """
        bytes_a_sample = 4 * (self.schedule.T + 1) * prod(self.shape)
        batch_size = max(1, min(batch_size, NOISE_BYTES[self.schedule.beta.device.type] // bytes_a_sample))
        batches = [slice(first, first + batch_size) for first in range(0, len(indices), batch_size)]
        noises = one_ahead(lambda batch: self._noise(stream, indices[batch]), batches)
        for batch, noise in zip(batches, noises, strict=True):
            yield from self._process(noise, None if x_T is None else x_T[batch])

    def _noise(self, stream: str, indices: Sequence[int]) -> Tensor:
        return draw_noise(self.seed, stream, indices, self.schedule.T, self.shape)

    def _process(self, drawn: Tensor, x_T: Tensor | None = None) -> Iterator[tuple[int, Tensor]]:
        noise = drawn.to(self.schedule.beta.device)
        start = noise[:, 0] if x_T is None else x_T.to(noise.device).expand_as(noise[:, 0])
        for t, x in self._backward(start, noise):
            if t == 0 and not x.isfinite().all():
                raise UserError(
                    "a sample is not finite: Algorithm 2 diverged, with weights that predict no noise, or a variance "
                    "schedule too steep for them; lower ddpm.beta_T, or train the network longer or with a lower "
                    "ddpm.learning_rate"
                )
            yield t, x

    def _backward(self, x: Tensor, noise: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Algorithm 2 from x, (n, 1, h, w), with the noise (n, T + 1, 1, h, w), of which [:, t] is the z of step t."""
        return backward_process(self.eps_theta, x, lambda t: noise[:, t], self.schedule)
