"""The best affine prediction of the noise: its loss, and the moments that it takes."""

import numpy as np
import pytest
import torch

from diffusion.affine import affine_losses, moments, variances
from diffusion.forward import VarianceSchedule, forward_leap
from diffusion.images import rescale

SCHEDULE = VarianceSchedule.linear(20, 1e-3, 0.3)


def test_the_affine_loss_in_closed_form():
    """One pixel of variance v: by the correlation of two Gaussians, 1 - (1 - a) / (a v + 1 - a) is left."""
    left = SCHEDULE.alpha_bar[1:].numpy()
    expected = [1 - (1 - a) / (a * 0.3 + 1 - a) for a in left]
    assert affine_losses(torch.tensor([0.3], dtype=torch.float64), SCHEDULE).numpy() == pytest.approx(expected)
    assert (affine_losses(torch.zeros(3, dtype=torch.float64), SCHEDULE) == 0).all()


def test_the_affine_loss_is_that_of_a_regression():
    """Images with correlated pixels: what a least-squares fit of the noise leaves at each t, 20,000 images each."""
    random = torch.Generator().manual_seed(0)
    mix = torch.tensor([[0.5, 0.0, 0.0], [0.3, 0.2, 0.0], [-0.2, 0.1, 0.4]], dtype=torch.float64)
    x_0 = torch.randn(20_000, 3, generator=random, dtype=torch.float64) @ mix.T - 0.7
    left = []
    for t in range(1, SCHEDULE.T + 1):
        eps = torch.randn(x_0.shape, generator=random, dtype=torch.float64)
        given = torch.cat([forward_leap(x_0, t, eps, SCHEDULE), torch.ones(len(x_0), 1)], dim=1)
        left.append((eps - given @ torch.linalg.lstsq(given, eps).solution).square().mean().item())
    found = affine_losses(torch.linalg.eigvalsh(mix @ mix.T), SCHEDULE)
    assert found.mean().item() == pytest.approx(np.mean(left), rel=0.01)


def test_the_covariance_is_that_of_all_batches_together():
    images = torch.randint(0, 256, (12_000, 1, 3, 2), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    expected = torch.cov(rescale(images).flatten(1).double().T, correction=0)
    assert moments(rescale(images))[0].numpy() == pytest.approx(rescale(images).double().mean(dim=0).flatten().numpy())
    assert variances(rescale(images)).numpy() == pytest.approx(torch.linalg.eigvalsh(expected).numpy(), abs=1e-12)
    assert moments(rescale(images))[1].numpy() == pytest.approx(expected.numpy(), abs=1e-12)
