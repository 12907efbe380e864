import numpy as np
import pandas as pd
import torch

from claims import samples as evidence
from diffusion.classifier import Classifier
from diffusion.images import Digits, rescale
from engine.device import use_threads
from engine.files import read_json, write_json
from engine.job import job
from engine.randomness import generator

params, files = snakemake.params, snakemake.input
TEST_IMAGES, WITH_NEIGHBOURS = 5000, 1000  # spread over all, since MNIST's first are the easier ones


def spread(images: torch.Tensor, number: int) -> torch.Tensor:
    """At most so many of the images, evenly spread."""
    return images[:: max(1, -(-len(images) // number))]


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
    test = rescale(spread(digits.test_images, TEST_IMAGES))
    model = Classifier.load(files.classifier)

    judge = read_json(files.judge)

    table = pd.read_csv(files.categories)
    labels = table["label"].to_numpy()
    samples = images(files.figure_4)
    noise = torch.randn(samples.shape, generator=generator(params.seed, "claims, pure noise")).clamp(-1, 1)
    with np.load(files.figure_3) as arrays:
        end = int(arrays["t"].argmin())
    figure_3 = images(files.figure_3).reshape(-1, evidence.NINE, *samples.shape[1:])[end]
    figure_5, figure_6, original = images(files.figure_5), images(files.figure_6), images(files.figure_6, "x_0")
    others = torch.arange(len(train)) != params.image

    recognise = evidence.Recogniser.fit(
        model, params.confidence, spread(train, TEST_IMAGES), spread(test, WITH_NEIGHBOURS)
    )
    found, sure = recognise(samples)
    of_noise, sure_of_noise = recognise(noise)

    records = {
        "figure_3": evidence.recognised(recognise(figure_3)[0]),
        "nines": evidence.recognised(found)
        | {
            "confidence": params.confidence,
            "sure_share": float(sure.mean()),
            "sure_of_noise": float(sure_of_noise.mean()),
            "noise_share": float(of_noise.mean()),
            "real_share": float(recognise(spread(test[1:], WITH_NEIGHBOURS))[0].mean()),
        },
        "judge": evidence.accuracy(round(judge["test_accuracy"] * judge["test_images"]), judge["test_images"]),
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
        "neighbours": evidence.novelty(samples, spread(test, WITH_NEIGHBOURS), train),
    }
    write_json(snakemake.output.measures, records)
