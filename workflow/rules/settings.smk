"""The settings, checked; and in groups, since a rule names as params what its results depend on, and no more.

In: config.yaml with what lies over it, and workflow/schemas/config.schema.yaml.
Out: the folders of the run, and groups of settings for the rules' params. Nothing of `execution` is in a group: what
changes no result is read by the scripts from the configuration itself, so that a change of it is no reason to run again
(`shards` alone is one, since it decides which files there are).
"""

import os
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
sys.path.append(str(SCRIPTS))

from engine import packages, settings

SCHEMA = Path(workflow.basedir) / "workflow" / "schemas" / "config.schema.yaml"

if refusal := packages.refusal():
    raise WorkflowError(refusal)

if errors := settings.errors(config, yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))):
    raise WorkflowError("the settings (config.yaml, presets/, --config) cannot be used:\n" + "\n".join(errors))

for folder in [Path("results") / config["preset"], Path("results"), Path(".")]:
    if folder.is_dir():
        if not os.access(folder, os.W_OK):
            raise WorkflowError(
                f"the folder {folder.resolve()} cannot be written to: make it writable, or work in a copy elsewhere"
            )
        break


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
