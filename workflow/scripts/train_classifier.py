import logging
from pathlib import Path

import torch

from diffusion.classifier import (
    ClassifierSettings,
    ClassifierTraining,
    classifier_steps,
    classifier_summary,
    confusion_table,
)
from diffusion.images import Digits, rescale
from engine.checkpoints import StateFolder, experiment, run
from engine.device import Hardware, choose_device, use_threads
from engine.files import write_json
from engine.interrupts import asked_to_stop
from engine.job import job
from engine.progress import History
from engine.tensors import write_tensors

params, output, execution = snakemake.params, snakemake.output, snakemake.config["execution"]

with job(snakemake):
    hardware = Hardware(choose_device(params.device), torch.float32, use_threads(snakemake.threads))
    digits, settings = Digits.load(snakemake.input.images), ClassifierSettings(seed=params.seed, **params.training)
    training = ClassifierTraining(digits.train_images, digits.train_labels, settings, hardware.device)
    history = History(training.steps, settings.batch_size, training.rate, hardware.device, training.REMEDY)
    name = experiment(snakemake, "train_classifier.py", hardware)
    states = StateFolder(Path(output.weights).with_name("classifier_states"), name)
    run(
        training,
        classifier_steps(training),
        history,
        hardware,
        states,
        60 * execution["save_minutes"],
        asked_to_stop(),
        hardware.longest(execution["cpu_days"]),
    )
    model = training.trained()
    confusion = confusion_table(model, rescale(digits.test_images), digits.test_labels, hardware.device)
    summary = classifier_summary(confusion, digits, model, history.seconds)
    logging.info("%.2f %% of %d test images are recognised", 100 * summary["test_accuracy"], summary["test_images"])
    confusion.to_csv(output.confusion)
    write_json(output.summary, summary)
    write_tensors(output.weights, model.state_dict())
