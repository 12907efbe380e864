"""What is read off the flow of digits and its reversal."""

import numpy as np
import pytest
import torch

from claims import digits
from diffusion.images import Digits


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
    assert set(records) == {"square_limit", "mixed", "left", "back"}
    assert all(np.isfinite(value) for record in records.values() for value in record.values())
    assert found["shown"].shape == (2, 8, 8) and found["shown_naive"].shape == (2, 8, 8)
    assert records["square_limit"]["slowest"] > 0.95 and records["left"]["original"] == 1


def test_the_first_image_shown_is_the_digit_without_its_mean(found, made_up):
    image = made_up.train_images[3, 0].numpy() / 127.5 - 1
    assert np.allclose(found["shown"][0], image - image.mean())


def test_a_reader_names_the_nearest_at_any_scale():
    reader = digits.Reader(np.eye(3), np.array([7, 8, 9]))
    assert reader.read(np.array([[0.1, 5.0, 0.2], [-9.0, 0.0, 1e-9]])).tolist() == [8, 9]


def test_a_reader_of_the_angle_goes_around_the_circle():
    training = np.concatenate([np.linspace(3.0, 3.1, 60), np.linspace(-0.1, 0.1, 60)])
    labels = np.repeat([4, 1], 60)
    assert digits.read_by_angle(np.array([-3.1, 0.0]), training, labels).tolist() == [4, 1]


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
        "readings": np.array(200),
        "ends": np.array([0.01, 0.1]),
        "error": np.array(0.01),
        "read_original": np.array(190),
        **{
            f"read_{name}": np.array([200, n])
            for name, n in zip(("data", "naive", "cut_off", "tikhonov"), (60, 20, 1, 180), strict=True)
        },
    }
    assert digits.square_limit(study)["slowest"] == pytest.approx(0.5)
    assert digits.mixed(study)["share"] == 0.5
    back = digits.back(study)
    assert (back["tikhonov"], back["data"], back["end"]) == (0.9, 0.3, 0.1)
    assert 0.4 < back["gain"] < 0.6  # less than 0.6 by both intervals
