"""What samples say of few steps and many, on sets whose answer is known."""

import numpy as np
import pytest
import torch

from claims import statistics as metrics
from claims import steps_network
from diffusion.classifier import Classifier
from diffusion.data import read_embedded_digits
from diffusion.images import rescale


def test_the_jackknife_of_a_mean_is_its_interval():
    """Of groups of one value each, the jackknife's variance is that of the mean."""
    values = np.random.default_rng(0).standard_normal(10)
    without = np.array([np.delete(values, k).mean() for k in range(10)])
    value, low, high = steps_network.jackknife(values.mean(), without)
    half = 2.262157 * values.std(ddof=1) / 10**0.5  # Student's t with 9 degrees of freedom
    assert (value - low, high - value) == (pytest.approx(half, rel=1e-5), pytest.approx(half, rel=1e-5))


def test_distances_leave_out_one_group_each():
    seen = np.random.default_rng(0).standard_normal((40, 3))
    reference = (np.zeros(3), np.eye(3))
    found = steps_network.distances_from(seen, reference)
    assert found.shape == (11,)
    assert found[0] == metrics.frechet_distance(*reference, *metrics.moments(seen))
    without = np.delete(seen, slice(2, None, 10), axis=0)
    assert found[3] == pytest.approx(metrics.frechet_distance(*reference, *metrics.moments(without)))


def sets(ratio):
    """Distances of which eta = 1 has `ratio` times that of eta = 0, in each group a little more or less."""
    wave = 1 + 0.01 * np.cos(np.arange(11))
    return {(eta, S): wave**eta * ratio**eta * 100 / S for eta in (0, 1) for S in (10, 50, 500)}


def test_few_steps_in_both_outcomes():
    better, worse = steps_network.few(sets(2.0)), steps_network.few(sets(0.5))
    assert better["ratio"] == pytest.approx(2, rel=0.02) and better["ratio_low"] > 1
    assert worse["ratio_low"] < worse["ratio"] < worse["ratio_high"] < 1
    assert (better["flow"], better["steps"]) == (10, 10)


def test_fifty_steps_in_both_outcomes():
    """Algorithm 2 has 2; ten steps add 8, fifty a quarter of this, or all but a quarter."""
    wave = 1 + 0.01 * np.cos(np.arange(11))
    for some, part in ((4.0, 0.25), (8.0, 0.75)):
        found = {(0, 10): 10 * wave, (0, 50): some * wave, (1, 500): 2 * wave}
        record = steps_network.fifty(found, [10, 50, 500])
        assert record["part"] == pytest.approx(part)
        assert record["excess"] == pytest.approx(8.08 * (part - 0.5))
        assert (record["excess_high"] < 0) == (part < 0.5) == (record["excess_low"] < 0)


def test_what_all_three_have_too_much_cancels():
    found = {(0, 10): np.full(11, 10.0), (0, 50): np.full(11, 4.0), (1, 500): np.full(11, 2.0)}
    more = {key: value + 7 for key, value in found.items()}
    assert steps_network.fifty(found, [500])["excess"] == steps_network.fifty(more, [500])["excess"]


def test_a_classifier_that_sees_no_difference_gives_no_verdict():
    """One whose training diverged has the same features of all images."""
    dead = {key: 0 * value for key, value in sets(1.0).items()}
    assert steps_network.few(dead) == {"ratio_low": None}
    assert steps_network.fifty(dead, [10, 50, 500]) == {"excess_high": None}


def test_a_schedule_too_short_for_these_numbers_gets_no_verdict():
    assert steps_network.few({}) == {"ratio_low": None}
    assert steps_network.fifty({}, [5]) == {"excess_high": None}
    assert steps_network.recognised({}) == {"difference": None}


def test_measure_tells_real_images_from_noise():
    torch.manual_seed(0)
    digits, model = read_embedded_digits(16, seed=0), Classifier(width=4)
    model.train()
    with torch.no_grad():
        model(rescale(digits.train_images))  # sets the batch normalisation
    real = rescale(digits.train_images)
    noise = torch.randn(40, 1, 16, 16)
    samples = {(0, 10): real[:40], (1, 10): noise, (0, 20): real[40:80], (1, 20): real[80:120]}
    seconds = dict.fromkeys(samples, 60.0) | {(1, 20): float("nan")}
    records, shown = steps_network.measure(samples, seconds, "a machine", digits, model.eval(), 0.0, seed=0)
    assert records["few"]["ratio_low"] > 1
    assert records["recognised"]["flow"] > 0.9 and records["recognised"]["noise"] < 0.1
    rows = records["table"]["rows"]
    assert [(row["eta"], row["steps"]) for row in rows] == list(samples)
    assert [row["minutes"] for row in rows] == [1, 1, 1, None]
    assert records["table"]["floor"] == pytest.approx(rows[0]["distance"][0], rel=0.5)
    assert shown["images"].shape == (2, 2, 8, 16, 16) and shown["share"].shape == shown["distance"].shape == (2, 2, 3)
