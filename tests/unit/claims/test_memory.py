"""The records of the chapter on the exact minimiser, on sets whose answer is known."""

import numpy as np
import pytest
import torch

from beyond.memory import Minimiser, Noised, affine_losses, variances
from claims import memory
from claims.memory import Plan
from diffusion.data import read_embedded_digits
from diffusion.forward import VarianceSchedule
from diffusion.images import rescale

SHORT = VarianceSchedule.linear(20, 1e-3, 0.3)
PLAN = Plan(
    images=12,
    times=4,
    samples=3,
    sizes=[4, 8],
    channels=2,
    steps=5,
    batch_size=4,
    learning_rate=1e-3,
    small_samples=6,
    network_images=20,
)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_copies_are_counted_with_their_interval():
    images = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1)
    found = memory.copied(torch.tensor([0.01, 0.5, 0.4, 0.99]).reshape(4, 1, 1, 1), images)
    assert found["copies"] == 0.5 and found["copies_low"] < 0.5 < found["copies_high"]
    assert found["samples"] == 4 and found["training_images"] == 2


def test_the_perfect_loss_is_least_on_images_seen_and_large_on_others():
    seen, unseen = normal(30, 1, 2, 2), normal(400, 1, 2, 2, seed=1)
    affine = affine_losses(variances(seen), SHORT)
    found = memory.perfect(Minimiser.of(seen, SHORT), seen.repeat(10, 1, 1, 1), unseen, affine, 0)
    assert found["seen"] < found["affine"] < found["unseen"]
    assert found["to_affine_low"] < found["to_affine"] < found["to_affine_high"]
    same = memory.perfect(Minimiser.of(seen, SHORT), seen, seen.repeat(10, 1, 1, 1), affine, 0)
    assert same["to_affine_high"] < 1


def test_the_collapse_is_where_one_image_is_left():
    numbers = [torch.tensor([1.0, 1.0, 1.1]), torch.tensor([1.0, 1.9, 9.0]), torch.tensor([8.0, 9.0, 9.5])]
    found = memory.collapse([1, 10, 100], numbers, 10, 100)
    assert (found["alone_until"], found["at_T"]) == (10, 9)
    assert memory.collapse([1], [torch.tensor([5.0])], 10, 100)["alone_until"] == 0


def test_the_minimiser_and_the_filter_stand_at_the_ends():
    """For two images far apart in one pixel; the filter is the best affine prediction from their two moments."""
    images = torch.tensor([1.0, -1.0], dtype=torch.float64).reshape(2, 1, 1, 1)
    least, noised = Minimiser.of(images, SHORT), memory.over(images.repeat(4000, 1, 1, 1), SHORT.T, 0)

    def filtered(x, t):
        abar = SHORT.alpha_bar[t].reshape(-1, 1, 1, 1)
        return (1 - abar) ** 0.5 * x  # the images' variance is 1, and so is that of x_t

    assert memory.between(noised, least, least)["position"] == 0
    found = memory.between(noised, filtered, least)
    assert found["position_low"] - 0.02 < 1 < found["position_high"] + 0.02
    assert abs(found["standard_errors"]) < 4


def test_pythagoras_fails_for_what_is_not_the_minimiser():
    images = torch.tensor([1.0, -1.0], dtype=torch.float64).reshape(2, 1, 1, 1)
    least, noised = Minimiser.of(images, SHORT), memory.over(images.repeat(4000, 1, 1, 1), SHORT.T, 0)
    wrong = Minimiser(least.images * 0.5, SHORT)
    assert abs(memory.between(noised, lambda x, t: x, wrong)["standard_errors"]) > 4


def test_a_network_that_knows_its_images_alone_does_not_generalise():
    images, others = normal(20, 1, 2, 2), normal(20, 1, 2, 2, seed=1)
    drawn = (memory.over(x.repeat(20, 1, 1, 1), SHORT.T, 0) for x in (images, others))
    assert memory.generalises(*drawn, Minimiser.of(images, SHORT), SHORT)["ratio_low"] > 1
    drawn = (memory.over(x.repeat(20, 1, 1, 1), SHORT.T, 0) for x in (images, others))
    blind = memory.generalises(*drawn, lambda x, t: torch.zeros_like(x), SHORT)
    assert blind["ratio_low"] <= 1 <= blind["ratio_high"]


def test_a_curve_is_the_loss_at_each_step():
    images = normal(50, 1, 2, 2)
    found = memory.curve(Minimiser.of(images, SHORT), [3, 20], images, SHORT, 5)
    at = Noised.at(20, images, 5, "beyond, memory, curve").losses(Minimiser.of(images, SHORT), SHORT)
    assert found[1] == pytest.approx(float(at.mean())) and found.shape == (2,)


def test_measure_gives_every_record_and_figure():
    digits = read_embedded_digits(8, seed=0)
    records, shown, small = memory.measure(digits, SHORT, PLAN, seed=3)
    assert set(records) == {"minimiser", "perfect", "collapse", "small"}
    assert records["minimiser"]["copies"] == 1 and records["minimiser"]["samples"] == 3
    assert records["small"]["sizes"] == [4, 8] and records["small"]["of_minimiser"] == 1
    assert shown["number"].shape == (3, len(shown["t"])) and shown["affine"].shape == (20,)
    assert small["samples"].shape == (2, 6, 8, 8) == small["nearest"].shape
    again = memory.measure(digits, SHORT, PLAN, seed=3)[0]
    assert again == records

    def eps_theta(x, t):
        return torch.zeros_like(x)

    samples = rescale(digits.test_images[:7])
    records, shown = memory.measure_network(digits, SHORT, PLAN, 3, eps_theta, samples)
    assert set(records) == {"between", "generalises", "network_copies"}
    assert records["network_copies"]["samples"] == 7 and records["between"]["position"] > 1
    assert np.isfinite(shown["network_seen"]).all()
