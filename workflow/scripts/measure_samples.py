import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file

from diffusion import evidence
from diffusion.classifier import Classifier
from diffusion.device import use_threads
from diffusion.images import Digits, rescale
from diffusion.randomness import generator
from job import job

params, files = snakemake.params, snakemake.input
TEST_IMAGES = 2000  # whose nearest training images are looked for


def images(file: str, name: str = "images") -> torch.Tensor:
    """Images (n, 1, h, w) of a figure, within the grey values' range as the classifier of figure 4 sees them."""
    with np.load(file) as arrays:
        x = torch.from_numpy(arrays[name])
    return x.reshape(-1, 1, *x.shape[-2:]).clamp(-1, 1)


with job(snakemake):
    use_threads(snakemake.threads)
    random = np.random.default_rng(params.seed)
    digits = Digits.load(files.images)
    train, train_labels = rescale(digits.train_images), digits.train_labels.numpy()
    test, truth = rescale(digits.test_images), digits.test_labels.numpy()
    model = Classifier()
    model.load_state_dict(load_file(files.classifier))

    table = pd.read_csv(files.categories)
    labels, confidence = table["label"].to_numpy(), table["confidence"].to_numpy()
    samples = images(files.figure_4)
    noise = torch.randn(samples.shape, generator=generator(params.seed, "claims, pure noise")).clamp(-1, 1)
    with np.load(files.figure_3) as arrays:
        end = int(arrays["t"].argmin())
    figure_3 = images(files.figure_3).reshape(-1, evidence.NINE, *samples.shape[1:])[end]
    figure_5, figure_6, original = images(files.figure_5), images(files.figure_6), images(files.figure_6, "x_0")
    others = torch.arange(len(train)) != params.image

    def sure(x: torch.Tensor) -> dict:
        return evidence.recognised(evidence.read_labels(model, x)[1], params.confidence)

    records = {
        "figure_3": sure(figure_3),
        "nines": evidence.recognised(confidence, params.confidence)
        | {"real_share": sure(test)["share"], "noise_share": sure(noise)["share"]},
        "judge": evidence.accuracy(evidence.read_labels(model, test)[0], truth),
        "counts": evidence.category_counts(labels, train_labels, random),
        "one_gaussian": evidence.runs_from_one_start(
            figure_5, evidence.read_labels(model, figure_5)[0], samples, labels, random
        ),
        "training_image": evidence.likeness(
            figure_6,
            evidence.read_labels(model, figure_6)[0],
            original,
            int(train_labels[params.image]),
            train[others],
            samples,
        ),
        "frechet": evidence.plausibility(model, samples, noise, train, train_labels, test, random),
        "neighbours": evidence.novelty(samples, test[:TEST_IMAGES], train),
    }
    Path(snakemake.output.measures).write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")
