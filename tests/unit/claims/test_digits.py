"""What is read off the flow of digits and its reversal."""

import numpy as np
import pytest
import torch

from claims import digits
from diffusion.images import Digits

LIMITS = {"constant": 100, "angle": 120, "norm": 300, "both": 400}
"""How many of a thousand limits are read right."""


@pytest.fixture(scope="module")
def made_up():
    """Ten patterns, one a label, with noise: 300 to learn from, 40 to test, 8x8."""
    random = np.random.default_rng(0)
    patterns = random.uniform(40, 215, size=(10, 1, 8, 8))
    labels = [np.arange(n) % 10 for n in (300, 40)]
    images = [
        torch.from_numpy(
            np.clip(patterns[label] + random.normal(size=(len(label), 1, 8, 8)) * 10, 0, 255).astype(np.uint8)
        )
        for label in labels
    ]
    train, test = (torch.from_numpy(label) for label in labels)
    return Digits(images[0], train, images[1], test)


@pytest.fixture(scope="module")
def found(made_up):
    return digits.study(made_up, 3, [0.0, 0.1], [0.01, 0.1], 0.01, 40, 300, seed=1)


def test_a_study_gives_every_record_and_finite_numbers(found):
    records = digits.measure(found)
    assert set(records) == {"square_limit", "mixed", "left", "back", "undoing"}
    assert all(np.isfinite(value).all() for record in records.values() for value in record.values())
    assert found["shown"].shape == (2, 8, 8) and found["shown_naive"].shape == (2, 8, 8)
    assert records["square_limit"]["slowest"] > 0.95 and records["back"]["original"] == 1
    assert found["right_carried"].shape == (2, 40) and found["limit_both"].shape == (40,)


def test_the_first_image_shown_is_the_digit_without_its_mean(found, made_up):
    image = made_up.train_images[3, 0].numpy() / 127.5 - 1
    assert np.allclose(found["shown"][0], image - image.mean())


def test_a_reader_names_the_nearest_at_any_scale():
    reader = digits.Reader(np.eye(3), np.array([7, 8, 9]))
    assert reader.read(np.array([[0.1, 5.0, 0.2], [-9.0, 0.0, 1e-9]])).tolist() == [8, 9]


def test_the_reader_who_knows_the_flow_reads_without_undoing_it(found):
    """Ten patterns that the flow carries one to one: templates carried to T are those that the data are nearest to."""
    assert found["right_carried"].mean() > 0.9
    assert digits.undoing(found)["gain_high"] < 0.1


def amplitudes(theta, C):
    """Of images with only the first two modes, where the eigenvalues are 1."""
    return np.sqrt(C)[:, None] * np.stack([np.cos(theta), np.sin(theta)], axis=1)


def test_the_limit_is_read_around_the_circle_and_by_its_norm():
    theta = np.concatenate([np.linspace(3.0, 3.1, 60), np.linspace(-0.1, 0.1, 61)])
    labels = np.repeat([4, 1], [60, 61])
    ones, C = np.ones(2), np.where(labels == 4, 9.0, 1.0) * np.linspace(1, 1.01, 121)
    asked, truth = np.array([-3.1, 0.0]), np.array([4, 1])

    def read(known, tested):
        found = digits.read_limits(known, labels, tested, truth, ones)
        return {name: right.tolist() for name, right in found.items()}

    found = read(amplitudes(theta, C), amplitudes(asked, np.array([1.0, 9.0])))
    assert found["angle"] == [True, True] and found["norm"] == [False, False] and found["constant"] == [False, True]
    found = read(amplitudes(theta, C), amplitudes(asked[::-1], np.array([9.0, 1.0])))
    assert found["angle"] == [False, False] and found["norm"] == [True, True]
    assert read(amplitudes(theta, C), amplitudes(asked, np.array([9.0, 1.0])))["both"] == [True, True]


def test_centre_of_mass_is_in_pixels_to_the_right_and_down():
    image = -np.ones((1, 4, 4))
    image[0, 3, 2] = 1
    assert digits._centre_of_mass(image) == pytest.approx(np.array([[0.5, 1.5]]))


def test_rates_mixtures_and_gains_are_read_off():
    late = np.array([8.0, 10.0, 12.0])
    study = {
        "eigenvalues": np.array([1.0, 1.0, 3.0, 4.0]),
        "late": late,
        "distance": np.exp(-np.outer(late, [2.0, 1.0])),
        "first_two": np.array([[1.0, 0.05], [0.3, -0.2], [0.0, 1.0], [1.0, 1.0]]),
        "ends": np.array([0.01, 0.1]),
        "error": np.array(0.01),
        "off_centre": np.array([[0.5, 0.25]]),
        "right_original": np.arange(200) < 190,
        **{
            f"right_{name}": np.arange(200) < np.array([[200], [n]])
            for name, n in {"data": 60, "naive": 20, "cut_off": 1, "tikhonov": 180, "carried": 190}.items()
        },
        **{f"limit_{name}": np.arange(1000) < n for name, n in LIMITS.items()},
    }
    assert digits.square_limit(study)["slowest"] == pytest.approx(0.5)
    assert digits.mixed(study)["share"] == 0.5
    back = digits.back(study)
    assert (back["tikhonov"], back["data"], back["end"]) == (0.9, 0.3, 0.1)
    assert 0.4 < back["gain"] < 0.6  # less than 0.6 by both intervals
    undoing = digits.undoing(study)
    assert undoing["gains"] == pytest.approx([0, -0.05]) and undoing["gain_high"] == 0
    left = digits.left(study)
    assert (left["constant"], left["angle_gain"], left["both_gain"]) == pytest.approx((0.1, 0.02, 0.3))
    assert 0.02 < left["angle_gain_high"] < 0.03 and 0.25 < left["both_gain_low"] < 0.3  # in pairs, so narrow
