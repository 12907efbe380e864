"""Section 5: the best affine prediction of the noise, beside whose loss a network's is read. It takes no network, but
two moments of the images.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion.forward import VarianceSchedule


def moments(images: Tensor, batch_size: int = 5000) -> tuple[Tensor, Tensor]:
    """The mean, (d,), and the covariance, (d, d), of images, (n, 1, h, w), in float64."""
    d = images[0].numel()
    total, products = torch.zeros(d, dtype=torch.float64), torch.zeros(d, d, dtype=torch.float64)
    for batch in images.flatten(1).split(batch_size):
        x = batch.double()
        total, products = total + x.sum(dim=0), products + x.T @ x
    mean = total / len(images)
    return mean, products / len(images) - mean[:, None] * mean


def variances(images: Tensor) -> Tensor:
    """The eigenvalues of the covariance of images, (n, 1, h, w): (d,) in float64, none negative by rounding."""
    return torch.linalg.eigvalsh(moments(images)[1]).clamp(min=0)


@dataclass(frozen=True)
class AffineFilter:
    """The best affine prediction of the noise, from two moments of the images, the mean mu and the covariance C:
    sqrt(1 - abar) (abar C + 1 - abar)^-1 (x - sqrt(abar) mu). It is exact for Gaussian images.
    """

    mean: Tensor
    """mu, (d,)."""
    eigenvalues: Tensor
    """Of C, (d,), and below its eigenvectors as columns, (d, d)."""
    eigenvectors: Tensor
    schedule: VarianceSchedule

    @classmethod
    def of(cls, images: Tensor, schedule: VarianceSchedule) -> "AffineFilter":
        """From images (n, 1, h, w), with their precision."""
        mean, covariance = moments(images)
        eigenvalues, eigenvectors = torch.linalg.eigh(covariance)
        mean, eigenvalues, eigenvectors = (part.to(images.dtype) for part in (mean, eigenvalues, eigenvectors))
        return cls(mean, eigenvalues.clamp(min=0), eigenvectors, schedule)

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """The prediction, of the shape of x, (n, 1, h, w), at steps t, (n,) or (1,)."""
        abar = self.schedule.alpha_bar[t].to(x.dtype)[:, None]
        modes = (x.flatten(1) - abar**0.5 * self.mean) @ self.eigenvectors
        filtered = (1 - abar) ** 0.5 / (abar * self.eigenvalues + 1 - abar) * modes
        return (filtered @ self.eigenvectors.T).reshape(x.shape)


def affine_losses(variances: Tensor, schedule: VarianceSchedule) -> Tensor:
    """The loss of Algorithm 1 of the best affine prediction of the noise from x_t, for each t = 1..T its own, (T,):
    the mean over the eigenvalues l of the images' covariance C, `variances` (d,), of abar l / (abar l + 1 - abar).

    By (8), x_t and eps have the covariance sqrt(1 - abar) I and x_t that of abar C + (1 - abar) I; the best affine
    prediction leaves I - (1 - abar) (abar C + (1 - abar) I)^-1 of eps's covariance I.
    """
    abar = schedule.alpha_bar[1:, None]
    return (abar * variances / (abar * variances + 1 - abar)).mean(dim=1)
