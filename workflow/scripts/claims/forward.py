"""Section 3: what is left of the images at t = T, and the leap (8) against the steps (2).

One function for each record of claims/forward.json. Images are (n, 1, h, w) in [-1, 1].
"""

from collections import deque

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

from claims.statistics import accuracy, energy_test
from diffusion.classifier import CLASSES, Classifier, read_labels
from diffusion.forward import VarianceSchedule, forward_leap, forward_process, forward_step
from diffusion.images import Digits, rescale
from engine.randomness import generator

TRAINING_IMAGES, TEST_IMAGES, IN_TWO_SAMPLES, CHAINS = 20_000, 4000, 500, 20
"""Images that are read, images in each set of the energy test, and copies of an image carried through all steps."""


def visible(
    model: Classifier, clean: Tensor, noisy: Tensor, at_T: Tensor, truth: np.ndarray, schedule: VarianceSchedule
) -> dict:
    """What the classifier reads of images at T, beside what it reads of the clean ones and of `noisy` ones, at the step
    `early_step`, in which the eye still sees the digit. `truth`, (n,), has their digits.
    """
    right = [int((read_labels(model, x.clamp(-1, 1))[0] == truth).sum()) for x in (clean, noisy, at_T)]
    shares = {"clean_accuracy": right[0] / len(truth), "early_accuracy": right[1] / len(truth)}
    return accuracy(right[2], len(truth)) | shares | {"early": early_step(schedule)}


def early_step(schedule: VarianceSchedule) -> int:
    """A tenth of T: a step at which the digit can still be seen."""
    return max(1, schedule.T // 10)


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
    answers = []
    for x in at_T.flatten(1).split(500):
        log_density = (x @ means.T - means.square().sum(dim=1) / 2) / (1 - left)  # but for a term that all share
        answers.append((log_density.softmax(dim=1) @ kinds).argmax(dim=1))
    right = int((torch.cat(answers).numpy() == truth).sum())
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


def detectable(
    at_T: Tensor,
    gaussian: tuple[Tensor, Tensor],
    clean: Tensor,
    schedule: VarianceSchedule,
    random: np.random.Generator,
) -> dict:
    """Energy test of images at T against Gaussian images, and of two sets of Gaussian images, all (n, ...) of one n;
    beside it, the `signal` of the clean images.
    """
    first, second = (images.flatten(1) for images in gaussian)
    return {
        "p_value": energy_test(at_T.flatten(1), first, random),
        "null_p_value": energy_test(second, first, random),
        **signal(clean, schedule),
        "images": len(at_T),
    }


def leap(schedule: VarianceSchedule) -> dict:
    """The largest relative difference between the steps (2), composed, and the leap (8), at any t. Given 1 and 0 as
    image and noise, each yields its own coefficients.
    """
    one, zero = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    mean, variance, difference = 1.0, 0.0, 0.0
    for t in range(1, schedule.T + 1):
        of_x, of_eps = forward_step(one, t, zero, schedule).item(), forward_step(zero, t, one, schedule).item()
        mean, variance = of_x * mean, of_x**2 * variance + of_eps**2
        leap_mean, leap_deviation = (forward_leap(a, t, b, schedule).item() for a, b in ((one, zero), (zero, one)))
        difference = max(difference, abs(leap_mean / mean - 1), abs(leap_deviation**2 / variance - 1))
    return {"difference": difference, "steps": schedule.T}


def law(x_T: Tensor, x_0: Tensor, schedule: VarianceSchedule) -> dict:
    """Kolmogorov-Smirnov test of the pixels of x_T, made from x_0 by all steps (2), against (9)."""
    left = schedule.alpha_bar[-1].item()
    pixels = ((x_T - left**0.5 * x_0) / (1 - left) ** 0.5).flatten().numpy()
    return {"p_value": float(stats.kstest(pixels, stats.norm.cdf).pvalue), "pixels": pixels.size, "steps": schedule.T}


def measure(digits: Digits, model: Classifier, schedule: VarianceSchedule, seed: int) -> dict[str, dict]:
    """All records of claims/forward.json, from the prepared images and the classifier of figure 4."""

    def normal(shape: tuple[int, ...], stream: str, *address: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.randn(shape, generator=generator(seed, f"claims, {stream}", *address), dtype=dtype)

    def leap_to(t: int, x_0: Tensor, stream: str) -> Tensor:
        return forward_leap(x_0, t, normal(x_0.shape, stream), schedule)

    train, train_truth = rescale(digits.train_images[:TRAINING_IMAGES]), digits.train_labels[:TRAINING_IMAGES].numpy()
    every = max(1, -(-len(digits.test_images) // TEST_IMAGES))  # MNIST's first test images are the easier ones
    test, truth = rescale(digits.test_images[::every]), digits.test_labels[::every].numpy()
    noisy = leap_to(early_step(schedule), test, "test images early")
    test_T = leap_to(schedule.T, test, "test images at T")
    few_T = leap_to(schedule.T, train[:IN_TWO_SAMPLES], "training images at T")
    first, second = (normal(few_T.flatten(1).shape, "Gaussian images", i) for i in (0, 1))

    x_0 = train[:1].double().expand(CHAINS, -1, -1, -1)
    chain = forward_process(x_0, schedule, lambda t: normal(x_0.shape, "chain", t, dtype=torch.float64))
    ((_, x_T),) = deque(chain, maxlen=1)
    return {
        "visible": visible(model, test, noisy, test_T, truth, schedule),
        "informed_judge": informed_judge(train, train_truth, test_T, truth, schedule),
        "signal": signal(train, schedule),
        "detectable": detectable(few_T, (first, second), train, schedule, np.random.default_rng(seed)),
        "leap": leap(schedule),
        "law": law(x_T, x_0, schedule),
    }
