"""The records of the trained network between the exact minimiser and an affine filter."""

import numpy as np
import torch

from beyond.memory import Minimiser
from claims import memory_network
from claims.memory import over
from diffusion.data import read_embedded_digits
from diffusion.forward import VarianceSchedule
from diffusion.images import rescale

SHORT = VarianceSchedule.linear(20, 1e-3, 0.3)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_network_that_knows_its_images_alone_does_not_generalise():
    images, others = normal(20, 1, 2, 2), normal(20, 1, 2, 2, seed=1)
    drawn = (over(x.repeat(20, 1, 1, 1), SHORT.T, 0) for x in (images, others))
    assert memory_network.generalises(*drawn, Minimiser.of(images, SHORT), SHORT)["ratio_low"] > 1
    drawn = (over(x.repeat(20, 1, 1, 1), SHORT.T, 0) for x in (images, others))
    blind = memory_network.generalises(*drawn, lambda x, t: torch.zeros_like(x), SHORT)
    assert blind["ratio_low"] <= 1 <= blind["ratio_high"]


def test_what_a_pair_shares_cancels():
    """Where the loss is that of the noise alone, the two of a pair are equal, and the interval is a point."""
    drawn = [over(normal(40, 1, 2, 2, seed=seed), SHORT.T, 0) for seed in (0, 1)]
    found = memory_network.generalises(*drawn, lambda x, t: torch.zeros_like(x), SHORT)
    assert found["ratio_low"] == found["ratio"] == found["ratio_high"] == 1


def test_measure_gives_every_record_and_what_the_figure_shows():
    digits = read_embedded_digits(8, seed=0)

    def eps_theta(x, t):
        return torch.zeros_like(x)

    samples = rescale(digits.test_images[:7])
    records, shown = memory_network.measure(digits, SHORT, 20, 4, 3, eps_theta, samples)
    assert set(records) == {"between", "generalises", "copied"}
    assert records["copied"]["samples"] == 7
    assert records["between"]["position"] > 1  # the noise has the variance 1, more than any filter leaves
    assert np.isfinite(shown["network_seen"]).all() and len(shown["seen"]) == len(shown["t"])
