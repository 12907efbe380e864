"""Sections 2 and 6: what a run's images say of the samples, as recognisable, varied, plausible and novel.

One function for each record of claims/samples.json. Images are (n, 1, h, w) in [-1, 1]; labels and truth values (n,). A
number that a set is too small to give is None.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import torch
from scipy import stats
from scipy.spatial.distance import cdist, pdist, squareform
from torch import Tensor

from claims import statistics as metrics
from diffusion.classifier import CLASSES, Classifier, features, read_labels
from diffusion.images import Digits, rescale
from engine.randomness import generator

NINE, AT_LEAST = 9, 8
"""The images of figure 3, and how many of them are handwritten digits."""
TEST_IMAGES, WITH_NEIGHBOURS, IN_PAIRS = 5000, 1000, 2000
"""At most this many images are compared: in all, with their nearest neighbours, and each with each other."""


@dataclass(frozen=True)
class Recogniser:
    """Distinguishes digits from other images. The classifier's confidence alone does not: it was trained on digits
    only, and may be sure of pure noise. So an image is recognised if the classifier is sure of it, and if in the
    classifier's features it lies as near to real training images as all but 1% of real test images do.
    """

    model: Classifier
    confidence: float
    reference: Tensor
    """Features of training images, (n, d)."""
    radius: float
    """The 99% quantile of the distances of test images to the nearest of `reference`."""

    @classmethod
    def fit(cls, model: Classifier, confidence: float, train: Tensor, test: Tensor) -> "Recogniser":
        of_train, of_test = (torch.from_numpy(features(model, x)) for x in (train, test))
        return cls(model, confidence, of_train, float(np.quantile(metrics.nearest(of_test, of_train), 0.99)))

    @torch.no_grad()
    def __call__(self, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Which images are recognised, and of which the classifier is sure: both (n,) of truth values."""
        seen = torch.from_numpy(features(self.model, x))
        sure = self.model.logits(seen.float()).softmax(dim=1).amax(dim=1).numpy() > self.confidence
        return sure & (metrics.nearest(seen, self.reference) <= self.radius), sure


def figure_3(recognise: Recogniser, images: Tensor, samples: Tensor) -> dict:
    """How many images of figure 3 are recognised, and how often nine images would hold at least eight such, and no more
    than here, if each is recognised as often as the samples are: all are independent runs of Algorithm 2.
    """
    recognised, rate = int(recognise(images)[0].sum()), float(recognise(samples)[0].mean())
    return {
        "recognised": recognised,
        "images": len(images),
        "rate": rate,
        "at_least": AT_LEAST,
        "chance": metrics.chance_of_at_least(AT_LEAST, NINE, rate),
        "chance_of_no_more": 1 - metrics.chance_of_at_least(recognised + 1, len(images), rate),
    }


def no_digits(images: Tensor, labels: np.ndarray) -> tuple[Tensor, Tensor]:
    """Images that look like digits in part and are none: the left half of an image with the right half of the next, and
    the mean of the two, of pairs that show different digits.
    """
    following = images.roll(-1, dims=0)
    differ = torch.from_numpy(labels != np.roll(labels, -1))
    first, second = images[differ], following[differ]
    left = images.shape[-1] // 2
    return torch.cat([first[..., :left], second[..., left:]], dim=-1), (first + second) / 2


def nines(recognise: Recogniser, samples: Tensor, noise: Tensor, real: Tensor, real_labels: np.ndarray) -> dict:
    """The share of samples that are recognised, with Wilson's 95% interval, and how often nine samples hold at least
    eight such; beside it the shares of real test images, of `no_digits` made of them and of pure noise, and the shares
    of which the classifier alone is sure.
    """
    recognised, sure = recognise(samples)
    of_noise, sure_of_noise = recognise(noise)
    halves, means = no_digits(real, real_labels)
    of_halves, sure_of_halves = recognise(halves)
    share = metrics.share(recognised.sum(), len(recognised))
    return {
        "samples": len(recognised),
        "recognised": int(recognised.sum()),
        **metrics.ends("share", share),
        **metrics.ends("chance", (metrics.chance_of_at_least(AT_LEAST, NINE, p) for p in share)),
        "confidence": recognise.confidence,
        "sure_share": float(sure.mean()),
        "sure_of_noise": float(sure_of_noise.mean()),
        "noise_share": float(of_noise.mean()),
        "halves_share": float(of_halves.mean()),
        "sure_of_halves": float(sure_of_halves.mean()),
        "means_share": float(recognise(means)[0].mean()),
        "real_share": float(recognise(real)[0].mean()),
    }


def judge(summary: dict) -> dict:
    """The classifier's accuracy on test images, from the summary of its training."""
    images = summary["test_images"]
    return metrics.accuracy(round(summary["test_accuracy"] * images), images)


def counts(labels: np.ndarray, train_labels: np.ndarray, random: np.random.Generator) -> dict:
    """The counts of figure 4: the largest over the smallest, beside what true draws give, as many categories drawn with
    the training set's shares; and the counts' total variation distance from these shares, with an upper bound on that
    of the law behind the counts.
    """
    n = len(labels)
    of_digits = np.bincount(labels, minlength=CLASSES)
    shares = np.bincount(train_labels, minlength=CLASSES) / len(train_labels)
    drawn = random.multinomial(n, shares, size=10_000)
    ratio, ratios = max_over_min(of_digits), max_over_min(drawn)
    variation, by_chance = metrics.total_variation(of_digits, shares), metrics.total_variation(drawn, shares)
    bound = metrics.total_variation_bound(variation, n)
    excess = of_digits / n - shares
    return {
        "samples": n,
        "counts": of_digits.tolist(),
        "intervals": [metrics.share(count, n)[1:] for count in of_digits],
        "training_shares": shares.tolist(),
        "smallest": int(of_digits.min()),
        "largest": int(of_digits.max()),
        "ratio": float(ratio),
        "ratio_low": float(np.quantile(ratios, 0.025)),
        "ratio_median": float(np.median(ratios)),
        "ratio_high": float(np.quantile(ratios, 0.975)),
        "true_draws_as_even": float((ratios <= ratio).mean()),
        "p_uniform": float(stats.chisquare(of_digits).pvalue),
        "p_training": float(stats.chisquare(of_digits, n * shares).pvalue),
        "variation": float(variation),
        "variation_bound": float(bound),
        "variation_expected": float(by_chance.mean()),
        "power": float((metrics.total_variation_bound(by_chance, n) <= 1 / CLASSES).mean()),
        "most_over": int(excess.argmax()),
        "most_under": int(excess.argmin()),
    }


def max_over_min(counts: np.ndarray) -> np.ndarray:
    """The largest count over the smallest along the last axis; an empty category counts as one image."""
    return counts.max(axis=-1) / np.maximum(1, counts.min(axis=-1))


def one_gaussian(
    runs: Tensor, run_labels: np.ndarray, samples: Tensor, labels: np.ndarray, random: np.random.Generator
) -> dict:
    """Figure 5: how far apart the runs are, beside samples of one category and sets of independent samples."""
    n, size = len(samples), min(len(runs), len(samples))
    distances = squareform(pdist(samples.flatten(1).double().numpy()))
    one_category = (labels[:, None] == labels) & ~np.eye(n, dtype=bool)
    sets = np.array([random.choice(n, size, replace=False) for _ in range(2000)])
    first, second = np.triu_indices(size, k=1)
    independent = distances[sets[:, first], sets[:, second]].mean(axis=1) if size > 1 else np.zeros(1)
    distance = metrics.mean_distance(runs)
    same_category = float(distances[one_category].mean()) if one_category.any() else None
    return {
        "labels": " ".join(map(str, run_labels)),
        "categories": len(np.unique(run_labels)),
        "independent_categories": float(np.mean([len(np.unique(labels[chosen])) for chosen in sets])),
        "distance": distance,
        "same_category": same_category,
        "to_same_category": distance / same_category if same_category else None,
        "independent_low": float(np.quantile(independent, 0.025)),
        "independent_high": float(np.quantile(independent, 0.975)),
        "independent_mean": float(independent.mean()),
    }


def figure_6(runs: Tensor, run_labels: np.ndarray, original: Tensor, label: int, others: Tensor) -> dict:
    """How near the runs of figure 6 come to the original, (1, 1, h, w), beside its nearest other training image, and
    how many of them the classifier takes for the original's digit.
    """
    return {
        "images": len(runs),
        "nearest": float(metrics.nearest(runs, original).min()),
        "neighbour": float(metrics.nearest(original, others)[0]),
        "label": label,
        "labels": " ".join(map(str, run_labels)),
        "same_label": int((run_labels == label).sum()),
    }


def originals(
    runs: Tensor, run_labels: np.ndarray, x_0: Tensor, labels: np.ndarray, random: np.random.Generator
) -> dict:
    """What noised training images x_0, (n, 1, h, w), leave in the images that Algorithm 2 makes of them, one run each:
    how often a run is nearer to its own original than to another, and how often it shows the same digit, each with the
    d' of such a choice. The p value is that of permuted originals.
    """
    n = len(runs)
    if n < 3:  # the interval leaves out one pair and needs another two
        return {"d_prime_high": None, "digit_d_prime_high": None}
    distances = cdist(runs.flatten(1).double(), x_0.flatten(1).double())
    nearer = metrics.own_is_nearer(distances)
    same_digit = metrics.share((run_labels == labels).sum(), n)
    others = ~np.eye(n, dtype=bool)
    return {
        "images": n,
        **metrics.ends("nearer", nearer),
        **metrics.ends("d_prime", (metrics.d_prime_of_choice(p, 2) for p in nearer)),
        "p_value": metrics.permutation_test(distances, random),
        "distance": float(np.diag(distances).mean()),
        "distance_to_others": float(distances[others].mean()),
        "nearest": float(np.diag(distances).min()),
        "same_digit": int((run_labels == labels).sum()),
        **metrics.ends("digit_share", same_digit),
        **metrics.ends("digit_d_prime", (metrics.d_prime_of_choice(p, CLASSES) for p in same_digit)),
        "digit_by_chance": float((run_labels[:, None] == labels)[others].mean()),
    }


def frechet(
    model: Classifier,
    samples: Tensor,
    noise: Tensor,
    train: Tensor,
    train_labels: np.ndarray,
    test: Tensor,
    random: np.random.Generator,
) -> dict:
    """The Fréchet distance from the test images (squared, as in FID), in the classifier's features, of the samples; of
    training images, the floor; of training images without one digit, mean of the ten; and of noise. All these sets have
    one size, since the distance of a small set comes out too large by an amount that depends on it.
    """
    size = min(len(samples), len(train) // 2)
    if size < 2:  # there is no covariance
        return {"to_missing_digit": None}
    order = random.permutation(len(train))[: 4 * size]
    of_train, labels = features(model, train[order]), train_labels[order]
    reference = metrics.moments(features(model, test))

    def to_test_images(x: np.ndarray) -> float:
        return metrics.frechet_distance(*reference, *metrics.moments(x[:size]))

    floor = [to_test_images(of_train[random.permutation(len(of_train))]) for _ in range(5)]
    missing = [to_test_images(of_train[labels != digit]) for digit in range(CLASSES)]
    distance, missing_digit = to_test_images(features(model, samples)), float(np.mean(missing))
    return {
        "distance": distance,
        "floor": float(np.mean(floor)),
        "missing_digit": missing_digit,
        "to_missing_digit": distance / missing_digit if missing_digit else None,  # a dead classifier has no features
        "noise": to_test_images(features(model, noise)),
        "images": size,
        "reference": len(test),
    }


def neighbours(samples: Tensor, test: Tensor, train: Tensor) -> dict:
    """Distances of the samples to their nearest training images, beside those of test images, of which the nearest 1%
    define a near copy.
    """
    of_samples, of_test = metrics.nearest(samples, train), metrics.nearest(test, train)
    near = int((of_samples < np.quantile(of_test, 0.01)).sum())
    share, low, high = metrics.share(near, len(samples))
    return {
        "samples": len(samples),
        "near_copies": share,
        "near_copies_low": low,
        "near_copies_high": high,
        "nearest": float(of_samples.min()),
        "median": float(np.median(of_samples)),
        "test_nearest": float(of_test.min()),
        "test_median": float(np.median(of_test)),
        "test_images": len(of_test),
    }


@dataclass(frozen=True)
class FigureImages:
    """The images of figures 3 to 6, and runs from many training images, within the grey values' range, as the
    classifier sees them.
    """

    nine: Tensor
    """The nine of figure 3 at t = 0."""
    samples: Tensor
    labels: np.ndarray
    """Figure 4's samples and their categories."""
    from_one_gaussian: Tensor
    """The runs of figure 5."""
    from_training_image: Tensor
    original: Tensor
    """The runs of figure 6, and the training image, (1, 1, h, w), that they start from."""
    returned: Tensor
    originals: np.ndarray
    """Runs from other training images, one each, and the numbers of these images."""

    @classmethod
    def load(
        cls,
        figure_3: Path | str,
        figure_4: Path | str,
        figure_5: Path | str,
        figure_6: Path | str,
        returned: Path | str,
    ) -> "FigureImages":
        """From the files of the figures' data."""

        def images(array: np.ndarray) -> Tensor:
            return torch.from_numpy(array).reshape(-1, 1, *array.shape[-2:]).clamp(-1, 1)

        files = (figure_3, figure_4, figure_5, figure_6, returned)
        with ExitStack() as stack:
            three, four, five, six, many = (stack.enter_context(np.load(file)) for file in files)
            return cls(
                nine=images(three["images"][three["t"].argmin()]),
                samples=images(four["images"]),
                labels=four["label"],
                from_one_gaussian=images(five["images"]),
                from_training_image=images(six["images"]),
                original=images(six["x_0"]),
                returned=images(many["images"]),
                originals=many["index"],
            )


Images = TypeVar("Images", Tensor, np.ndarray)


def spread(images: Images, number: int) -> Images:
    """At most `number` of the images, evenly spread, since MNIST's first test images are the easier ones."""
    return cast(Images, images[:: max(1, -(-len(images) // number))])


def measure(
    digits: Digits, model: Classifier, summary: dict, figures: FigureImages, image: int, confidence: float, seed: int
) -> dict[str, dict]:
    """All records of claims/samples.json, from the prepared images, the classifier of figure 4 with the `summary` of
    its training, and the figures. `image` is the number of figure 6's training image; the classifier is sure of an
    image if its confidence is above `confidence`.
    """
    random = np.random.default_rng(seed)
    train, train_labels = rescale(digits.train_images), digits.train_labels.numpy()
    others = train[torch.arange(len(train)) != image]
    test = rescale(spread(digits.test_images, TEST_IMAGES))
    test_labels = spread(digits.test_labels.numpy(), TEST_IMAGES)
    real = spread(test[1:], WITH_NEIGHBOURS), spread(test_labels[1:], WITH_NEIGHBOURS)
    samples = figures.samples
    noise = torch.randn(samples.shape, generator=generator(seed, "claims, pure noise")).clamp(-1, 1)
    recognise = Recogniser.fit(model, confidence, spread(train, TEST_IMAGES), spread(test, WITH_NEIGHBOURS))
    labels_5, labels_6, labels_returned = (
        read_labels(model, x)[0] for x in (figures.from_one_gaussian, figures.from_training_image, figures.returned)
    )
    return {
        "figure_3": figure_3(recognise, figures.nine, samples),
        "nines": nines(recognise, samples, noise, *real),
        "judge": judge(summary),
        "counts": counts(figures.labels, train_labels, random),
        "one_gaussian": one_gaussian(
            figures.from_one_gaussian, labels_5, spread(samples, IN_PAIRS), spread(figures.labels, IN_PAIRS), random
        ),
        "figure_6": figure_6(figures.from_training_image, labels_6, figures.original, int(train_labels[image]), others),
        "originals": originals(
            figures.returned, labels_returned, train[figures.originals], train_labels[figures.originals], random
        ),
        "frechet": frechet(model, samples, noise, train, train_labels, test, random),
        "neighbours": neighbours(samples, spread(test, WITH_NEIGHBOURS), train),
    }
