"""Section 3, forwards: an image is turned into noise, x_0 -> x_1 -> ... -> x_T."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from engine.randomness import generator


@dataclass(frozen=True)
class VarianceSchedule:
    """The variance schedule of (2) and what follows from it, in float64, indexed by the paper's t.

    Every array has T + 1 entries, so that entry t belongs to step t; entry 0 belongs to the image itself
    (beta_0 = 0, hence alpha_bar_0 = 1, as Algorithm 2 asks).

    Raises ValueError unless 0 < beta_t < 1 for t = 1..T and T >= 1.
    """

    beta: Tensor
    """beta_t, shape (T + 1,), with beta[0] = 0."""

    def __post_init__(self) -> None:
        if self.T < 1:
            raise ValueError(f"T = {self.T}: the variance schedule needs at least one step")
        if self.beta[0] != 0 or not bool(((self.beta[1:] > 0) & (self.beta[1:] < 1)).all()):
            raise ValueError("the variance schedule needs beta_0 = 0 and 0 < beta_t < 1 for t = 1..T")

    @classmethod
    def linear(cls, T: int, beta_1: float, beta_T: float) -> "VarianceSchedule":
        """Linearly spaced beta_1, ..., beta_T, as in section 3 and its reference [15]."""
        steps = torch.linspace(beta_1, beta_T, T, dtype=torch.float64)
        return cls(torch.cat([torch.zeros(1, dtype=torch.float64), steps]))

    @property
    def T(self) -> int:
        """The number of steps."""
        return len(self.beta) - 1

    @cached_property
    def alpha(self) -> Tensor:
        """alpha_t = 1 - beta_t, introduced for (4)."""
        return 1 - self.beta

    @cached_property
    def alpha_bar(self) -> Tensor:
        """alpha_bar_t = alpha_1 alpha_2 ... alpha_t, equation (7)."""
        return torch.cumprod(self.alpha, dim=0)

    def to(self, device: torch.device | str) -> "VarianceSchedule":
        """The same schedule on a device; products are formed there, still in float64."""
        return VarianceSchedule(self.beta.to(device))


def factors(x: Tensor, *coefficients: Tensor) -> tuple[Tensor, ...]:
    """The coefficients of a step as factors of the images x, (n, 1, h, w): brought from float64 to x's precision, and
    shaped to multiply it. Each coefficient belongs to one step t for all images, (), or to a step for each image, (n,).
    """
    if not isinstance(x, Tensor):  # symbols: see diffusion/algebra.py
        return coefficients
    shape = (-1, *[1] * (x.ndim - 1)) if coefficients[0].ndim else ()
    return tuple(coefficient.to(x.dtype).reshape(shape) for coefficient in coefficients)


def forward_step(x: Tensor, t: int | Tensor, eps: Tensor, schedule: VarianceSchedule) -> Tensor:
    """One step (2), (4): x_t = sqrt(alpha_t) x_{t-1} + sqrt(1 - alpha_t) eps_t.

    x is x_{t-1} and eps is standard Gaussian, both (n, 1, h, w); t is in 1..T, one step or one for each image, (n,).
    """
    alpha = schedule.alpha[t]
    of_x, of_eps = factors(x, alpha**0.5, (1 - alpha) ** 0.5)
    return of_x * x + of_eps * eps


def forward_leap(x_0: Tensor, t: int | Tensor, eps: Tensor, schedule: VarianceSchedule) -> Tensor:
    """The single leap (8): x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps.

    x_0 and the standard Gaussian eps are (n, 1, h, w); t is in 0..T, one step or one for each image, (n,).
    """
    alpha_bar = schedule.alpha_bar[t]
    of_x_0, of_eps = factors(x_0, alpha_bar**0.5, (1 - alpha_bar) ** 0.5)
    return of_x_0 * x_0 + of_eps * eps


def forward_process(
    x_0: Tensor, schedule: VarianceSchedule, eps: Callable[[int], Tensor]
) -> Iterator[tuple[int, Tensor]]:
    """The whole chain (2): yields (t, x_t) for t = 0, 1, ..., T, with eps(t) the standard Gaussian of step t."""
    x = x_0
    yield 0, x
    for t in range(1, schedule.T + 1):
        x = forward_step(x, t, eps(t), schedule)
        yield t, x


def chain_of_figure_2(x_0: Tensor, schedule: VarianceSchedule, seed: int) -> Iterator[tuple[int, Tensor]]:
    """The whole chain (2) of figure 2 from its training image x_0, (1, 1, h, w), as `forward_process`; its x_T is where
    the runs of figure 6 start.
    """
    return forward_process(
        x_0, schedule, lambda t: torch.randn(x_0.shape, generator=generator(seed, "forward", t), dtype=x_0.dtype)
    )
