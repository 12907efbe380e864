"""The settings, checked; and in groups, since a rule names as params what its results depend on, and no more.

In: config.yaml with what lies over it, and workflow/schemas/config.schema.yaml.
Out: the folders of the run, and groups of settings for the rules' params. Nothing of `execution` is in a group: what
changes no result is read by the scripts from the configuration itself, so that a change of it is no reason to run again
(`shards` alone is one, since it decides which files there are).
"""

import os
import signal
import sys
from pathlib import Path

from diffusion import sources
from engine import packages, settings

SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"

schema = settings_files.load(SCHEMA)

if sentence := packages.refusal():
    raise WorkflowError(sentence)
if not config:
    raise WorkflowError("config.yaml was not read, as in a module: start Snakemake with the Snakefile of this workflow")
if errors := settings.errors(config, schema, sources.training_images()):
    raise WorkflowError("the settings (config.yaml, presets/, --config) cannot be used:\n" + "\n".join(errors))
config.update(settings.declare(config, schema))

# Ctrl-C reaches a script while it is still importing, where Python answers with a traceback. In the jobs that this
# process starts it is held back until the script can answer it (engine/job.py).
shell._process_args["preexec_fn"] = lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])

of_run = Path("results") / config["preset"]


pathvars:
    results=f"results/{config['preset']}",
    logs=f"results/{config['preset']}/logs",
    benchmarks=f"results/{config['preset']}/benchmarks",


scattergather:
    samples=config["execution"]["shards"],


def select(section: str, *keys: str) -> dict:
    """The named settings of a section, in this order: a rule reruns if one of these changes, and for no other."""
    return {key: config[section][key] for key in keys}


IMAGES = select("data", "source", "image_size")
SCHEDULE = select("ddpm", "T", "beta_1", "beta_T")
NETWORK = select("ddpm", "channels")
TRAINING = select(
    "ddpm",
    "batch_size",
    "epochs",
    "images_per_epoch",
    "learning_rate",
    "adam_decays",
    "warmup_steps",
    "cosine_decay",
    "averaging",
    "stratified_t",
    "loss_weight_power",
)
CLASSIFIER = select("classifier", "epochs", "batch_size", "learning_rate")
COMPUTE = select("compute", "device", "precision")
# What every run of Algorithm 2 depends on, besides its weights.
SAMPLER = {"network": NETWORK, "schedule": SCHEDULE, "compute": COMPUTE, "seed": config["seed"]}
# Of each model, the settings that the use of its weights depends on; and with them those that made the weights.
USED = {"ddpm": {"data": IMAGES, "ddpm": SCHEDULE | NETWORK}, "classifier": {"data": IMAGES}}
SETTINGS = {
    "ddpm": {"data": IMAGES, "ddpm": SCHEDULE | NETWORK | select("ddpm", "start", "start_sha256") | TRAINING},
    "classifier": {"data": IMAGES, "classifier": CLASSIFIER},
}
SHIPPED = [model for model in SETTINGS if config[model]["weights"] == "shipped"]
