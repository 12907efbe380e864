"""Checks of the settings, before anything runs: what the schema asks of each, and what they ask of one another."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.schemas import schema_errors

Settings = dict[str, Any]
"""The sections of config.yaml, with presets and files of one's own laid over them."""

MOVED = {
    "data.mirrors": "execution.mirrors",
    "ddpm.gpus": "execution.gpus",
    "ddpm.save_minutes": "execution.save_minutes",
    "samples.shards": "execution.shards",
    "samples.batch_size": "execution.batch_size",
    "compute.threads": "execution.threads",
}
"""Keys of earlier versions, and where they are now."""
ADVICE = "write 1.0e-4 for 1e-4, and numbers in a --configfile, not in --config"
"""For a number that was read as text, as Snakemake reads those inside a section of --config."""


SMALLEST = 600.0
"""exp(-600) and its square root are floating-point numbers of full precision."""
MOST_STEPS = 10_000_000
"""Of figure 7's run: hours."""


def errors(settings: Settings, schema: dict[str, Any], training_images: Mapping[str, int]) -> list[str]:
    """One sentence for each setting that cannot be used; empty if all can. `training_images` says how many there are in
    each source of images.
    """
    moved, others = [], {}
    for section, value in settings.items():
        others[section] = value
        if isinstance(value, dict):
            moved += [f"{section}.{key}" for key in value if f"{section}.{key}" in MOVED]
            others[section] = {key: one for key, one in value.items() if f"{section}.{key}" not in MOVED}
    sentences = [f"{key} has moved: write {MOVED[key]}" for key in moved]
    sentences += schema_errors(others, schema, root="config.yaml", advice=ADVICE)
    return sentences or contradictions(declare(settings, schema), training_images)


def declare(value: Any, schema: dict[str, Any]) -> Any:
    """A value that the schema allows, with each number of the type that the schema declares: YAML's 8.0 where a whole
    number is wanted is 8, its 0 where any number may stand is 0.0, and so at every depth.
    """
    if isinstance(value, dict):
        return {key: declare(one, schema["properties"][key]) for key, one in value.items()}
    if isinstance(value, list):
        return [declare(one, schema["items"]) for one in value]
    kind = {"integer": int, "number": float}.get(schema.get("type", ""))
    return kind(value) if kind else value


def contradictions(settings: Settings, training_images: Mapping[str, int]) -> list[str]:
    """One sentence for each setting that another one or the images forbid; each by itself is as the schema asks."""
    ddpm, figures, execution = (settings[section] for section in ("ddpm", "figures", "execution"))
    sentences, T = [], ddpm["T"]
    for name in ("forward_times", "backward_times"):
        if beyond := [t for t in figures[name] if t > T]:
            sentences.append(f"figures.{name} has {beyond}, but the process ends at ddpm.T = {T}; use steps in 0..{T}")
        elif T not in figures[name]:
            sentences.append(f"figures.{name} lacks ddpm.T = {T}, the step at which all is noise: add it")
    if 0 not in figures["backward_times"]:
        sentences.append("figures.backward_times lacks 0, the step at which an image is done: add it")
    if ddpm["batch_size"] % execution["gpus"]:
        sentences.append(f"execution.gpus is {execution['gpus']}, which does not divide ddpm.batch_size: use a divisor")
    try:
        urlsplit(settings["agent"])  # which the run's provenance gives as an identifier
    except ValueError:
        sentences.append("agent begins as a URL, but is none: write a name, or an ORCID's URL")
    if any(len(os.fsencode(part)) > 255 for part in Path(ddpm["start"]).parts):
        sentences.append(
            "ddpm.start has a name in it that is longer than any file's: write the path of weights that are there"
        )
    if ddpm["start_sha256"] and not ddpm["start"]:
        sentences.append(
            "ddpm.start_sha256 is given, but ddpm.start, what it is the SHA-256 of, is empty: give both, or none"
        )
    for chapter, key in (("reversal", "noisy_ends"), ("digits", "ends")):
        times = settings["beyond"][chapter][key]
        if times != sorted(set(times)):
            sentences.append(
                f"beyond.{chapter}.{key} is {times}, but its times must ascend, each later than the one before"
            )
    if execution["shards"] > settings["samples"]["count"]:
        sentences.append("execution.shards exceeds samples.count: use at most one shard a sample")
    return sentences + _of_images(settings, training_images) + _of_schedule(ddpm) + _of_pde(settings["pde"])


def _of_images(settings: Settings, training_images: Mapping[str, int]) -> list[str]:
    """Where the source is not known, or more training images are asked for than it has."""
    source, classifier, figures = settings["data"]["source"], settings["classifier"], settings["figures"]
    if source not in training_images:
        *others, last = training_images
        return [f"data.source is {source!r}, but must be {', '.join(others)}, or {last}, a source of images"]
    there, of = training_images[source], f"there are {training_images[source]:,} training images of {source}"
    sentences = []
    numbers = {
        "figures.training_images": figures["training_images"],
        "samples.originals": settings["samples"]["originals"],
    }
    if settings["beyond"]["network"]:  # as many training images stand beside them
        numbers["beyond.steps.images"] = settings["beyond"]["steps"]["images"]
    sentences += [f"{key} is {n}, but {of}: use at most that" for key, n in numbers.items() if n > there]
    if figures["image"] >= there:
        sentences.append(f"figures.image is {figures['image']}, but {of}, counted from 0: use a smaller number")
    if classifier["weights"] == "train" and classifier["batch_size"] > there:
        sentences.append(f"classifier.batch_size is {classifier['batch_size']}, but {of}: use at most that")
    return sentences


def _of_schedule(ddpm: Settings) -> list[str]:
    """Where floating-point numbers cannot hold what the variance schedule makes, or the weights of the loss."""
    T, power = ddpm["T"], ddpm["loss_weight_power"]
    rise = (ddpm["beta_T"] - ddpm["beta_1"]) / max(1, T - 1)
    log_alpha_bar = sum(math.log1p(-(ddpm["beta_1"] + rise * t)) for t in range(T))
    if log_alpha_bar < -SMALLEST:
        return [
            f"ddpm.T = {T} steps from ddpm.beta_1 = {ddpm['beta_1']} to ddpm.beta_T = {ddpm['beta_T']} leave exp("
            f"{log_alpha_bar:.0f}) of the image's variance, below what floating-point numbers hold: lower ddpm.beta_T "
            "or ddpm.T"
        ]
    if power * -log_alpha_bar > SMALLEST:
        return [f"ddpm.loss_weight_power is {power}, at which the weights of the loss overflow: lower it"]
    return []


def _of_pde(pde: Settings) -> list[str]:
    """Where the times of figure 7 are not those of its steps, or its start is nothing."""
    dt, t_end, sentences = pde["dt"], pde["t_end"], []
    if beyond := [t for t in pde["profile_times"] if t > t_end]:
        sentences.append(f"pde.profile_times has [{', '.join(f'{t:g}' for t in beyond)}], beyond pde.t_end = {t_end:g}")
    if t_end / dt > MOST_STEPS:
        sentences.append(f"pde.t_end / pde.dt is {t_end / dt:.3g}, more than {MOST_STEPS:,} steps: raise pde.dt")
    elif t_end < dt / 2:
        sentences.append(f"pde.t_end is {t_end}, less than one step pde.dt = {dt}: lower pde.dt")
    elif between := [
        t for t in dict.fromkeys([t_end, *pde["profile_times"]]) if t <= t_end and not _is_multiple(t, dt)
    ]:
        sentences.append(
            f"pde.dt is {dt}, whose steps do not reach the times {', '.join(map(str, between))} of pde.t_end and "
            "pde.profile_times: choose pde.dt so that each of them is a multiple of it"
        )
    # The growth rates are measured until an amplitude is tenfold by (23), at lambda_2 - lambda_1 or faster.
    steps = math.log(10) * pde["length"] ** 2 / (3 * math.pi**2) / dt
    if t_end / dt <= MOST_STEPS < steps:
        sentences.append(
            f"pde.length is {pde['length']}, on which a mode takes {steps:.3g} steps of pde.dt to grow tenfold, more "
            f"than {MOST_STEPS:,}: lower it, or raise pde.dt"
        )
    # A mean, which is taken out of figure 7's run, would grow as exp(lambda_1 t) over the first mode.
    if (units := t_end * (math.pi / pde["length"]) ** 2) > SMALLEST / 2:  # a share is one of squares
        sentences.append(
            f"pde.t_end is {t_end:g}, which is {units:.3g} times 1 / lambda_1 with pde.length = {pde['length']:g}: at "
            f"most {SMALLEST / 2:g} can be computed; lower it, or raise pde.length"
        )
    if pde["amplitudes"][-1] == 0:
        sentences.append("pde.amplitudes ends in 0: leave the last modes out, or give them an amplitude")
    elif max(map(abs, pde["amplitudes"])) < 1e-100:
        sentences.append(
            "pde.amplitudes are all below 1.0e-100, where their squares vanish: give one a larger amplitude"
        )
    return sentences


def _is_multiple(t: float, dt: float) -> bool:
    """Whether t is a whole number of steps dt, up to rounding."""
    return abs(t / dt - round(t / dt)) < 1e-6
