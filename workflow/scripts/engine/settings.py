"""Checks of the settings, before anything runs: what the schema asks of each, and what they ask of one another."""

from typing import Any

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


def errors(settings: Settings, schema: dict[str, Any]) -> list[str]:
    """One sentence for each setting that cannot be used; empty if all can."""
    moved, others = [], {}
    for section, value in settings.items():
        others[section] = value
        if isinstance(value, dict):
            moved += [f"{section}.{key}" for key in value if f"{section}.{key}" in MOVED]
            others[section] = {key: one for key, one in value.items() if f"{section}.{key}" not in MOVED}
    sentences = [f"{key} has moved: write {MOVED[key]}" for key in moved]
    sentences += schema_errors(others, schema, root="config.yaml", advice=ADVICE)
    return sentences or contradictions(settings)


def contradictions(settings: Settings) -> list[str]:
    """One sentence for each setting that another one does not allow; each by itself is as the schema asks."""
    ddpm, figures, pde, execution = (settings[section] for section in ("ddpm", "figures", "pde", "execution"))
    sentences, T = [], ddpm["T"]
    for name in ("forward_times", "backward_times"):
        if beyond := [t for t in figures[name] if t > T]:
            sentences.append(f"figures.{name} has {beyond}, but the process ends at ddpm.T = {T}; use steps in 0..{T}")
        elif T not in figures[name]:
            sentences.append(f"figures.{name} lacks ddpm.T = {T}, the step at which all is noise: add it")
    if 0 not in figures["backward_times"]:
        sentences.append("figures.backward_times lacks 0, the step at which an image is done: add it")
    if beyond := [t for t in pde["profile_times"] if t > pde["t_end"]]:
        sentences.append(f"pde.profile_times has {beyond}, beyond pde.t_end = {pde['t_end']}")
    if pde["amplitudes"][-1] == 0:
        sentences.append("pde.amplitudes ends in 0: leave the last modes out, or give them an amplitude")
    if ddpm["batch_size"] % execution["gpus"]:
        sentences.append(f"execution.gpus is {execution['gpus']}, which does not divide ddpm.batch_size: use a divisor")
    if execution["shards"] > settings["samples"]["count"]:
        sentences.append("execution.shards exceeds samples.count: use at most one shard a sample")
    return sentences
