"""The records of the small networks, on trainings of a few steps."""

import torch

from beyond.memory import Minimiser, small_digits
from claims import memory_digits
from claims.memory import over
from claims.memory_digits import Plan, Trained
from diffusion.forward import VarianceSchedule
from diffusion.images import rescale

SHORT = VarianceSchedule.linear(20, 1e-3, 0.3)
PLAN = Plan(sizes=[8, 4], width=8, steps=5, batch_size=4, learning_rate=1e-3, samples=6)


def row(size, of_network, of_minimiser, of_held_out, errors):
    copies = lambda share: {"copies": share, "copies_low": share / 2, "copies_high": 1.0, "samples": 6}  # noqa: E731
    stands = {"position": size / 100}
    parts = ({2: copies(0.1), 5: copies(of_network)}, copies(of_minimiser), copies(of_held_out), stands, errors)
    return Trained(size, 77, torch.zeros(6, 1, 8, 8), *parts)


ROWS = [row(4, 0.8, 1.0, 0.0, {"network": 1.0, "none": -3.0}), row(8, 0.2, 0.9, 0.1, {"network": 2.0, "none": 0.0})]


def test_the_record_has_both_ends_and_the_worst_of_the_controls():
    found = memory_digits.small(ROWS, PLAN)
    assert (found["smallest"], found["smallest_copies"], found["smallest_copies_low"]) == (4, 0.8, 0.4)
    assert (found["largest"], found["largest_copies"], found["of_minimiser"], found["of_held_out"]) == (
        8,
        0.2,
        0.9,
        0.1,
    )
    assert (found["standard_errors"], found["predictions"]) == (-3.0, 4)
    assert (found["image_visits"], found["parameters"]) == (20, 77)


def test_the_training_s_length_is_that_of_the_smallest_set():
    found = memory_digits.length(ROWS)
    assert (found["looks"], found["shares"], found["size"]) == ([2, 5], [0.1, 0.8], 4)
    assert (found["fewest"], found["copies"], found["at_end"]) == (2, 0.1, 0.8)


def test_a_network_is_looked_at_after_each_half():
    assert Plan([2], 8, 160, 4, 1e-3, 6).looks == [10, 20, 40, 80, 160]
    assert PLAN.looks == [1, 2, 5]


def test_pythagoras_finds_what_is_not_the_minimiser():
    """Half of the images, or all of them with less contrast, miss the identity for one of the predictions."""
    images = rescale(small_digits(0)[:4]).double()
    noised = over(images.repeat(1000, 1, 1, 1), SHORT.T, 0)
    right = Minimiser.of(images, SHORT)
    network = lambda x, t: 0.7 * right(x, t) + 0.1 * x  # noqa: E731
    assert max(map(abs, memory_digits.pythagoras(noised, network, right).values())) < 4
    for wrong in (Minimiser.of(images[:2], SHORT), Minimiser.of(0.95 * images, SHORT)):
        assert max(map(abs, memory_digits.pythagoras(noised, network, wrong).values())) > 4


def test_training_sets_are_nested_and_no_digit_held_out_is_among_them():
    digits = small_digits(0)
    held_out = rescale(digits[8:20])
    found = Trained.on(8, digits, held_out, PLAN, SHORT, 0)
    assert found.samples.shape == (6, 1, 8, 8) and found.of_minimiser["copies"] == 1
    assert (
        list(found.of_network) == [1, 2, 5] and found.end["training_images"] == 8 and found.of_held_out["samples"] == 12
    )
    assert found.stands["position"] > 0.5  # five steps teach little


def test_measure_gives_the_record_in_order_of_size_and_the_same_for_the_same_seed():
    records, shown = memory_digits.measure(SHORT, PLAN, seed=3)
    assert records["small"]["sizes"] == [4, 8] == shown["sizes"].tolist()
    assert shown["copies"].shape == (2, 3) and shown["steps"].tolist() == [1, 2, 5]
    assert records["length"]["size"] == 4
    assert shown["samples"].shape == (2, 6, 8, 8) == shown["nearest"].shape
    assert memory_digits.measure(SHORT, PLAN, seed=3)[0] == records
