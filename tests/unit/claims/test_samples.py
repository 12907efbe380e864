"""What images say of the claims, on sets whose answer is known."""

import numpy as np
import pytest
import torch
from scipy import stats

from claims.samples import (
    FigureImages,
    Recogniser,
    counts,
    figure_3,
    figure_6,
    frechet,
    judge,
    max_over_min,
    measure,
    neighbours,
    nines,
    no_digits,
    one_gaussian,
    originals,
    spread,
)
from diffusion.classifier import Classifier
from diffusion.data import read_embedded_digits


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_recogniser_takes_real_images_and_neither_noise_nor_what_the_classifier_doubts():
    torch.manual_seed(0)
    model = Classifier(width=4)
    images = 0.05 * normal(1500, 1, 16, 16)
    model.train()
    with torch.no_grad():
        model(images)  # sets the batch normalisation
    real, noise = images[1000:], normal(200, 1, 16, 16, seed=1)
    recognise = Recogniser.fit(model, 0.0, images[:500], images[500:1000])
    assert recognise(real)[0].mean() > 0.95
    found, sure = recognise(noise)
    assert sure.all() and not found.any()
    assert not Recogniser.fit(model, 1.0, images[:500], images[500:1000])(real)[0].any()


def test_counts_in_both_outcomes():
    random, train = np.random.default_rng(0), np.arange(5000) % 10
    equal = counts(np.arange(500) % 10, train, random)
    assert equal["p_uniform"] == equal["p_training"] == 1 and equal["variation"] == 0
    assert equal["ratio"] == 1 and equal["true_draws_as_even"] == 0
    assert equal["variation_bound"] == pytest.approx(1.644854 / 2 / 500**0.5)
    uneven = counts(np.arange(500) % 10 * (np.arange(500) % 2), train, random)
    assert uneven["counts"][0] == 250 and uneven["p_training"] < 1e-10
    assert uneven["ratio"] == 250 and uneven["true_draws_as_even"] == 1  # an empty category counts as one image
    assert uneven["variation"] == pytest.approx(0.4) and uneven["variation_bound"] > 0.43 > uneven["variation_expected"]
    assert uneven["most_over"] == 0 and uneven["counts"][uneven["most_under"]] == 0


def test_true_draws_vary_enough_in_all_but_one_run_of_40():
    """Whatever the number of samples, unlike with a fixed ratio: of 400 runs 2.5% fail, limits passed once in 1,000
    (fixed seed). The shares are those of MNIST's training images.
    """
    random = np.random.default_rng(5)
    of_mnist = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    train = np.repeat(np.arange(10), of_mnist)
    for n in (100, 500):
        found = counts(np.arange(n) % 10, train, random)
        draws = random.multinomial(n, np.array(of_mnist) / 60_000, size=400)
        failed = int((max_over_min(draws) < found["ratio_low"]).sum())
        assert stats.binom.ppf(0.0005, 400, 0.025) <= failed <= stats.binom.ppf(0.9995, 400, 0.025)
    assert (found["ratio_low"], found["ratio_high"]) == (pytest.approx(1.30, abs=0.03), pytest.approx(2.12, abs=0.05))
    assert 0.6 < found["power"] < 0.95


def test_runs_from_one_start_in_both_outcomes():
    random, labels = np.random.default_rng(0), np.arange(100) % 10
    samples = normal(100, 1, 4, 4) * 0.1 + torch.from_numpy(labels).reshape(-1, 1, 1, 1)
    same = one_gaussian(samples[:1].expand(9, -1, -1, -1), np.zeros(9, int), samples, labels, random)
    assert (same["categories"], same["distance"], same["to_same_category"]) == (1, 0, 0)
    apart = one_gaussian(samples[1:10], labels[1:10], samples, labels, random)
    assert apart["categories"] == 9 and apart["to_same_category"] > 1
    assert apart["independent_low"] < apart["distance"] < apart["independent_high"] * 1.2
    expected = 10 * (1 - np.prod([(90 - i) / (100 - i) for i in range(9)]))  # categories in nine of these samples
    assert apart["independent_categories"] == pytest.approx(expected, abs=0.1)


def test_figure_6_is_told_by_its_nearest_run():
    original, others = normal(1, 1, 4, 4, seed=1), normal(200, 1, 4, 4, seed=200)
    far = figure_6(10 * others[:9], np.arange(9), original, 4, others)
    assert far["nearest"] > far["neighbour"] and far["same_label"] == 1
    near = figure_6(original + 0.01 * others[:9], np.full(9, 4), original, 4, others)
    assert near["nearest"] < 0.1 * near["neighbour"] and near["same_label"] == 9


def test_likeness_in_both_outcomes():
    """Runs that owe nothing to their originals, and runs that keep a tenth or all of them."""
    random, labels = np.random.default_rng(0), np.arange(80) % 10
    x_0, others = normal(80, 1, 4, 4, seed=1), normal(80, 1, 4, 4, seed=2)
    none = originals(others, random.permutation(labels), x_0, labels, random)
    assert none["d_prime_low"] < 0 < none["d_prime_high"] < 1 and none["p_value"] > 0.01
    assert none["digit_d_prime_low"] < 0.1 and none["digit_by_chance"] == pytest.approx(0.1, abs=0.02)
    some = originals(0.3 * x_0 + others, labels, x_0, labels, random)
    assert some["p_value"] < 0.01 and 0 < some["d_prime"] < 2 and some["same_digit"] == 80
    all_of_it = originals(x_0, labels, x_0, labels, random)
    assert all_of_it["nearer"] == 1 and all_of_it["d_prime_high"] == 10 and all_of_it["nearest"] == 0
    assert originals(x_0[:2], labels[:2], x_0[:2], labels[:2], random)["d_prime_high"] is None


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
    fair = frechet(model, samples, noise, train, labels[:2000], test, random)
    assert fair["to_missing_digit"] < 1 and fair["floor"] < fair["missing_digit"] < fair["noise"]
    unfair = frechet(model, samples[labels[2500:] < 7], noise, train, labels[:2000], test, random)
    assert unfair["to_missing_digit"] > 1
    assert frechet(model, samples[:1], noise, train, labels[:2000], test, random)["to_missing_digit"] is None


def test_copies_are_found_and_new_images_are_not_taken_for_copies():
    train, test, samples = normal(500, 1, 4, 4), normal(400, 1, 4, 4, seed=1), normal(300, 1, 4, 4, seed=2)
    new = neighbours(samples, test, train)
    assert new["near_copies_high"] < 0.05 and new["median"] == pytest.approx(new["test_median"], rel=0.05)
    assert neighbours(train[:100], test, train)["near_copies"] == 1


class BrightImages:
    """Stands in for a recogniser: takes bright images for digits, and is sure of all that are not black."""

    confidence = 0.9

    def __call__(self, x):
        brightness = x.mean(dim=(1, 2, 3)).numpy()
        return brightness > 0.5, brightness > -1


def bright(shares):
    """10 images, 4x4; the first of them bright, the next grey, the last black."""
    return (
        torch.tensor([1.0] * shares[0] + [0.0] * shares[1] + [-1.0] * shares[2])
        .reshape(-1, 1, 1, 1)
        .expand(-1, 1, 4, 4)
    )


def test_the_images_of_figure_3_have_a_chance_by_the_samples_rate():
    found = figure_3(BrightImages(), bright((7, 1, 1)), samples=bright((9, 1, 0)))
    assert (found["recognised"], found["images"], found["rate"], found["at_least"]) == (7, 9, 0.9, 8)
    assert found["chance"] == pytest.approx(9 * 0.9**8 * 0.1 + 0.9**9)
    assert found["chance_of_no_more"] == pytest.approx(1 - found["chance"])


def test_all_samples_are_counted():
    real, labels = bright((9, 1, 0)), np.arange(10)
    found = nines(BrightImages(), bright((6, 3, 1)), bright((0, 2, 8)), real, labels)
    assert (found["share"], found["sure_share"], found["real_share"]) == (0.6, 0.9, 0.9)
    assert (found["noise_share"], found["sure_of_noise"], found["confidence"]) == (0.0, 0.2, 0.9)
    assert found["chance"] == pytest.approx(9 * 0.6**8 * 0.4 + 0.6**9)
    assert found["chance_low"] < found["chance"] < found["chance_high"]
    # Of the pairs of neighbours two hold the grey image: half bright, and so no more than half as bright.
    assert found["halves_share"] == found["means_share"] == 0.8 and found["sure_of_halves"] == 1


def test_halves_and_means_are_of_images_of_different_digits():
    images = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 1, 2, 2)
    halves, means = no_digits(images, np.array([7, 7, 1, 1]))
    assert halves.tolist() == [[[[1, 2], [1, 2]]], [[[3, 0], [3, 0]]]]
    assert means[:, 0, 0, 0].tolist() == [1.5, 1.5]


def test_the_judges_accuracy_is_that_of_its_training():
    found = judge({"test_accuracy": 0.95, "test_images": 360})
    assert (
        found["accuracy"] == 0.95 and found["accuracy_low"] < 0.95 < found["accuracy_high"] and found["images"] == 360
    )


def test_images_are_spread_over_all():
    images = torch.arange(10)
    assert spread(images, 10).tolist() == list(range(10)) and spread(images, 20).tolist() == list(range(10))
    assert spread(images, 4).tolist() == [0, 3, 6, 9] and spread(images, 3).tolist() == [0, 4, 8]


@pytest.fixture
def figure_images(tmp_path):
    """A run's files of figures 3 to 6, made of real digits; in figure 3 the images at t = 0 come last and are white."""
    digits = read_embedded_digits(8, seed=0)
    real = digits.train_images[:60, 0].float().numpy() / 127.5 - 1
    three = np.stack([real[:9], np.full((9, 8, 8), 3.0, dtype=np.float32)])
    np.savez(tmp_path / "3.npz", t=np.array([20, 0]), images=three)
    np.savez(tmp_path / "4.npz", images=real[:50], label=digits.train_labels[:50], confidence=np.ones(50))
    np.savez(tmp_path / "5.npz", images=real[:9])
    np.savez(tmp_path / "6.npz", images=real[1:10], x_0=real[7])
    np.savez(tmp_path / "7.npz", images=real[20:30], index=np.arange(20, 30))
    return digits, FigureImages.load(*(tmp_path / f"{n}.npz" for n in (3, 4, 5, 6, 7)))


def test_images_of_figures_are_clamped_and_those_of_figure_3_are_the_last(figure_images):
    digits, figures = figure_images
    assert figures.nine.shape == (9, 1, 8, 8) and (figures.nine == 1).all()
    assert figures.original.shape == (1, 1, 8, 8) and torch.equal(figures.original[0], figures.samples[7])
    assert torch.equal(figures.from_training_image[:8], figures.from_one_gaussian[1:])
    assert (figures.labels == digits.train_labels[:50].numpy()).all()


def test_measure_gives_every_record_of_samples_that_are_copies(figure_images):
    digits, figures = figure_images
    torch.manual_seed(0)
    model = Classifier(width=4).eval()
    summary = {"test_accuracy": 0.5, "test_images": 360}
    records = measure(digits, model, summary, figures, image=7, confidence=0.0, seed=1)
    names = {"figure_3", "nines", "judge", "counts", "one_gaussian", "figure_6", "originals", "frechet", "neighbours"}
    assert set(records) == names
    assert records["originals"]["nearer"] == 1 and records["originals"]["images"] == 10
    assert records["neighbours"]["nearest"] == 0 and records["neighbours"]["near_copies"] == 1
    assert records["figure_6"]["nearest"] == 0 < records["figure_6"]["neighbour"]
    assert records["figure_6"]["label"] == digits.train_labels[7] and records["counts"]["samples"] == 50
    assert records["figure_3"]["images"] == 9 and records["nines"]["confidence"] == 0.0
    assert records == measure(digits, model, summary, figures, image=7, confidence=0.0, seed=1)
