"""Statistics that the claims are judged by: intervals, distances between images and between sets of them."""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats
from scipy.spatial.distance import pdist
from torch import Tensor

Array = NDArray[np.floating]
Z = float(stats.norm.ppf(0.975))
FAR = 10.0
"""The largest d' that is reported."""


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


def ends(name: str, values: Iterable[float | None]) -> dict:
    """A number and its interval as a record holds them: name, name_low and name_high."""
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))


def largest(*values: float) -> float:
    """The largest of the values; NaN if one of them is, which Python's own `max` passes over."""
    return float(np.max(values))


def two_sided(cases: int) -> float:
    """How many standard errors to each side 95% intervals take that hold for all `cases` at once, by Bonferroni."""
    return float(stats.norm.isf(0.025 / cases))


def mean(values: ArrayLike, cases: int = 1) -> tuple[float, float, float]:
    """The mean of independent values (n,) with the ends of its 95% interval, by the central limit theorem; where it is
    one of several `cases`, of an interval that holds for all of them at once.
    """
    values = np.asarray(values, dtype=np.float64)
    centre, half = float(values.mean()), float(two_sided(cases) * values.std(ddof=1) / len(values) ** 0.5)
    return centre, centre - half, centre + half


def ratio_of_means(above: ArrayLike, below: ArrayLike) -> tuple[float, float, float]:
    """The mean of `above` over the mean of `below`, both (n,) and in pairs, with the ends of its 95% interval: the
    error of the ratio r is, to first order, the mean of above_i - r below_i over the mean of `below`. What the two of a
    pair share cancels.
    """
    above, below = (np.asarray(values, dtype=np.float64) for values in (above, below))
    ratio, centre = float(above.mean() / below.mean()), float(below.mean())
    _, low, high = mean((above - ratio * below) / centre)
    return ratio, ratio + low, ratio + high


def right_of_choice(d: float, alternatives: int) -> float:
    """The chance to pick the one of `alternatives` observations that has the mean d, where the others have 0, and all
    are independent Gaussians of variance 1: the integral of phi(x - d) Phi(x)^(alternatives - 1).
    """
    x, weights = np.polynomial.hermite_e.hermegauss(100)
    return float(weights @ stats.norm.cdf(x + d) ** (alternatives - 1) / weights.sum())


def d_prime_of_choice(right: float, alternatives: int) -> float:
    """Signal detection's d' of whoever is right this often in choosing among `alternatives`: the distance, in standard
    deviations, that lets an observer of Gaussians be right as often. 0 is a guess; at most FAR in absolute value.
    """
    if not right_of_choice(-FAR, alternatives) < right < right_of_choice(FAR, alternatives):
        return FAR if right > 0.5 else -FAR
    search = optimize.root_scalar(lambda d: right_of_choice(d, alternatives) - right, bracket=(-FAR, FAR))
    return float(search.root)


def d_prime_of_decision(right: float) -> float:
    """The same of whoever is right this often in telling, from one observation, which of two equally likely Gaussians
    of variance 1 it came from: right with the chance Phi(d' / 2).
    """
    return float(np.clip(2 * stats.norm.ppf(right), -FAR, FAR))


def own_is_nearer(distances: Array) -> tuple[float, float, float]:
    """How often a run is nearer to its own original than to that of another run, from the distances (n, n) of run i to
    original j, with the ends of a 95% interval: 1/2 for runs that do not depend on their originals.

    The share is a U-statistic in the n independent pairs of a run and its original; its variance is the jackknife's,
    which leaves out one pair at a time.
    """
    n, own = len(distances), np.diag(distances)[:, None]
    wins = (own < distances) + (own == distances) / 2
    np.fill_diagonal(wins, 0)
    share = wins.sum() / (n * (n - 1))
    without = (wins.sum() - wins.sum(axis=0) - wins.sum(axis=1)) / ((n - 1) * (n - 2))
    half = Z * ((n - 1) / n * ((without - without.mean()) ** 2).sum()) ** 0.5
    return float(share), float(np.maximum(0, share - half)), float(np.minimum(1, share + half))


def permutation_test(distances: Array, random: np.random.Generator, permutations: int = 9999) -> float:
    """The one-sided p value of the mean distance of run i to its original i, from the distances (n, n), against the
    same with the originals permuted. Exact: if the runs do not depend on their originals, every order is as likely.
    """
    n = len(distances)
    orders = random.permuted(np.tile(np.arange(n), (permutations, 1)), axis=1)
    by_chance = distances[np.arange(n), orders].sum(axis=1)
    # Permutations that give the same sum to rounding are ties, and count against the rejection of the hypothesis.
    return float((1 + np.sum(by_chance <= np.trace(distances) * (1 + 1e-12))) / (permutations + 1))


def frechet_distance(mean_1: Array, covariance_1: Array, mean_2: Array, covariance_2: Array) -> float:
    """The square of the Fréchet distance between two Gaussians, as the paper's reference [12] takes it between sets of
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


def total_variation_bound(variation: ArrayLike, draws: int, cases: int = 1) -> NDArray:
    """An upper bound, at 95%, on the total variation distance of a law from given probabilities, by the distance of the
    shares of `draws` draws from that law.

    The distance is the law's excess over the probabilities on the set of categories where that is largest. The draws
    did not choose this set; so their share on it, a binomial one with a variance of at most 1 / (4 draws), falls short
    of the law's by more than 1.645 / (2 sqrt(draws)) in at most 5% of cases. Their own largest excess is no smaller.
    Where the worst of several `cases` is bounded, 5% are shared out among them (Bonferroni).
    """
    return np.asarray(variation) + stats.norm.isf(0.05 / cases) / (2 * draws**0.5)
