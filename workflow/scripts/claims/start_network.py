"""Beyond the paper, on section 5: what the trained network makes of true starts and of Gaussian ones.

One function for each record of beyond/start_network.json. Images are (n, 1, h, w) in [-1, 1].
"""

import torch
from torch import Tensor

from beyond.start import errors, modes_of
from claims.start import ROUNDING, as_image
from claims.statistics import ends, largest, mean, share
from diffusion.classifier import Classifier, read_labels
from diffusion.forward import VarianceSchedule
from diffusion.images import Digits, rescale

SHOWN = 10
"""Pairs of images that the figure shows."""


def length_of_mean(x: Tensor) -> float:
    """The length of the mean m of vectors of which x, (n, d), are a sample. Of the sample's mean the square is |m|^2
    plus the trace of their covariance over n, on average; that is subtracted. 0 where nothing is left.
    """
    return largest(0.0, float(x.mean(dim=0).square().sum() - x.var(dim=0).sum() / len(x))) ** 0.5


def pairs(of_gaussian: Tensor, of_true: Tensor, displacement: Tensor, confidence: float, model: Classifier) -> dict:
    """What the trained network makes of the two starts, with the same noise: the mean difference of each pair along
    the direction that the Gaussian theory predicts, `displacement` (d,), in units of its length, and in brightness, the
    mean pixel; how far apart a pair is beside other pairs; and what the classifier sees.

    The part along one direction says only on which side of it the mean difference lies. How near the two directions
    are, `cosine` says, with the `length` of the mean difference less what chance adds to it. Where nothing is predicted
    there is no part along it.
    """
    difference = (of_gaussian - of_true).flatten(1).double()
    length, of_mean = displacement.norm(), length_of_mean(difference)
    along = mean((difference @ displacement / length**2).numpy()) if length > ROUNDING else (None,) * 3
    brighter = mean(difference.mean(dim=1).numpy())
    apart = torch.cdist(of_gaussian.flatten(1), of_true.flatten(1))
    n = len(apart)
    (labels, sure), (true_labels, true_sure) = (read_labels(model, x) for x in (of_gaussian, of_true))
    return {
        **ends("along", along),
        "predicted_length": float(length),
        "length": of_mean,
        "cosine": 0.0 if along[0] is None or of_mean == 0 else along[0] * float(length) / of_mean,
        **ends("brighter", brighter),
        "predicted_brighter": float(displacement.mean()),
        "apart": float(apart.diag().mean()),
        "apart_by_chance": float((apart.sum() - apart.diag().sum()) / (n * (n - 1))),
        **ends("same_digit", share(int((labels == true_labels).sum()), n)),
        "sure": int((sure > confidence).sum()),
        "true_sure": int((true_sure > confidence).sum()),
        "pairs": n,
    }


def measure(
    digits: Digits,
    schedule: VarianceSchedule,
    confidence: float,
    model: Classifier,
    of_gaussian: Tensor,
    of_true: Tensor,
) -> tuple[dict[str, dict], dict]:
    """All records of beyond/start_network.json, and what the figure shows, from pairs of images that the trained
    network makes of Gaussian and of true starts, (n, 1, h, w) each.
    """
    data, vectors = modes_of(rescale(digits.train_images))
    displacement = vectors @ errors(data, schedule).start[0]
    of_gaussian, of_true = of_gaussian.clamp(-1, 1), of_true.clamp(-1, 1)
    shown = {
        "gaussian": of_gaussian[:SHOWN, 0].numpy(),
        "true": of_true[:SHOWN, 0].numpy(),
        "difference": (of_gaussian - of_true).mean(dim=0)[0].numpy(),
        "displacement": as_image(displacement, of_true),
    }
    return {"pairs": pairs(of_gaussian, of_true, displacement, confidence, model)}, shown
