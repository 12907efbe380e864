"""The records of the small networks, on trainings of a few steps."""

import torch

from beyond.memory import small_digits
from claims import memory_digits
from claims.memory_digits import Plan, Trained
from diffusion.forward import VarianceSchedule
from diffusion.images import rescale

SHORT = VarianceSchedule.linear(20, 1e-3, 0.3)
PLAN = Plan(sizes=[8, 4], width=8, steps=5, batch_size=4, learning_rate=1e-3, samples=6)


def row(size, of_network, of_minimiser, of_held_out, errors):
    copies = lambda share: {"copies": share, "copies_low": share / 2, "copies_high": 1.0, "samples": 6}  # noqa: E731
    stands = {"position": size / 100, "standard_errors": errors}
    parts = (copies(of_network), copies(of_minimiser), copies(of_held_out), stands)
    return Trained(size, 77, torch.zeros(6, 1, 8, 8), *parts)


def test_the_record_has_both_ends_and_the_worst_of_the_controls():
    found = memory_digits.small([row(4, 0.8, 1.0, 0.0, -3.0), row(8, 0.2, 0.9, 0.1, 2.0)], PLAN)
    assert (found["smallest"], found["smallest_copies"], found["smallest_copies_low"]) == (4, 0.8, 0.4)
    assert (found["largest"], found["largest_copies"], found["of_minimiser"], found["of_held_out"]) == (
        8,
        0.2,
        0.9,
        0.1,
    )
    assert (found["standard_errors"], found["image_visits"], found["parameters"]) == (-3.0, 20, 77)


def test_training_sets_are_nested_and_no_digit_held_out_is_among_them():
    digits = small_digits(0)
    held_out = rescale(digits[8:20])
    found = Trained.on(8, digits, held_out, PLAN, SHORT, 0)
    assert found.samples.shape == (6, 1, 8, 8) and found.of_minimiser["copies"] == 1
    assert found.of_network["training_images"] == 8 and found.of_held_out["samples"] == 12
    assert found.stands["position"] > 0.5  # five steps teach little


def test_measure_gives_the_record_in_order_of_size_and_the_same_for_the_same_seed():
    records, shown = memory_digits.measure(SHORT, PLAN, seed=3)
    assert records["small"]["sizes"] == [4, 8] == shown["sizes"].tolist()
    assert shown["samples"].shape == (2, 6, 8, 8) == shown["nearest"].shape
    assert memory_digits.measure(SHORT, PLAN, seed=3)[0] == records
