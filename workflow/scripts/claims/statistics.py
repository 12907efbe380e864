"""Statistics that the claims are judged by: intervals, distances between images and between sets of them."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.spatial.distance import cdist, pdist
from torch import Tensor

Array = NDArray[np.floating]


def share(count: int, total: int) -> tuple[float, float, float]:
    """count / total with the ends of Wilson's 95% interval."""
    interval = stats.binomtest(int(count), int(total)).proportion_ci(method="wilson")
    return float(count / total), float(interval.low), float(interval.high)


def accuracy(right: int, total: int) -> dict:
    """The share of labels that are right, with Wilson's 95% interval."""
    value, low, high = share(right, total)
    return {"accuracy": value, "accuracy_low": low, "accuracy_high": high, "images": total}


def chance_of_at_least(successes: int, draws: int, probability: float) -> float:
    """The chance of `successes` or more in independent draws; it rises with the probability, and so takes the ends of
    an interval to the ends of an interval.
    """
    return float(stats.binom.sf(successes - 1, draws, probability))


def energy_distance(distances: Array, first: Array) -> Array:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| for each row of `first`, (m, n) of 0 and 1, which says of n images, with
    pairwise `distances` (n, n), which are X; the others are Y.
    """
    second = 1 - first
    n_x, n_y = first.sum(axis=1), second.sum(axis=1)
    of_x, of_y = first @ distances, second @ distances
    cross = (of_x * second).sum(axis=1) / (n_x * n_y)
    return 2 * cross - (of_x * first).sum(axis=1) / n_x**2 - (of_y * second).sum(axis=1) / n_y**2


def energy_test(x: ArrayLike, y: ArrayLike, random: np.random.Generator, permutations: int = 999) -> float:
    """The p value of the two-sample permutation test of x, (n, d), and y, (m, d), by their energy distance
    (Szekely and Rizzo, 2013). Any difference of the two laws is detected if n and m are large; the smallest p value
    is 1 / (permutations + 1).
    """
    x, y = (np.asarray(images, dtype=np.float64) for images in (x, y))
    both = np.concatenate([x, y])
    distances = cdist(both, both)
    labels = np.concatenate([np.ones(len(x)), np.zeros(len(y))])
    shuffled = random.permuted(np.tile(labels, (permutations, 1)), axis=1)
    observed, by_chance = energy_distance(distances, labels[None])[0], energy_distance(distances, shuffled)
    # Permutations with the same value up to rounding are ties, and count against rejecting the null hypothesis.
    return float((1 + np.sum(by_chance >= observed * (1 - 1e-12))) / (permutations + 1))


def frechet_distance(mean_1: Array, covariance_1: Array, mean_2: Array, covariance_2: Array) -> float:
    """The square of the Frechet distance between two Gaussians, as the paper's reference [12] takes it between sets of
    images: |mean_1 - mean_2|^2 + tr(covariance_1 + covariance_2 - 2 (covariance_1 covariance_2)^(1/2)).
    """
    values, vectors = np.linalg.eigh(covariance_1)
    root = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T
    # The product's eigenvalues are those of this symmetric matrix, which rounding alone makes negative.
    mixed = np.sqrt(np.clip(np.linalg.eigvalsh(root @ covariance_2 @ root), 0, None)).sum()
    means = np.sum((mean_1 - mean_2) ** 2)
    return float(means + np.trace(covariance_1) + np.trace(covariance_2) - 2 * mixed)


def moments(features: Array) -> tuple[Array, Array]:
    """Mean (d,) and covariance (d, d) of features (n, d)."""
    return features.mean(axis=0), np.cov(features, rowvar=False)


def nearest(x: Tensor, reference: Tensor, batch_size: int = 250) -> Array:
    """The Euclidean distance of each image of x, (n, ...), to the nearest of `reference`, (m, ...): (n,)."""
    flat = reference.flatten(1)
    return torch.cat([torch.cdist(batch, flat).amin(dim=1) for batch in x.flatten(1).split(batch_size)]).numpy()


def mean_distance(images: ArrayLike) -> float:
    """The mean Euclidean distance between the images (n, ...) of a set, over all pairs."""
    images = np.asarray(images, dtype=np.float64)
    return float(pdist(images.reshape(len(images), -1)).mean())


def total_variation(counts: ArrayLike, probabilities: ArrayLike) -> NDArray:
    """Half the sum of |counts / their total - probabilities| over the last axis."""
    counts = np.asarray(counts, dtype=np.float64)
    return np.abs(counts / counts.sum(axis=-1, keepdims=True) - probabilities).sum(axis=-1) / 2
