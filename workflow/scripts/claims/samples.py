"""Sections 2 and 6: what a run's images say of the samples, as recognisable, varied, plausible and novel.

One function for each record of claims/samples.json. Images are (n, 1, h, w) in [-1, 1]; labels and truth values (n,). A
number that a set is too small to give is None.
"""

from dataclasses import dataclass
from pathlib import Path

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
TEST_IMAGES, WITH_NEIGHBOURS = 5000, 1000
"""At most this many images are compared: in all, and with their nearest neighbours."""


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


def recognised_of(recognised: np.ndarray) -> dict:
    """How many images are recognised, with Wilson's 95% interval, and how often nine such hold at least eight."""
    share = metrics.share(recognised.sum(), len(recognised))
    chance = [metrics.chance_of_at_least(AT_LEAST, NINE, p) for p in share]
    names = [f"{name}{end}" for name in ("share", "chance") for end in ("", "_low", "_high")]
    numbers = dict(zip(names, [*share, *chance], strict=True))
    return {"samples": len(recognised), "recognised": int(recognised.sum()), **numbers}


def figure_3(recognise: Recogniser, images: Tensor) -> dict:
    """How many images of figure 3 are recognised."""
    return recognised_of(recognise(images)[0])


def nines(recognise: Recogniser, samples: Tensor, noise: Tensor, real: Tensor) -> dict:
    """The share of samples that are recognised, and how often nine samples hold at least eight such; beside it the
    shares of real test images and of pure noise, and the shares of which the classifier alone is sure.
    """
    recognised, sure = recognise(samples)
    of_noise, sure_of_noise = recognise(noise)
    return recognised_of(recognised) | {
        "confidence": recognise.confidence,
        "sure_share": float(sure.mean()),
        "sure_of_noise": float(sure_of_noise.mean()),
        "noise_share": float(of_noise.mean()),
        "real_share": float(recognise(real)[0].mean()),
    }


def judge(summary: dict) -> dict:
    """The classifier's accuracy on test images, from the summary of its training."""
    images = summary["test_images"]
    return metrics.accuracy(round(summary["test_accuracy"] * images), images)


def counts(labels: np.ndarray, train_labels: np.ndarray, random: np.random.Generator) -> dict:
    """The counts of figure 4 by chi-square tests against equal chances and against the training set's shares, and
    their total variation distance from the latter beside what true draws give.
    """
    n = len(labels)
    of_digits = np.bincount(labels, minlength=CLASSES)
    shares = np.bincount(train_labels, minlength=CLASSES) / len(train_labels)
    uniform, as_trained = stats.chisquare(of_digits), stats.chisquare(of_digits, n * shares)
    by_chance = metrics.total_variation(random.multinomial(n, shares, size=10_000), shares)
    excess = of_digits / n - shares
    return {
        "samples": n,
        "counts": of_digits.tolist(),
        "intervals": [metrics.share(count, n)[1:] for count in of_digits],
        "training_shares": shares.tolist(),
        "smallest": int(of_digits.min()),
        "largest": int(of_digits.max()),
        "ratio": float(of_digits.max() / max(1, of_digits.min())),
        "chi2_uniform": float(uniform.statistic),
        "p_uniform": float(uniform.pvalue),
        "chi2_training": float(as_trained.statistic),
        "p_training": float(as_trained.pvalue),
        "variation": float(metrics.total_variation(of_digits, shares)),
        "variation_expected": float(by_chance.mean()),
        "variation_chance": float(np.quantile(by_chance, 0.975)),
        "most_over": int(excess.argmax()),
        "most_under": int(excess.argmin()),
    }


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


def training_image(
    runs: Tensor, run_labels: np.ndarray, original: Tensor, label: int, others: Tensor, samples: Tensor
) -> dict:
    """Figure 6: how near the runs come to the original, (1, 1, h, w), beside its nearest other training image; and
    the rank test of whether they come nearer than independent samples do.
    """
    neighbour = float(metrics.nearest(original, others)[0])
    of_runs, of_samples = (cdist(x.flatten(1), original.flatten(1))[:, 0] for x in (runs, samples))
    return {
        "images": len(runs),
        "nearest": float(of_runs.min()),
        "neighbour": neighbour,
        "p_rank": float(stats.mannwhitneyu(of_runs, of_samples, alternative="less").pvalue),
        "label": label,
        "labels": " ".join(map(str, run_labels)),
        "same_label": int((run_labels == label).sum()),
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
    """The Frechet distance from the test images, in the classifier's features, of the samples; of training images, the
    floor; of training images without one digit, mean of the ten; and of noise. All these sets have one size, since the
    distance of a small set comes out too large by an amount that depends on it.
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
    distance = to_test_images(features(model, samples))
    return {
        "distance": distance,
        "floor": float(np.mean(floor)),
        "missing_digit": float(np.mean(missing)),
        "to_missing_digit": distance / float(np.mean(missing)),
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
    """The images of figures 3 to 6, within the grey values' range, as the classifier sees them."""

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

    @classmethod
    def load(
        cls, figure_3: Path | str, figure_4: Path | str, figure_5: Path | str, figure_6: Path | str
    ) -> "FigureImages":
        """From the files of the figures' data."""

        def images(array: np.ndarray) -> Tensor:
            return torch.from_numpy(array).reshape(-1, 1, *array.shape[-2:]).clamp(-1, 1)

        with np.load(figure_3) as three, np.load(figure_4) as four, np.load(figure_5) as five, np.load(figure_6) as six:
            return cls(
                nine=images(three["images"][three["t"].argmin()]),
                samples=images(four["images"]),
                labels=four["label"],
                from_one_gaussian=images(five["images"]),
                from_training_image=images(six["images"]),
                original=images(six["x_0"]),
            )


def spread(images: Tensor, number: int) -> Tensor:
    """At most `number` of the images, evenly spread, since MNIST's first test images are the easier ones."""
    return images[:: max(1, -(-len(images) // number))]


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
    samples = figures.samples
    noise = torch.randn(samples.shape, generator=generator(seed, "claims, pure noise")).clamp(-1, 1)
    recognise = Recogniser.fit(model, confidence, spread(train, TEST_IMAGES), spread(test, WITH_NEIGHBOURS))
    labels_5, labels_6 = (read_labels(model, x)[0] for x in (figures.from_one_gaussian, figures.from_training_image))
    return {
        "figure_3": figure_3(recognise, figures.nine),
        "nines": nines(recognise, samples, noise, spread(test[1:], WITH_NEIGHBOURS)),
        "judge": judge(summary),
        "counts": counts(figures.labels, train_labels, random),
        "one_gaussian": one_gaussian(figures.from_one_gaussian, labels_5, samples, figures.labels, random),
        "training_image": training_image(
            figures.from_training_image, labels_6, figures.original, int(train_labels[image]), others, samples
        ),
        "frechet": frechet(model, samples, noise, train, train_labels, test, random),
        "neighbours": neighbours(samples, spread(test, WITH_NEIGHBOURS), train),
    }
