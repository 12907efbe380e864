"""The records of the chapter on the start of Algorithm 2, on data whose answer is known."""

import numpy as np
import pytest
import torch

from beyond.memory import Minimiser
from beyond.start import Modes, errors, modes_of
from claims import start
from claims.start import Plan
from claims.statistics import frechet_distance
from diffusion.affine import moments
from diffusion.data import read_embedded_digits
from diffusion.forward import VarianceSchedule, forward_leap

PAPER = VarianceSchedule.linear(500, 1e-4, 0.02)
PLAN = Plan(lengths=[40, 80], refinements=[1, 2], draws=50)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_errors_of_gaussian_data():
    images = 0.5 * normal(200, 1, 2, 2) - 0.7
    data, _ = modes_of(images)
    found = start.gaussian(data, errors(data, PAPER), PAPER, images, images + 0.1)
    assert found["share_of_start"] + found["share_of_steps"] + found["share_of_last"] == pytest.approx(1)
    assert found["test_images"] == pytest.approx(0.2)  # four pixels, each moved by a tenth
    assert found["spread"] == pytest.approx(float(images.var(dim=0, correction=0).sum() ** 0.5))
    assert found["amplitude"] == pytest.approx(float(PAPER.alpha_bar[-1]) ** 0.5)
    law = (np.zeros(4), np.eye(4))
    mean, covariance = (value.numpy() for value in moments(images))
    left = float(PAPER.alpha_bar[-1])
    of_x_T = (left**0.5 * mean, left * covariance + (1 - left) * np.eye(4))
    assert found["at_T"] == pytest.approx(frechet_distance(*law, *of_x_T) ** 0.5, rel=1e-3)


def test_the_start_is_remembered_by_the_regression_and_another_slope_is_seen(monkeypatch):
    data = Modes(normal(5), torch.tensor([30.0, 2.0, 0.1, 1e-4, 0.0], dtype=torch.float64))
    found = start.memory(data, PAPER)
    assert found["difference"] < 1e-9 and found["growing"] == 1 and found["modes"] == 5
    monkeypatch.setattr(start, "kept_of_start", lambda variance, schedule: variance)
    assert start.memory(data, PAPER)["difference"] > 1e-3


def test_a_longer_process_starts_nearer_to_the_truth():
    data = Modes(normal(3), normal(3, seed=1).square())
    processes = {T: VarianceSchedule.linear(T, 1e-4, 0.02) for T in (200, 400)}
    found = start.longer({T: errors(data, process) for T, process in processes.items()}, processes, 200)
    assert found["T"] == 200 and found["longest"] == 400 and found["fall"] > 2
    assert found["left_longest"] < found["left"]


def test_a_fall_to_rounding_is_a_finite_number_and_one_from_rounding_none():
    data, tiny = Modes(normal(3), normal(3, seed=1).square()), VarianceSchedule.linear(900, 1e-3, 0.9)
    processes = {50: VarianceSchedule.linear(50, 1e-3, 0.1), 900: tiny}
    by_length = {T: errors(data, process) for T, process in processes.items()}
    found = start.longer(by_length, processes, 50)
    assert found["fall"] == found["start"] / start.ROUNDING and found["times_longer"] == 18
    assert start.longer(by_length, processes, 900)["fall"] is None
    assert start.gaussian(data, by_length[900], tiny, normal(9, 1, 1, 3), normal(9, 1, 1, 3))["kept"] is None


def test_processes_that_leave_nothing_of_the_image_are_left_out():
    digits, schedule = read_embedded_digits(8, seed=0), VarianceSchedule.linear(20, 1e-3, 0.3)
    records, shown = start.measure(digits, schedule, Plan([40, 5000], [1, 2], 50), seed=3)
    assert shown["T"].tolist() == [20, 40] and records["longer"]["longest"] == 40
    records, _ = start.measure(digits, schedule, Plan([5000], [1, 2], 50), seed=3)
    assert records["longer"]["times_longer"] == 1


def test_gaussian_starts_prefer_the_images_that_true_starts_do_not():
    """Two dark images and one bright one: N(0, I) is brighter than the law of x_T, and favours the bright one."""
    schedule = VarianceSchedule.linear(1, 0.8, 0.8)
    images = torch.cat([torch.full((2, 1, 2, 2), -1.0), torch.full((1, 1, 2, 2), 0.5)]).double()
    eps = normal(3000, 1, 2, 2)
    true = forward_leap(images.repeat(1000, 1, 1, 1), 1, eps, schedule)
    found = start.choices(Minimiser.of(images, schedule), torch.tensor([1, 1, 8]), true, eps)
    assert found["ones_ratio"] < 0.95 and found["rarest"] == 1 and found["most_frequent"] == 8
    assert found["digits_variation"] > 5 * found["digits_variation_of_true"]
    assert sum(found["shares"]) == pytest.approx(1) and found["training_shares"][1] == pytest.approx(2 / 3)


def test_measure_gives_every_record_and_what_the_figure_shows():
    digits, schedule = read_embedded_digits(8, seed=0), VarianceSchedule.linear(40, 1e-3, 0.1)
    records, shown = start.measure(digits, schedule, PLAN, seed=3)
    assert set(records) == {"gaussian", "memory", "longer", "choices"}
    assert shown["T"].tolist() == [40, 80] and shown["start_by_steps"].shape == (2,)
    assert shown["displacement"].shape == (8, 8) and shown["variance"].shape == (64,)
    assert records == start.measure(digits, schedule, PLAN, seed=3)[0]
