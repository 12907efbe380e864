"""The numbers of a run that the companion document and the report show, gathered from the files of the run."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from claims.ledger import ORIGINS, VERDICTS, count, counts_sentences
from diffusion.forward import VarianceSchedule
from diffusion.pde import leading_modes
from diffusion.sources import SOURCES
from engine.errors import UserError
from engine.files import read_json, reading
from publishing.origin import pins

TABLE = ("title", "preset", "data", "demo_note", "training")
CLAIM = (
    "id", "of", "place", "statement", "kind", "test", "threshold", "why", "since", "revised",
    "value", "verdict", "detail",
)  # fmt: skip


def gather(files: Mapping[str, Any], preset: str, note: str, weights: str, settings: dict[str, Any]) -> dict:
    """The run's numbers, the content of numbers.json.

    `files` are the inputs of the rule gather_numbers by their names there. `settings` are the run's, with a block each;
    `weights` says whether the network was trained or shipped, and `note` what a run on other data must say. Raises
    UserError for a table of claims that cannot be read.
    """
    ledger = read_claims(files["claims"])
    settings = as_trained(settings, files["records"])
    ddpm = settings["ddpm"]
    schedule = VarianceSchedule.linear(ddpm["T"], ddpm["beta_1"], ddpm["beta_T"])
    with np.load(files["solution"]) as solution:
        leaders = leading_modes(solution["t"], solution["amplitudes"], solution["eigenvalues"])
    return {
        "preset": preset,
        "demo_note": note,
        "images": SOURCES[settings["data"]["source"]].name,
        "settings": settings,
        "weights": weights,
        "schedule": {"kept": schedule.alpha_bar.sqrt().tolist()},
        "training": read_json(files["training"]) | course(pd.read_csv(files["history"])),
        "classifier": read_json(files["classifier"])
        | {"commonest_error": commonest_error(pd.read_csv(files["confusion"], index_col="true"))},
        "samples": sorted_samples(read_json(files["samples"]), pd.read_csv(files["categories"])),
        "pde": {
            "invariants": read_json(files["invariants"]),
            "convergence": records(pd.read_csv(files["convergence"])),
            "growth_rates": records(pd.read_csv(files["growth_rates"])),
            "leaders": leaders,
        },
        "arithmetic": read_json(files["network"])["arithmetic"],
        "figures": {name: read_json(files["images"])[name] for name in ("figure_3", "figure_6")},
        "claims": ledger,
        "costs": costs(files["benchmarks"]),
        "packages": pins(files["packages"]),
    }


def gather_beyond(
    files: Mapping[str, Any],
    preset: str,
    note: str,
    settings: dict[str, Any],
    parts: Mapping[str, list[str]],
    helpers: Mapping[str, str] = MappingProxyType({}),
) -> dict:
    """The numbers of the chapters beyond the paper, the content of beyond/numbers.json.

    `files` are the inputs of the rule gather_beyond by their names there, and `parts` the parts of each chapter: a
    part's records and claims are named by it, and its rule is explore_<part>; `helpers` names the rule that made what a
    part measures, if there is one. A chapter without records is left out.
    """
    ledger = read_claims(files["claims"])
    seconds = {row["rule"].removeprefix("explore_"): row["seconds"] for row in costs(files["benchmarks"])}
    chapters = [
        {
            "name": name,
            "parts": own,
            "seconds": sum(seconds.get(rule, 0.0) for part in own for rule in (part, helpers.get(part))),
        }
        for name, own in parts.items()
        if any(part in seconds for part in own)
    ]
    return {
        "preset": preset,
        "demo_note": note,
        "images": SOURCES[settings["data"]["source"]].name,
        "settings": settings,
        "records": {Path(file).stem: read_json(file) for file in files["measures"]},
        "claims": ledger,
        "chapters": chapters,
        "lines": chapter_lines(chapters),
    }


def chapter_lines(chapters: Iterable[Mapping[str, Any]]) -> list[str]:
    """What `make beyond` ends with: a chapter a line, with the time that its parts took."""
    rows = [(chapter["name"], chapter["seconds"]) for chapter in chapters]
    rows.append(("all chapters", sum(seconds for _, seconds in rows)))
    return [f"{name:14}{seconds:7.1f} s" for name, seconds in rows]


def as_trained(settings: dict[str, Any], shipped: Iterable[Path | str]) -> dict[str, Any]:
    """The settings, where a model's weights were shipped those of its training, from its record in weights/."""
    for record in shipped:
        trained = read_json(record)["settings"]
        for section, values in trained.items():
            if missing := [key for key in settings.get(section, {}) if key not in values]:
                raise UserError(
                    f"{record} lacks {section}.{missing[0]} among the settings of the training: restore it, which for "
                    "weights/ `git checkout -- weights` does"
                )
        settings = settings | trained
    return settings


def course(history: pd.DataFrame) -> dict[str, float]:
    """The loss in the first row of a training's history and over its last tenth, and the median speed."""
    return {
        "first_loss": float(history["loss"].iloc[0]),
        "final_loss": float(history["loss"].tail(max(1, len(history) // 10)).mean()),
        "images_per_second": float(history["images_per_second"].median()),
    }


def sorted_samples(summary: dict, categories: pd.DataFrame) -> dict:
    """The summary of the samples, with their median confidence and a row {"label", "count", "recognised"} a digit.

    `categories` has a row a sample, with its `label` and the classifier's `confidence` in it.
    """
    by_label = (
        categories.assign(recognised=categories["confidence"] > summary["confidence_threshold"])
        .groupby("label")
        .agg(count=("label", "size"), recognised=("recognised", "sum"))
        .reindex(range(10), fill_value=0)
        .reset_index()
    )
    return summary | {"median_confidence": float(categories["confidence"].median()), "by_label": records(by_label)}


def costs(benchmarks: Iterable[Path | str]) -> list[dict]:
    """Time and memory of each rule from Snakemake's benchmark files, in their order, a rule's jobs together:
    [{"rule", "jobs", "seconds", "cpu_seconds", "peak_mb"}, ...]. What Snakemake could not measure is None.
    """
    rows, columns = [], ["s", "cpu_time", "max_rss"]
    for file in map(Path, benchmarks):
        with reading(file, "a benchmark file"):
            last = pd.read_csv(file, sep="\t")[columns].iloc[-1]
        rows.append({"rule": re.sub(r"_(\d+-of-\d+|eta\d_\d+|t\d+)$", "", file.stem), **last.to_dict()})
    jobs = pd.DataFrame(rows)
    jobs[columns] = jobs[columns].apply(pd.to_numeric, errors="coerce")
    rules = jobs.groupby("rule", sort=False).agg(
        jobs=("s", "size"),
        seconds=("s", "sum"),
        cpu_seconds=("cpu_time", lambda times: times.sum(skipna=False)),
        peak_mb=("max_rss", "max"),
    )
    return records(rules.reset_index())


def records(frame: pd.DataFrame) -> list[dict]:
    """A table's rows as plain values; what is not a number is None."""
    return json.loads(frame.to_json(orient="records", double_precision=15))


def commonest_error(confusion: pd.DataFrame) -> dict | None:
    """{"true", "found", "count"} of the pair that a confusion table, (10, 10), has most often; None if all is right."""
    off = confusion.to_numpy().copy()
    np.fill_diagonal(off, 0)
    true, taken = np.unravel_index(off.argmax(), off.shape)
    return {"true": int(true), "found": int(taken), "count": int(off.max())} if off.any() else None


def read_claims(file: Path | str) -> dict:
    """The ledger of claims with their verdicts, and the counts of these, also in words. Raises UserError, which names
    what is wrong with the file.
    """
    remedy = "name results/<preset>/claims/claims.json, or that of beyond/, and if it is one, run again to make it anew"
    try:
        ledger = read_json(file)
    except FileNotFoundError:
        raise UserError(f"the table of claims {file} is not there: it is made by a run, as of `make verify`") from None
    if not isinstance(ledger, dict) or not isinstance(ledger.get("claims"), list):
        raise UserError(f"the table of claims {file} has no list of claims: {remedy}")
    if missing := [key for key in TABLE if key not in ledger]:
        raise UserError(f"the table of claims {file} lacks {', '.join(missing)}: {remedy}")
    for n, claim in enumerate(ledger["claims"], start=1):
        if not isinstance(claim, dict):
            raise UserError(f"claim {n} in {file} is no claim, but {claim!r}: {remedy}")
        name = f"claim {n} ({claim.get('id', 'without id')}) in {file}"
        if missing := [key for key in CLAIM if key not in claim]:
            raise UserError(f"{name} lacks {', '.join(missing)}: {remedy}")
        for key, allowed in (("verdict", VERDICTS), ("of", ORIGINS)):
            if claim[key] not in list(allowed):  # which asks for no hash
                raise UserError(f"{name} has the {key} {claim[key]!r}, but must have {' or '.join(allowed)}: {remedy}")
    counts = count(ledger["claims"])
    return ledger | {"counts": counts, "summary": counts_sentences(counts)}
