"""What a run's images say of the paper's claims: one function a record, each a dictionary of plain numbers.

Images are (n, 1, h, w) in [-1, 1]. A judge gives each image a label and a confidence, both (n,). A number that a set is
too small to give is None.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from scipy.spatial.distance import cdist, pdist, squareform
from torch import Tensor
from torch.nn import functional as F

from claims import statistics as metrics
from diffusion.classifier import CLASSES, Classifier, probabilities
from diffusion.forward import VarianceSchedule, forward_leap, forward_step

NINE, AT_LEAST = 9, 8
"""The images of figure 3, and how many of them are handwritten digits."""


def read_labels(model: Classifier, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Label and confidence of each image, by the independent classifier of figure 4."""
    p = probabilities(model, x, torch.device("cpu"))
    return p.argmax(dim=1).numpy(), p.amax(dim=1).numpy()


def accuracy(right: int, total: int) -> dict:
    """The share of labels that are right, with Wilson's 95% interval."""
    value, low, high = metrics.share(right, total)
    return {"accuracy": value, "accuracy_low": low, "accuracy_high": high, "images": total}


# Section 3: images carried to t = T


def visible(model: Classifier, clean: Tensor, early: Tensor, at_T: Tensor, truth: np.ndarray) -> dict:
    """What the classifier reads of images at T, beside what it reads of the clean ones and, early, of noisy ones in
    which the eye still sees the digit.
    """
    right = [int((read_labels(model, x.clamp(-1, 1))[0] == truth).sum()) for x in (clean, early, at_T)]
    shares = {"clean_accuracy": right[0] / len(truth), "early_accuracy": right[1] / len(truth)}
    return accuracy(right[2], len(truth)) | shares


def informed_judge(
    train: Tensor, train_truth: np.ndarray, at_T: Tensor, truth: np.ndarray, schedule: VarianceSchedule
) -> dict:
    """What the best judge reads of images at T: Bayes's rule with the density (9), each of the clean training images
    being as likely as another to be x_0. The p value is that of a one-sided binomial test against always answering the
    most frequent digit.
    """
    left = schedule.alpha_bar[-1].item()
    means = left**0.5 * train.flatten(1)
    kinds = F.one_hot(torch.from_numpy(train_truth).long(), CLASSES).float()
    found = []
    for x in at_T.flatten(1).split(500):
        log_density = (x @ means.T - means.square().sum(dim=1) / 2) / (1 - left)  # but for a term that all share
        found.append((log_density.softmax(dim=1) @ kinds).argmax(dim=1))
    right = int((torch.cat(found).numpy() == truth).sum())
    chance = float(np.bincount(truth).max() / len(truth))
    return accuracy(right, len(truth)) | {
        "chance": chance,
        "p_value": float(stats.binomtest(right, len(truth), chance, alternative="greater").pvalue),
        "training_images": len(train),
    }


def signal(clean: Tensor, schedule: VarianceSchedule) -> dict:
    """What the schedule leaves at T, by (8): the image's amplitude, and its share of the mean square of x_T."""
    left = schedule.alpha_bar[-1].item()
    mean_square = clean.square().mean().item()
    return {
        "amplitude": left**0.5,
        "variance_share": left * mean_square / (left * mean_square + 1 - left),
        # The sum over one image's pixels has this mean, in units of its deviation for a standard Gaussian.
        "mean_shift": left**0.5 * abs(clean.mean().item()) * clean[0].numel() ** 0.5,
    }


def composed_steps(schedule: VarianceSchedule) -> dict:
    """The largest relative difference between the steps (2), composed, and the leap (8), at any t. Fed with 1 and 0,
    each gives its own coefficients.
    """
    one, zero = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    mean, variance, difference = 1.0, 0.0, 0.0
    for t in range(1, schedule.T + 1):
        of_x, of_eps = forward_step(one, t, zero, schedule).item(), forward_step(zero, t, one, schedule).item()
        mean, variance = of_x * mean, of_x**2 * variance + of_eps**2
        leap_mean, leap_deviation = (forward_leap(a, t, b, schedule).item() for a, b in ((one, zero), (zero, one)))
        difference = max(difference, abs(leap_mean / mean - 1), abs(leap_deviation**2 / variance - 1))
    return {"difference": difference, "steps": schedule.T}


def law_of_leap(x_T: Tensor, x_0: Tensor, schedule: VarianceSchedule) -> dict:
    """Kolmogorov-Smirnov test of the pixels of x_T, made from x_0 by all steps (2), against (9)."""
    left = schedule.alpha_bar[-1].item()
    pixels = ((x_T - left**0.5 * x_0) / (1 - left) ** 0.5).flatten().numpy()
    return {"p_value": float(stats.kstest(pixels, stats.norm.cdf).pvalue), "pixels": pixels.size, "steps": schedule.T}


# Section 2: the samples


@dataclass(frozen=True)
class Recogniser:
    """Tells digits from what is none. The classifier's confidence alone does not: it is trained on digits only, and may
    be sure of pure noise. So an image is recognised if the classifier is sure of it, and if in the classifier's
    features it lies as near to real training images as all but 1% of real test images do.
    """

    model: Classifier
    confidence: float
    reference: Tensor
    """Features of training images, (n, d)."""
    radius: float
    """The 99% quantile of the distances of test images to the nearest of `reference`."""

    @classmethod
    def fit(cls, model: Classifier, confidence: float, train: Tensor, test: Tensor) -> "Recogniser":
        of_train, of_test = (torch.from_numpy(metrics.classifier_features(model, x)) for x in (train, test))
        return cls(model, confidence, of_train, float(np.quantile(metrics.nearest(of_test, of_train), 0.99)))

    @torch.no_grad()
    def __call__(self, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Which images are recognised, and of which the classifier is sure: both (n,) of truth values."""
        features = torch.from_numpy(metrics.classifier_features(self.model, x))
        sure = self.model.logits(features.float()).softmax(dim=1).amax(dim=1).numpy() > self.confidence
        return sure & (metrics.nearest(features, self.reference) <= self.radius), sure


def recognised(found: np.ndarray) -> dict:
    """How many images are recognised, with Wilson's 95% interval, and how often nine such hold at least eight."""
    share = metrics.share(found.sum(), len(found))
    chance = [metrics.chance_of_at_least(AT_LEAST, NINE, p) for p in share]
    names = [f"{name}{end}" for name in ("share", "chance") for end in ("", "_low", "_high")]
    numbers = dict(zip(names, [*share, *chance], strict=True))
    return {"samples": len(found), "recognised": int(found.sum()), **numbers}


def category_counts(labels: np.ndarray, train_labels: np.ndarray, random: np.random.Generator) -> dict:
    """The counts of figure 4 by chi-square tests against equal chances and against the training set's shares, and
    their total variation distance from the latter beside what true draws give.
    """
    n = len(labels)
    counts = np.bincount(labels, minlength=CLASSES)
    shares = np.bincount(train_labels, minlength=CLASSES) / len(train_labels)
    uniform, as_trained = stats.chisquare(counts), stats.chisquare(counts, n * shares)
    by_chance = metrics.total_variation(random.multinomial(n, shares, size=10_000), shares)
    excess = counts / n - shares
    return {
        "samples": n,
        "counts": counts.tolist(),
        "intervals": [metrics.share(count, n)[1:] for count in counts],
        "training_shares": shares.tolist(),
        "smallest": int(counts.min()),
        "largest": int(counts.max()),
        "ratio": float(counts.max() / max(1, counts.min())),
        "chi2_uniform": float(uniform.statistic),
        "p_uniform": float(uniform.pvalue),
        "chi2_training": float(as_trained.statistic),
        "p_training": float(as_trained.pvalue),
        "variation": float(metrics.total_variation(counts, shares)),
        "variation_expected": float(by_chance.mean()),
        "variation_chance": float(np.quantile(by_chance, 0.975)),
        "most_over": int(excess.argmax()),
        "most_under": int(excess.argmin()),
    }


def runs_from_one_start(
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


def likeness(
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


# Section 6: plausible and novel


def plausibility(
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
    features, labels = metrics.classifier_features(model, train[order]), train_labels[order]
    reference = metrics.moments(metrics.classifier_features(model, test))

    def to_test_images(features: np.ndarray) -> float:
        return metrics.frechet_distance(*reference, *metrics.moments(features[:size]))

    floor = [to_test_images(features[random.permutation(len(features))]) for _ in range(5)]
    missing = [to_test_images(features[labels != digit]) for digit in range(CLASSES)]
    distance = to_test_images(metrics.classifier_features(model, samples))
    return {
        "distance": distance,
        "floor": float(np.mean(floor)),
        "missing_digit": float(np.mean(missing)),
        "to_missing_digit": distance / float(np.mean(missing)),
        "noise": to_test_images(metrics.classifier_features(model, noise)),
        "images": size,
        "reference": len(test),
    }


def novelty(samples: Tensor, test: Tensor, train: Tensor) -> dict:
    """Distances of the samples to their nearest training images, beside those of test images, of which the nearest 1%
    set what a near copy is.
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
