"""The records of the chapter on the exact minimiser, on sets whose answer is known."""

import numpy as np
import pytest
import torch

from beyond.memory import Minimiser, Noised
from claims import memory
from claims.memory import Plan
from diffusion.data import read_embedded_digits
from diffusion.forward import VarianceSchedule
from engine.errors import UserError

SHORT = VarianceSchedule.linear(20, 1e-3, 0.3)
PLAN = Plan(images=12, times=4, samples=3)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_copies_are_counted_with_their_interval():
    images = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1)
    found = memory.copied(torch.tensor([0.01, 0.5, 0.4, 0.99]).reshape(4, 1, 1, 1), images)
    assert found["copies"] == 0.5 and found["copies_low"] < 0.5 < found["copies_high"]
    assert found["samples"] == 4 and found["training_images"] == 2


def test_the_perfect_loss_is_set_beside_the_filters():
    found = memory.perfect(torch.tensor([0.0, 0.2]), torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.4, 0.6]), 7)
    assert (found["seen"], found["unseen"], found["affine"]) == pytest.approx((0.1, 2, 0.5))
    assert found["to_affine"] == pytest.approx(4) and found["to_affine_low"] < 4 < found["to_affine_high"]
    assert (found["images"], found["training_images"]) == (3, 7)


def test_from_where_the_minimiser_is_of_use():
    """Ten times the filter's loss at t = 10, as much at 100, and a half and a third of it in the later half of 1..200.
    What makes one image harder than another makes no difference."""
    shares, harder = torch.tensor([10.0, 1.0, 1 / 2, 1 / 3])[:, None], torch.tensor([0.5, 1.5])
    filtered = 0.2 * harder.expand(4, 2)
    found = memory.late([10, 100, 150, 200], shares * filtered, filtered, torch.full((200,), 0.2))
    assert [found[end] for end in ("share", "share_low", "share_high")] == pytest.approx(3 * [5 / 12])
    assert (found["from_t"], found["later_than"]) == (pytest.approx(100), 100)


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

    itself = memory.between(noised, least, least)
    assert (itself["position"], itself["avoidable"], itself["standard_errors"]) == (0, 0, 0)
    found = memory.between(noised, filtered, least)
    assert found["position_low"] - 0.02 < 1 < found["position_high"] + 0.02
    assert abs(found["standard_errors"]) < 4
    assert found["avoidable_low"] < 1 - found["least"] / found["loss"] < found["avoidable_high"]


def test_pythagoras_fails_for_what_is_not_the_minimiser():
    images = torch.tensor([1.0, -1.0], dtype=torch.float64).reshape(2, 1, 1, 1)
    least, noised = Minimiser.of(images, SHORT), memory.over(images.repeat(4000, 1, 1, 1), SHORT.T, 0)
    wrong = Minimiser(least.images * 0.5, SHORT)
    assert abs(memory.between(noised, lambda x, t: x, wrong)["standard_errors"]) > 4


def test_a_curve_is_the_loss_at_each_step():
    images = normal(50, 1, 2, 2)
    found = memory.curve(Minimiser.of(images, SHORT), [3, 20], images, SHORT, 5)
    at = Noised.at(20, images, 5, "beyond, memory, curve").losses(Minimiser.of(images, SHORT), SHORT)
    assert torch.equal(found[1], at) and found.shape == (2, 50)


def test_samples_are_those_of_one_batch_whatever_is_drawn_at_once(monkeypatch):
    images = normal(50, 1, 2, 2).float()
    least = Minimiser.of(images, SHORT)
    together = memory.sampled(least, images, 7, SHORT, 5)
    monkeypatch.setattr(memory, "AT_ONCE", 3)
    assert torch.allclose(memory.sampled(least, images, 7, SHORT, 5), together, atol=1e-5)


def test_samples_that_are_not_finite_are_refused():
    """Of a network that diverged; clamped into the grey values' range they would pass for no copies."""
    with pytest.raises(UserError, match="samples of a small network are not finite"):
        memory.sampled(lambda x, t: x * float("nan"), normal(2, 1, 2, 2).float(), 3, SHORT, 5)


def test_a_process_of_one_step_has_every_record():
    """At its only step the mean over t is the loss itself."""
    digits = read_embedded_digits(8, seed=0)
    records, _ = memory.measure(digits, VarianceSchedule.linear(1, 0.9, 0.9), PLAN, seed=3)
    numbers = [value for record in records.values() for value in record.values()]
    assert np.isfinite(numbers).all() and records["perfect"]["unseen"] > 0


def test_measure_gives_every_record_and_what_the_figure_shows():
    digits = read_embedded_digits(8, seed=0)
    records, shown = memory.measure(digits, SHORT, PLAN, seed=3)
    assert set(records) == {"copied", "perfect", "late", "collapse"}
    assert records["copied"]["copies"] == 1 and records["copied"]["samples"] == 3
    assert shown["number"].shape == (3, len(shown["t"])) and shown["affine"].shape == (20,)
    assert shown["samples"].shape == (3, 8, 8) == shown["nearest"].shape
    assert memory.measure(digits, SHORT, PLAN, seed=3)[0] == records
