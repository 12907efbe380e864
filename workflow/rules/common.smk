"""Settings are checked here, once; helpers that the rules share."""

import difflib
import os
from modulefinder import ModuleFinder
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from snakemake.exceptions import WorkflowError

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
SCHEMA = Path(workflow.basedir) / "workflow" / "schemas" / "config.schema.yaml"


def described(schema: dict, path) -> str:
    """What the schema says of a setting; for an entry of a list, what it says of the list."""
    description = ""
    for part in path:
        schema = schema.get("properties", {}).get(part) or schema.get("items", {})
        description = schema.get("description", description)
    return description


def settings_errors(settings: dict) -> list[str]:
    """One sentence for each setting that the schema, or another setting, does not allow."""
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    sentences = []
    for error in Draft202012Validator(schema).iter_errors(settings):
        key = ".".join(str(part) for part in error.absolute_path)
        if error.validator == "additionalProperties":
            known = error.schema["properties"]
            for name in sorted(set(error.instance) - set(known)):
                near = difflib.get_close_matches(str(name), known, n=1)
                hint = f"; did you mean '{near[0]}'?" if near else f"; the keys here are {', '.join(known)}"
                sentences.append(f"{'.'.join(filter(None, [key, str(name)]))} is not a setting{hint}")
        elif error.validator == "required":
            sentences.append(f"{key or 'config.yaml'}: {error.message}; see config.yaml for its default")
        elif isinstance(error.instance, dict) or error.validator == "type" and error.validator_value == "object":
            sentences.append(f"{key} is {error.instance!r}, but it must be a block of settings as in config.yaml")
        else:
            sentence = f"{key} is {error.instance!r}, but must be {described(schema, error.absolute_path)}"
            if error.validator == "type" and isinstance(error.instance, str):
                sentence += (
                    ". It was read as text: write 1.0e-4 for 1e-4, and numbers in a --configfile, not in --config"
                )
            sentences.append(sentence)
    if sentences:
        return sentences
    T = settings["ddpm"]["T"]
    for name in ("forward_times", "backward_times"):
        if beyond := [t for t in settings["figures"][name] if t > T]:
            sentences.append(f"figures.{name} has {beyond}, but the process ends at ddpm.T = {T}; use steps in 0..{T}")
    if 0 not in settings["figures"]["backward_times"]:
        sentences.append("figures.backward_times lacks 0, the step at which an image is done: add it")
    if beyond := [t for t in settings["pde"]["profile_times"] if t > settings["pde"]["t_end"]]:
        sentences.append(f"pde.profile_times has {beyond}, beyond pde.t_end = {settings['pde']['t_end']}")
    if settings["pde"]["amplitudes"][-1] == 0:
        sentences.append("pde.amplitudes ends in 0: leave the last modes out, or give them an amplitude")
    if settings["ddpm"]["batch_size"] % settings["ddpm"]["gpus"]:
        sentences.append(
            f"ddpm.gpus is {settings['ddpm']['gpus']}, which does not divide ddpm.batch_size: use a divisor"
        )
    if settings["samples"]["shards"] > settings["samples"]["count"]:
        sentences.append("samples.shards exceeds samples.count: use at most one shard a sample")
    return sentences


if errors := settings_errors(config):
    raise WorkflowError("the settings (config.yaml, presets/, --config) cannot be used:\n" + "\n".join(errors))

for folder in [Path("results") / config["preset"], Path("results"), Path(".")]:
    if folder.is_dir():
        if not os.access(folder, os.W_OK):
            raise WorkflowError(
                f"the folder {folder.resolve()} cannot be written to: make it writable, or work in a copy elsewhere"
            )
        break


def select(section: str, *keys: str) -> dict:
    """The named settings of a section, in this order: a rule reruns if one of these changes, and for no other."""
    return {key: config[section][key] for key in keys}


def library(script: str) -> list[str]:
    """The modules of workflow/scripts that a script uses, directly or through one another.

    Rules name them as inputs: Snakemake tracks a rule's script, but not what that imports.
    """
    finder = ModuleFinder(path=[str(SCRIPTS)])
    finder.run_script(str(SCRIPTS / script))
    found = {Path(m.__file__) for name, m in finder.modules.items() if name != "__main__" and m.__file__}
    return [f"workflow/scripts/{file.relative_to(SCRIPTS).as_posix()}" for file in sorted(found)]


def demo_note() -> str:
    """What every figure and document of a run on other data than the paper's must say; else empty."""
    return {"mnist": "", "digits": "Demo on scikit-learn's 8×8 digits, not on MNIST"}[config["data"]["source"]]


def figures() -> list[str]:
    """Every figure in both formats, and the learning curve."""
    names = [f"fig{n}" for n in range(1, 8)] + ["learning_curve"]
    return expand("<results>/figures/{name}.{format}", name=names, format=["pdf", "png"])


def targets() -> list[str]:
    """The final files of a run: what `rule all` asks for, and what the run's provenance lists first."""
    return [
        *figures(),
        "<results>/samples/categories.csv",
        "<results>/models/classifier_confusion.csv",
        "<results>/pde/convergence.csv",
        "<results>/pde/growth_rates.csv",
        "<results>/claims/claims.csv",
        "<results>/claims/claims.json",
        "<results>/claims/claims.html",
        "<results>/companion.pdf",
        "<results>/classroom.html",
    ]
