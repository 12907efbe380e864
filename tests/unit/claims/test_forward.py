"""What is said of the images at t = T, on sets whose answer is known."""

import numpy as np
import pytest
import torch
from scipy import stats

from claims import forward
from diffusion.classifier import Classifier
from diffusion.data import read_embedded_digits
from diffusion.forward import VarianceSchedule, forward_leap

PAPER = VarianceSchedule.linear(500, 1e-4, 0.02)


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_what_the_classifier_reads_of_clean_noisy_and_last_images(monkeypatch):
    """The classifier stands in for one that reads a digit off an image's brightness, in steps of a tenth."""
    monkeypatch.setattr(forward, "read_labels", lambda model, x: (x.mean(dim=(1, 2, 3)).mul(10).round().numpy(), None))
    truth = np.arange(200) % 10
    clean = torch.from_numpy(truth / 10).float().reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    noisy, at_T = clean.clone(), torch.zeros_like(clean)
    noisy[:50] = -1
    record = forward.visible(Classifier(), clean, noisy, at_T, truth, PAPER)
    assert (record["clean_accuracy"], record["early_accuracy"], record["accuracy"]) == (1, 0.75, 0.1)
    assert (record["images"], record["early"]) == (200, 50) and record["accuracy_low"] < 0.1 < record["accuracy_high"]


def test_the_early_step_is_never_the_image_itself():
    assert forward.early_step(VarianceSchedule.linear(5, 0.1, 0.1)) == 1


def test_the_informed_judge_is_as_good_as_theory_allows():
    """Two images, +m and -m, under noise: the best judge is right with the chance Phi(|m| sqrt(left / (1 - left)))."""
    schedule, truth = VarianceSchedule.linear(1, 0.9, 0.9), np.arange(4000) % 2
    clean = torch.full((1, 1, 4, 4), 0.5) * torch.from_numpy(1 - 2 * truth).float().reshape(-1, 1, 1, 1)
    at_T = forward_leap(clean, 1, normal(4000, 1, 4, 4), schedule)
    found = forward.informed_judge(clean[:2], truth[:2], at_T, truth, schedule)
    expected = stats.norm.cdf(2 * (0.1 / 0.9) ** 0.5)
    assert found["accuracy_low"] < expected < found["accuracy_high"]
    assert found["chance"] == 0.5 and found["p_value"] < 1e-6
    blind = forward.informed_judge(clean[:2], truth[:2], normal(4000, 1, 4, 4), truth, schedule)
    assert blind["p_value"] > 0.01


def test_the_informed_judge_weighs_bright_and_dark_images_rightly():
    """Two images that differ in brightness: right with the chance Phi(|m_1 - m_2| sqrt(left / (1 - left)) / 2)."""
    schedule, truth = VarianceSchedule.linear(1, 0.9, 0.9), np.arange(4000) % 2
    clean = torch.from_numpy(np.where(truth, 0.2, 1.0)).float().reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    at_T = forward_leap(clean, 1, normal(4000, 1, 4, 4), schedule)
    found = forward.informed_judge(clean[:2], truth[:2], at_T, truth, schedule)
    expected = stats.norm.cdf(0.8 * 4 * (0.1 / 0.9) ** 0.5 / 2)
    assert found["accuracy_low"] < expected < found["accuracy_high"]


def test_signal_in_closed_form():
    schedule = VarianceSchedule.linear(1, 0.75, 0.75)  # a quarter of the variance is left
    found = forward.signal(torch.full((3, 1, 5, 5), -0.5), schedule)
    assert found["amplitude"] == pytest.approx(0.5)
    assert found["variance_share"] == pytest.approx(0.25 * 0.25 / (0.25 * 0.25 + 0.75))
    assert found["mean_shift"] == pytest.approx(0.5 * 0.5 * 5)


def test_what_is_left_at_T_is_detected_and_noise_is_not():
    clean = torch.full((60, 1, 4, 4), 0.8)
    gaussian, random = (normal(60, 1, 4, 4, seed=1), normal(60, 1, 4, 4, seed=2)), np.random.default_rng(0)
    found = forward.detectable(normal(60, 1, 4, 4) + 1, gaussian, clean, PAPER, random)
    assert found["p_value"] == 0.001 and found["null_p_value"] > 0.01 and found["images"] == 60
    assert found["mean_shift"] == forward.signal(clean, PAPER)["mean_shift"]
    assert forward.detectable(normal(60, 1, 4, 4), gaussian, clean, PAPER, random)["p_value"] > 0.01


def test_steps_and_leap_agree_and_a_wrong_leap_is_seen(monkeypatch):
    assert forward.leap(PAPER)["difference"] < 1e-11
    monkeypatch.setattr(forward, "forward_leap", lambda x, t, eps, s: forward_leap(x, max(t - 1, 1), eps, s))
    assert forward.leap(PAPER)["difference"] > 1e-3


def test_law_of_the_leap_in_both_outcomes():
    x_0 = torch.full((1, 1, 100, 100), 0.7, dtype=torch.float64)
    eps = normal(1, 1, 100, 100, dtype=torch.float64)
    assert forward.law(forward_leap(x_0, 500, eps, PAPER), x_0, PAPER)["p_value"] > 0.001
    assert forward.law(forward_leap(x_0, 400, eps, PAPER), x_0, PAPER)["p_value"] < 0.001


def test_measure_gives_every_record_and_the_same_for_the_same_seed():
    """On a schedule that leaves nearly all of the images, the judge knows them and the steps still follow their law."""
    digits, schedule = read_embedded_digits(8, seed=0), VarianceSchedule.linear(10, 1e-4, 1e-3)
    torch.manual_seed(0)
    model = Classifier(width=4).eval()
    records = forward.measure(digits, model, schedule, seed=3)
    assert set(records) == {"visible", "informed_judge", "signal", "detectable", "leap", "law"}
    assert records["informed_judge"]["accuracy"] > 0.9 and records["detectable"]["p_value"] == 0.001
    assert records["law"]["p_value"] > 0.001 and records["law"]["pixels"] == 20 * 64
    assert records == forward.measure(digits, model, schedule, seed=3)
