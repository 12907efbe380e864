"""The records of pairs of runs from true and from Gaussian starts."""

import pytest
import torch

from claims import start_network
from diffusion.classifier import Classifier
from diffusion.data import read_embedded_digits
from diffusion.forward import VarianceSchedule
from diffusion.images import rescale


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_length_of_a_mean_is_told_without_what_chance_adds():
    mean = torch.full((400,), 0.1, dtype=torch.float64)
    found = [start_network.length_of_mean(mean + normal(50, 400, seed=seed)) ** 2 for seed in range(60)]
    assert sum(found) / 60 == pytest.approx(4, rel=0.06)  # the sample mean's square is 4 + 400 / 50 on average
    assert start_network.length_of_mean(torch.tensor([[1.0, -1.0], [-1.0, 1.0]])) == 0


def test_pairs_are_compared_along_the_predicted_difference():
    torch.manual_seed(0)
    model, true = Classifier().eval(), normal(50, 1, 8, 8).float()
    displacement = torch.zeros(64, dtype=torch.float64)
    displacement[:8] = 0.5
    moved = true + 2 * displacement.reshape(1, 8, 8).float()
    found = start_network.pairs(moved, true, displacement, 0.9, model)
    assert found["along"] == pytest.approx(2) and found["predicted_length"] == pytest.approx(2**0.5)
    assert found["brighter"] == pytest.approx(2 * found["predicted_brighter"])
    assert found["apart"] == pytest.approx(2 * 2**0.5, rel=1e-5) and found["apart"] < found["apart_by_chance"]
    unrelated = start_network.pairs(normal(50, 1, 8, 8, seed=1).float(), true, displacement, 0.9, model)
    assert unrelated["along_low"] < 0 < unrelated["along_high"]
    assert found["length"] == pytest.approx(2 * 2**0.5, rel=1e-5) and found["cosine"] == pytest.approx(1)
    tilted = displacement + torch.arange(64).ge(32) * 0.25  # at a right angle to it, and as long
    found = start_network.pairs(true + tilted.reshape(1, 8, 8).float(), true, displacement, 0.9, model)
    assert (found["along"], found["cosine"]) == pytest.approx((1, 0.5**0.5))
    assert start_network.pairs(true, true, displacement, 0.9, model)["same_digit"] == 1
    nothing = start_network.pairs(moved, true, torch.zeros_like(displacement), 0.9, model)
    assert (nothing["along"], nothing["along_low"], nothing["cosine"]) == (None, None, 0)


def test_measure_gives_the_record_and_what_the_figure_shows():
    torch.manual_seed(0)
    digits, schedule = read_embedded_digits(8, seed=0), VarianceSchedule.linear(40, 1e-3, 0.1)
    images = rescale(digits.test_images[:6])
    records, shown = start_network.measure(digits, schedule, 0.9, Classifier().eval(), images, images.flip(0))
    assert records["pairs"]["pairs"] == 6 and shown["difference"].shape == (8, 8)
