"""What the minutes of training buy: the quality of finished runs' samples against the time of their training.

.venv/bin/python -m benchmarks.quality results/demo results/epochs-40 ...

`make quality` makes the demo with the settings in benchmarks/variants/ and calls this. A run with other settings is a
preset laid over another, with a `preset:` name of its own; the Fréchet distance (squared, as in FID) is in its
claims/samples.json.
"""

import argparse
from itertools import cycle
from pathlib import Path

import pandas as pd

from benchmarks import RESULTS
from benchmarks.measuring import report
from claims import statistics as metrics
from engine.errors import UserError
from engine.files import read_json, reading
from engine.printing import told, until_read
from publishing import plots


def quality(run: Path) -> dict:
    """One run: the minutes of its training, and how good its samples are."""
    try:
        training, found, measures = (
            read_json(run / file) for file in ("models/ddpm.json", "samples/summary.json", "claims/samples.json")
        )
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SystemExit(f"{error.filename} is missing: finish that run first, with its claims") from None
    with reading(run, "a run of this version"):
        frechet = measures["frechet"]
        if "distance" not in frechet:
            raise UserError(f"{run} has too few samples for a Fréchet distance")
        recognised, low, high = metrics.share(found["recognised"], found["samples"])
        return {
            "run": run.name,
            "parameters": training["parameters"],
            "image visits": training["image_visits"],
            "batch": training["batch_size"],
            "minutes": training["seconds"] / 60,
            "samples": found["samples"],
            "recognised": recognised,
            "low": low,
            "high": high,
            "mean confidence": found["mean_confidence"],
            "Fréchet distance": float(frechet["distance"]),
            "of real images": float(frechet["floor"]),
        }


def draw(table: pd.DataFrame) -> plots.Figure:
    """Share recognised with its 95% interval, and Fréchet distance, against the minutes of training; a symbol a run."""
    figure = plots.new_figure(2.7)
    left, right = figure.subplots(1, 2)
    style = {"color": "black", "markerfacecolor": "white", "markersize": 5, "linestyle": "none"}
    for marker, (_, run) in zip(cycle("os^Dv<>p*"), table.iterrows(), strict=False):
        bars = [[run["recognised"] - run["low"]], [run["high"] - run["recognised"]]]
        left.errorbar(run["minutes"], run["recognised"], bars, marker=marker, elinewidth=0.8, label=run["run"], **style)
        right.plot(run["minutes"], run["Fréchet distance"], marker=marker, **style)
    left.set(ylabel="share recognised with confidence")
    left.yaxis.set_major_formatter("{x:.0%}")
    left.legend(frameon=False, loc="lower right")
    right.axhline(table["of real images"].mean(), color="0.5", linewidth=0.8, label="real images, as many")
    right.set(ylabel="squared Fréchet distance, classifier's features", ylim=(0, None))
    right.legend(frameon=False)
    for ax in (left, right):
        ax.set(xlabel="minutes of training", xlim=(0, None))
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs, as results/laptop")
    table = pd.DataFrame([quality(run) for run in parser.parse_args().runs]).sort_values("minutes")
    report("quality", "Quality of the samples against the minutes of training.", table, table.to_dict("records"))
    plots.save(draw(table), RESULTS / "quality.pdf", RESULTS / "quality.png")
    print(f"drawn as {RESULTS / 'quality.pdf'} and .png")


if __name__ == "__main__":
    with told(), until_read():
        main()
