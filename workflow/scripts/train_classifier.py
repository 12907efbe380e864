import logging
import time

import pandas as pd
from safetensors.torch import save_file
from sklearn.metrics import accuracy_score, confusion_matrix

from diffusion.classifier import CLASSES, ClassifierSettings, probabilities, train_classifier
from diffusion.images import Digits, rescale
from engine.device import choose_device, use_threads
from engine.files import write_json
from engine.job import job

params, output = snakemake.params, snakemake.output

with job(snakemake):
    use_threads(snakemake.threads)
    device = choose_device(params.device)
    digits = Digits.load(snakemake.input.images)
    started = time.monotonic()
    settings = ClassifierSettings(seed=params.seed, **params.training)
    model = train_classifier(digits.train_images, digits.train_labels, settings, device)
    seconds = time.monotonic() - started

    found = probabilities(model, rescale(digits.test_images), device).argmax(dim=1)
    labels = list(range(CLASSES))
    confusion = pd.DataFrame(
        confusion_matrix(digits.test_labels, found, labels=labels),
        index=pd.Index(labels, name="true"),
        columns=[f"found_{label}" for label in labels],
    )
    summary = {
        "test_accuracy": accuracy_score(digits.test_labels, found),
        "test_images": len(found),
        "training_images": len(digits.train_images),
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": seconds,
    }
    logging.info("%.2f %% of %d test images are recognised", 100 * summary["test_accuracy"], len(found))
    confusion.to_csv(output.confusion)
    write_json(output.summary, summary)
    save_file({name: value.contiguous() for name, value in model.cpu().state_dict().items()}, output.weights)
