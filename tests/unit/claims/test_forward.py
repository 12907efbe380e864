"""What is said of the images at t = T, on sets whose answer is known."""

import gzip
import struct

import numpy as np
import pytest
import torch
from scipy import stats

from claims import forward
from claims.forward import Reader
from diffusion.data import read_embedded_digits
from diffusion.forward import VarianceSchedule, forward_leap

PAPER = VarianceSchedule.linear(500, 1e-4, 0.02)


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def reader(clean, truth, schedule):
    return Reader.of(clean, np.asarray(truth), schedule)


def test_the_early_step_is_two_fifths_and_never_the_image_itself():
    assert forward.early_step(PAPER) == 200
    assert forward.early_step(VarianceSchedule.linear(2, 0.1, 0.1)) == 1


OF_TWO = VarianceSchedule.linear(1, 0.9, 0.9)  # a tenth of the variance is left


def test_the_reader_is_as_good_as_theory_allows():
    """Two images, +m and -m, under noise: the best reader is right with the chance Phi(|m| sqrt(left / (1 - left)))."""
    truth = np.arange(4000) % 2
    clean = torch.full((1, 1, 4, 4), 0.5) * torch.from_numpy(1 - 2 * truth).float().reshape(-1, 1, 1, 1)
    at_T = forward_leap(clean, 1, normal(4000, 1, 4, 4), OF_TWO)
    read = reader(clean[:2], truth[:2], OF_TWO)
    found = forward.visible(read, clean, clean + 0.01 * at_T, at_T, truth)
    distance = 2 * 2 * (0.1 / 0.9) ** 0.5  # between the two means, in standard deviations
    assert found["accuracy_low"] < stats.norm.cdf(distance / 2) < found["accuracy_high"]
    assert (
        found["d_prime_low"] < distance / 2**0.5 < found["d_prime_high"]
    )  # a choice of two is worth sqrt(2) times more
    assert (found["chance"], found["early_accuracy"], found["images"], found["training_images"]) == (0.5, 1, 4000, 2)
    blind = forward.visible(read, clean, clean, normal(4000, 1, 4, 4), truth)
    assert blind["d_prime_low"] < 0 < blind["d_prime_high"]


def test_the_reader_weighs_bright_and_dark_images_rightly():
    """Two images that differ in brightness alone: right with Phi(|m_1 - m_2| sqrt(left / (1 - left)) / 2)."""
    truth = np.arange(4000) % 2
    clean = torch.from_numpy(np.where(truth, 0.2, 1.0)).float().reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    at_T = forward_leap(clean, 1, normal(4000, 1, 4, 4), OF_TWO)
    found = forward.visible(reader(clean[:2], truth[:2], OF_TWO), clean, clean, at_T, truth)
    expected = stats.norm.cdf(0.8 * 4 * (0.1 / 0.9) ** 0.5 / 2)
    assert found["accuracy_low"] < expected < found["accuracy_high"]
    assert found["of_two"] == pytest.approx(expected)  # the images alternate


def test_the_information_of_two_images_is_that_of_a_binary_channel():
    """A pixel that is +1 or -1, and one that is 0, under noise: the information is 1 - E log2(1 + exp(-2 s (s + z)))
    bits with s^2 = left / (1 - left) and z standard Gaussian; and no more than half of log2(1 + s^2).
    """
    truth = np.arange(20_000) % 2
    clean = torch.zeros(20_000, 1, 1, 2)
    clean[:, 0, 0, 0] = torch.from_numpy(1.0 - 2 * truth)
    at_T = forward_leap(clean, 1, normal(20_000, 1, 1, 2), OF_TWO)
    found = forward.information(reader(clean[:1000], truth[:1000], OF_TWO), at_T, truth)
    s = (0.1 / 0.9) ** 0.5
    z, weights = np.polynomial.hermite_e.hermegauss(80)
    expected = 1 - weights @ np.log2(1 + np.exp(-2 * s * (s + z))) / weights.sum()
    assert found["bits_low"] < expected < found["bits_high"] and found["entropy"] == pytest.approx(1)
    assert found["share_low"] < expected < found["share_high"]
    assert expected < found["bits_of_image"] == pytest.approx(np.log2(1 + 1 / 9) / 2, rel=2e-3)
    nothing = forward.information(reader(clean[:1000], truth[:1000], OF_TWO), normal(20_000, 1, 1, 2, seed=1), truth)
    assert nothing["bits_high"] < 0.02


def test_signal_in_closed_form():
    schedule = VarianceSchedule.linear(1, 0.75, 0.75)  # a quarter of the variance is left
    found = forward.signal(torch.full((3, 1, 5, 5), -0.5), schedule)
    assert found["amplitude"] == pytest.approx(0.5)
    assert found["variance_share"] == pytest.approx(0.25 * 0.25 / (0.25 * 0.25 + 0.75))


def test_the_best_test_of_one_image_is_the_matched_filter_where_there_is_one_image():
    """A weak image under nearly all of the noise: d' is sqrt(left) |m|, and the test right with Phi(d' / 2)."""
    schedule = VarianceSchedule.linear(1, 0.99, 0.99)
    clean = torch.full((1, 1, 20, 20), 0.5)
    at_T = forward_leap(clean.expand(4000, -1, -1, -1), 1, normal(4000, 1, 20, 20), schedule)
    found = forward.detectable(reader(clean, [0], schedule), at_T, normal(4000, 1, 20, 20, seed=1))
    assert found["matched_filter"] == pytest.approx(0.1 * 0.5 * 20)
    assert found["d_prime_low"] - 0.03 < 1 < found["d_prime_high"] + 0.03  # the variances differ by a hundredth
    assert found["accuracy_low"] < 0.7 < found["accuracy_high"] and found["images"] == 8000
    same = forward.detectable(reader(0 * clean, [0], schedule), normal(400, 1, 20, 20), normal(400, 1, 20, 20, seed=2))
    assert same["d_prime"] < 0.3


def test_evidence_is_the_logarithm_of_the_ratio_of_densities():
    """Two pixels, two training images: (9) averaged over both, over the standard Gaussian, by scipy."""
    clean, x = torch.tensor([[0.5, -1.0], [1.0, 0.2]]), torch.tensor([[0.3, 0.1], [-2.0, 1.5]])
    ratios = [
        np.mean([stats.norm.pdf(point, 0.1**0.5 * m, 0.9**0.5).prod() for m in clean.numpy()])
        / stats.norm.pdf(point).prod()
        for point in x.numpy()
    ]
    found = reader(clean.reshape(2, 1, 1, 2), [0, 1], OF_TWO).evidence(x.reshape(2, 1, 1, 2), 1)
    assert found.numpy() == pytest.approx(np.log(ratios), rel=1e-4)


def test_noise_that_rises_and_noise_that_does_not():
    found = forward.added_noise(PAPER)
    assert (found["steps_without_more"], found["steps"]) == (0, 500)
    assert (found["first"], found["last"]) == (pytest.approx(1e-4), pytest.approx(0.02)) and found["rises"]
    for last in (0.2, 0.1):  # a schedule that stays or falls
        found = forward.added_noise(VarianceSchedule.linear(5, 0.2, last))
        assert found["steps_without_more"] >= 1 and not found["rises"]


def test_what_the_images_show_and_their_size_before(tmp_path):
    digits = read_embedded_digits(8, seed=0)
    found = forward.pictures(digits, [])
    assert (found["digits"], found["size"], found["channels"], found["original_size"]) == (10, 8, 1, None)
    files = [tmp_path / f"{name}-ubyte.gz" for name in ("train-labels-idx1", "train-images-idx3")]
    for file, header in zip(files, ((2049, 60_000), (2051, 60_000, 28, 28)), strict=True):
        with gzip.open(file, "wb") as content:
            content.write(struct.pack(f">{len(header)}I", *header) + bytes(100))
    found = forward.pictures(digits, files)
    assert (found["original_size"], found["labels"]) == (28, "0 1 2 3 4 5 6 7 8 9")


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
    """On a schedule that leaves 88% of the images, the reader knows them and the steps still follow the law."""
    digits, schedule = read_embedded_digits(8, seed=0), VarianceSchedule.linear(10, 1e-3, 0.05)
    records = forward.measure(digits, [], schedule, seed=3)
    names = {"pictures", "visible", "information", "signal", "detectable", "added_noise", "leap", "law"}
    assert set(records) == names
    assert records["visible"]["accuracy"] > 0.85 and records["detectable"]["accuracy"] > 0.95
    assert records["information"]["share"] > 0.5
    assert records["law"]["p_value"] > 0.001 and records["law"]["pixels"] == 20 * 64
    assert records == forward.measure(digits, [], schedule, seed=3)
