import logging
import time

from diffusion.classifier import ClassifierSettings, classifier_summary, confusion_table, train_classifier
from diffusion.images import Digits, rescale
from engine.device import choose_device, use_threads
from engine.files import write_json
from engine.job import job
from engine.tensors import write_tensors

params, output = snakemake.params, snakemake.output

with job(snakemake):
    use_threads(snakemake.threads)
    device = choose_device(params.device)
    digits = Digits.load(snakemake.input.images)
    started = time.monotonic()
    settings = ClassifierSettings(seed=params.seed, **params.training)
    model = train_classifier(digits.train_images, digits.train_labels, settings, device)
    seconds = time.monotonic() - started
    confusion = confusion_table(model, rescale(digits.test_images), digits.test_labels, device)
    summary = classifier_summary(confusion, digits, model, seconds)
    logging.info("%.2f %% of %d test images are recognised", 100 * summary["test_accuracy"], summary["test_images"])
    confusion.to_csv(output.confusion)
    write_json(output.summary, summary)
    write_tensors(output.weights, model.state_dict())
