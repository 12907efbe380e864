"""What images say of the claims, on sets whose answer is known."""

import numpy as np
import pytest
import torch
from scipy import stats

from claims import samples as evidence
from diffusion.classifier import Classifier
from diffusion.forward import VarianceSchedule, forward_leap

PAPER = VarianceSchedule.linear(500, 1e-4, 0.02)


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_the_informed_judge_is_as_good_as_theory_allows():
    """Two images, +m and -m, under noise: the best judge is right with the chance Phi(|m| sqrt(left / (1 - left)))."""
    schedule, truth = VarianceSchedule.linear(1, 0.9, 0.9), np.arange(4000) % 2
    clean = torch.full((1, 1, 4, 4), 0.5) * torch.from_numpy(1 - 2 * truth).float().reshape(-1, 1, 1, 1)
    at_T = forward_leap(clean, 1, normal(4000, 1, 4, 4), schedule)
    found = evidence.informed_judge(clean[:2], truth[:2], at_T, truth, schedule)
    expected = stats.norm.cdf(2 * (0.1 / 0.9) ** 0.5)
    assert found["accuracy_low"] < expected < found["accuracy_high"]
    assert found["chance"] == 0.5 and found["p_value"] < 1e-6
    blind = evidence.informed_judge(clean[:2], truth[:2], normal(4000, 1, 4, 4), truth, schedule)
    assert blind["p_value"] > 0.01


def test_signal_in_closed_form():
    schedule = VarianceSchedule.linear(1, 0.75, 0.75)  # a quarter of the variance is left
    found = evidence.signal(torch.full((3, 1, 5, 5), -0.5), schedule)
    assert found["amplitude"] == pytest.approx(0.5)
    assert found["variance_share"] == pytest.approx(0.25 * 0.25 / (0.25 * 0.25 + 0.75))
    assert found["mean_shift"] == pytest.approx(0.5 * 0.5 * 5)


def test_steps_and_leap_agree_and_a_wrong_leap_is_seen(monkeypatch):
    assert evidence.composed_steps(PAPER)["difference"] < 1e-11
    monkeypatch.setattr(evidence, "forward_leap", lambda x, t, eps, s: forward_leap(x, max(t - 1, 1), eps, s))
    assert evidence.composed_steps(PAPER)["difference"] > 1e-3


def test_law_of_the_leap_in_both_outcomes():
    x_0 = torch.full((1, 1, 100, 100), 0.7, dtype=torch.float64)
    eps = normal(1, 1, 100, 100, dtype=torch.float64)
    assert evidence.law_of_leap(forward_leap(x_0, 500, eps, PAPER), x_0, PAPER)["p_value"] > 0.001
    assert evidence.law_of_leap(forward_leap(x_0, 400, eps, PAPER), x_0, PAPER)["p_value"] < 0.001


def test_recognised():
    found = evidence.recognised(np.arange(100) < 90)
    assert (found["recognised"], found["samples"], found["share"]) == (90, 100, 0.9)
    assert found["chance"] == pytest.approx(9 * 0.9**8 * 0.1 + 0.9**9)
    assert found["chance_low"] < found["chance"] < found["chance_high"]


def test_recogniser_takes_real_images_and_neither_noise_nor_what_the_classifier_doubts():
    torch.manual_seed(0)
    model = Classifier(width=4)
    images = 0.05 * normal(1500, 1, 16, 16)
    model.train()
    with torch.no_grad():
        model(images)  # sets the batch normalisation
    real, noise = images[1000:], normal(200, 1, 16, 16, seed=1)
    recognise = evidence.Recogniser.fit(model, 0.0, images[:500], images[500:1000])
    assert recognise(real)[0].mean() > 0.95
    found, sure = recognise(noise)
    assert sure.all() and not found.any()
    assert not evidence.Recogniser.fit(model, 1.0, images[:500], images[500:1000])(real)[0].any()


def test_counts_in_both_outcomes():
    random, train = np.random.default_rng(0), np.arange(5000) % 10
    equal = evidence.category_counts(np.arange(500) % 10, train, random)
    assert equal["p_uniform"] == equal["p_training"] == 1 and equal["variation"] == 0
    uneven = evidence.category_counts(np.arange(500) % 10 * (np.arange(500) % 2), train, random)
    assert uneven["counts"][0] == 250 and uneven["p_training"] < 1e-10
    assert uneven["variation"] > uneven["variation_chance"] > uneven["variation_expected"]
    assert uneven["most_over"] == 0 and uneven["counts"][uneven["most_under"]] == 0


def test_runs_from_one_start_in_both_outcomes():
    random, labels = np.random.default_rng(0), np.arange(100) % 10
    samples = normal(100, 1, 4, 4) * 0.1 + torch.from_numpy(labels).reshape(-1, 1, 1, 1)
    same = evidence.runs_from_one_start(samples[:1].expand(9, -1, -1, -1), np.zeros(9, int), samples, labels, random)
    assert (same["categories"], same["distance"], same["to_same_category"]) == (1, 0, 0)
    apart = evidence.runs_from_one_start(samples[1:10], labels[1:10], samples, labels, random)
    assert apart["categories"] == 9 and apart["to_same_category"] > 1
    assert apart["independent_low"] < apart["distance"] < apart["independent_high"] * 1.2
    expected = 10 * (1 - np.prod([(90 - i) / (100 - i) for i in range(9)]))  # categories in nine of these samples
    assert apart["independent_categories"] == pytest.approx(expected, abs=0.1)


def test_likeness_in_both_outcomes():
    original, others, samples = (normal(n, 1, 4, 4, seed=n) for n in (1, 200, 50))
    far = evidence.likeness(10 * others[:9], np.arange(9), original, 4, others, samples)
    assert far["nearest"] > far["neighbour"] and far["same_label"] == 1 and far["p_rank"] > 0.5
    near = evidence.likeness(original + 0.01 * others[:9], np.full(9, 4), original, 4, others, samples)
    assert near["nearest"] < 0.1 * near["neighbour"] and near["same_label"] == 9 and near["p_rank"] < 1e-3


def test_plausible_sets_are_near_and_others_far():
    """Ten kinds of images, each a brightness: a set without one lies farther than a fair one, and noise farther yet."""
    torch.manual_seed(0)
    model, random = Classifier(width=4), np.random.default_rng(0)
    labels = np.arange(3000) % 10
    images = 0.05 * normal(3000, 1, 16, 16) + torch.from_numpy(labels).float().reshape(-1, 1, 1, 1) / 5 - 0.9
    train, test, samples = images[:2000], images[2000:2500], images[2500:]
    model.train()
    with torch.no_grad():
        model(train)  # sets the batch normalisation
    noise = normal(500, 1, 16, 16)
    fair = evidence.plausibility(model, samples, noise, train, labels[:2000], test, random)
    assert fair["to_missing_digit"] < 1 and fair["floor"] < fair["missing_digit"] < fair["noise"]
    unfair = evidence.plausibility(model, samples[labels[2500:] < 7], noise, train, labels[:2000], test, random)
    assert unfair["to_missing_digit"] > 1
    assert (
        evidence.plausibility(model, samples[:1], noise, train, labels[:2000], test, random)["to_missing_digit"] is None
    )


def test_copies_are_found_and_new_images_are_not_taken_for_copies():
    train, test, samples = normal(500, 1, 4, 4), normal(400, 1, 4, 4, seed=1), normal(300, 1, 4, 4, seed=2)
    new = evidence.novelty(samples, test, train)
    assert new["near_copies_high"] < 0.05 and new["median"] == pytest.approx(new["test_median"], rel=0.05)
    assert evidence.novelty(train[:100], test, train)["near_copies"] == 1
