"""The model card of weights/: what the network is, how it was trained, how good it is, and what it cannot do."""

import re
from pathlib import Path

from claims.statistics import share
from diffusion.sources import SOURCES
from publishing.rendering import render

QUALITY = ("eight-of-nine-rate", "plausible", "novel")
"""The claims whose findings the card takes over."""


def card(template: Path | str, run: dict, record: dict) -> str:
    """The card in Markdown, from the numbers.json of a run with the shipped weights and the network's record."""
    columns, samples = [facts(training) for training in trainings(record)], run["samples"]
    table = [["", *(f"training {n}" for n in range(1, len(columns) + 1))], ["---"] * (len(columns) + 1)]
    names = dict.fromkeys(name for column in columns[::-1] for name in column)
    table += [[name, *(column.get(name, "none") for column in columns)] for name in names]
    return render(
        template,
        run=run,
        record=record,
        source=SOURCES[record["settings"]["data"]["source"]].name,
        trainings=len(columns),
        table=table,
        recognised=share(samples["recognised"], samples["samples"]),
        quality=[claim for claim in run["claims"]["claims"] if claim["id"] in QUALITY],
    )


def trainings(record: dict) -> list[dict]:
    """The records of a network's trainings, in order: each started from the weights of the one before."""
    return [*(trainings(record["start"]) if record.get("start") else []), record]


def facts(training: dict) -> dict[str, str]:
    """What the card tells of one training, name to text: its settings, and where its weights come from."""
    summary, origin = training["summary"], training["origin"]
    settings = {f"`{block}.{key}`": x for block, values in training["settings"].items() for key, x in values.items()}
    told = settings | {
        "`seed`": origin["seed"],
        "processor": origin["processor"],
        "device": summary["device"],
        "PyTorch": summary["torch"],
        "ended on": origin["finished"],
        "the files were written at commit": origin["commit"],
    }
    return {name: _cell(value) for name, value in told.items()}


def _cell(value: object) -> str:
    """A value as the card shows it; of a commit or a SHA-256, the first seven digits."""
    return re.sub(r"\b([0-9a-f]{7})(?:[0-9a-f]{33}|[0-9a-f]{57})\b", r"\1", str(value)) or "none"
