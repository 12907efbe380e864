"""Section 5, Algorithm 2: from Gaussian noise x_T to an image x_0, one denoising step (19) at a time."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from diffusion.backward import denoising_step
from diffusion.forward import VarianceSchedule
from engine.device import recorded, wait_for
from engine.progress import Forecast, progress_bar
from engine.randomness import generator


def draw_noise(seed: int, stream: str, indices: Iterable[int], T: int, shape: tuple[int, ...]) -> Tensor:
    """All noise of Algorithm 2 for the samples `indices`: (n, T + 1, *shape), standard Gaussian.

    Entry [:, 0] is x_T, entry [:, t] is the z of step t (that of t = 1 is multiplied by sigma_1 = 0). Sample i's
    noise depends on (seed, stream, i) alone.
    """
    return torch.stack([torch.randn((T + 1, *shape), generator=generator(seed, stream, i)) for i in indices])


@torch.no_grad()
def denoise(
    model: Callable[[Tensor, Tensor], Tensor],
    x_T: Tensor,
    z: Callable[[int], Tensor],
    schedule: VarianceSchedule,
    each_step: Callable[[int, Tensor], None] = lambda t, x: None,
) -> Tensor:
    """Algorithm 2 from x_T, (n, 1, h, w), to x_0, by (19) with z(t) the standard Gaussian of step t.

    `model(x, t)` predicts the noise in x at step t, given as a tensor (1,). `each_step(t, x_t)` sees every x_t,
    t = T..0.
    """
    x = x_T
    steps = torch.arange(schedule.T + 1, device=x.device)
    each_step(schedule.T, x)
    for t in range(schedule.T, 0, -1):
        eps_theta = model(x, steps[t : t + 1])
        x = denoising_step(x, eps_theta, z(t), t, schedule)
        each_step(t - 1, x)
    return x


def noise_predictor(model: nn.Module, precision: torch.dtype) -> Callable[[Tensor, Tensor], Tensor]:
    """eps_theta as `denoise` takes it: images in float32, the network in `precision`."""
    on_gpu = next(model.parameters()).is_cuda
    layout = torch.channels_last if on_gpu else torch.contiguous_format  # the faster one there
    network = recorded(model.to(memory_format=layout))

    def predict(x: Tensor, t: Tensor) -> Tensor:
        inputs = x.to(precision, memory_format=layout)
        return network(inputs, t).float().contiguous()

    return predict


def generate(
    model: nn.Module,
    schedule: VarianceSchedule,
    shape: tuple[int, ...],
    seed: int,
    stream: str,
    indices: Sequence[int],
    batch_size: int,
    device: torch.device,
    precision: torch.dtype,
    x_T: Tensor | None = None,
    record: Sequence[int] = (0,),
) -> Tensor:
    """Samples `indices` of a stream, as (n, len(record), *shape) float32: x_t at each t of `record`.

    Each starts from its own standard Gaussian, or all from the one image x_T, (1, *shape). The samples do not depend
    on `batch_size` nor on which others are asked for, to rounding.
    """
    predict = noise_predictor(model.for_sampling(precision).to(device), precision)
    schedule = schedule.to(device)
    batches = [indices[i : i + batch_size] for i in range(0, len(indices), batch_size)]
    finished = []
    forecast = Forecast("sampling", len(batches) * schedule.T, partial(wait_for, device))
    with progress_bar(len(indices) * schedule.T, "step") as bar:
        for batch in batches:
            noise = draw_noise(seed, stream, batch, schedule.T, shape).to(device)
            start = noise[:, 0] if x_T is None else x_T.to(device).expand(len(batch), *shape)
            seen: dict[int, Tensor] = {}

            def each_step(t: int, x: Tensor, seen: dict = seen, n: int = len(batch)) -> None:
                if t in record:
                    seen[t] = x.cpu()
                if t < schedule.T:
                    bar.update(n)
                    forecast.step()

            denoise(predict, start, lambda t, noise=noise: noise[:, t], schedule, each_step)
            finished.append(torch.stack([seen[t] for t in record], dim=1))
    return torch.cat(finished)
