"""How long a whole preset will take on this machine, from a few measured steps of each of its parts.

    make estimate PRESET=laptop        # or demo, paper, or a file of settings

Downloads are not counted, and parts that could run side by side are counted one after the other.
"""

import argparse
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable
from modulefinder import ModuleFinder
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
import yaml

from benchmarks import ROOT
from benchmarks.measuring import OTHERS_LIMIT, Watch, whole
from benchmarks.minutes import SCRIPTS, start_seconds
from benchmarks.ours import Ours
from benchmarks.settings import settings
from claims.pde import STEPS_IN_SPACE
from diffusion.classifier import ClassifierSettings, probabilities, train_classifier
from diffusion.images import rescale
from diffusion.pde import Grid, combination, solve
from diffusion.sources import SOURCES
from engine.environment import cores
from engine.printing import told, until_read
from engine.progress import duration


def steady(rate: Callable[[int], float], at_least: float) -> float:
    """rate(steps), in steps a second, over as many steps as fill `at_least` seconds, judging by two of them."""
    return rate(max(2, int(at_least * rate(2))))


def network(config: dict, threads: int, at_least: float) -> tuple[Ours, dict[str, float]]:
    """Seconds to train the network and to sample from it."""
    ddpm, compute, execution = config["ddpm"], config["compute"], config["execution"]
    count = config["samples"]["count"]
    ours = Ours(
        *(compute["device"], compute["precision"], threads, ddpm["channels"]),
        *(config["data"]["image_size"], ddpm["averaging"]),
    )

    def training(steps: int) -> float:
        return ours.train(ddpm["batch_size"], steps) / ddpm["batch_size"]

    def sampling(batch_size: int) -> float:
        """Seconds for a whole batch."""
        return ddpm["T"] / steady(lambda steps: ours.sample(batch_size, steps) / batch_size, at_least)

    batch_size = min(execution["batch_size"], -(-count // execution["shards"]))
    parts = {}
    if ddpm["weights"] == "train":
        steps = max(1, int(ddpm["epochs"] * ddpm["images_per_epoch"] / ddpm["batch_size"]))
        name = f"train the network: {steps} steps of {ddpm['batch_size']} images"
        parts[name] = steps / steady(training, at_least)
    an_image, originals = sampling(batch_size) / batch_size, config["samples"]["originals"]
    return ours, parts | {
        f"generate {count} samples": count * an_image,
        f"return {originals} noised training images": originals * an_image,
        "nine runs each for figures 3, 5 and 6": 3 * sampling(9),
    }


def classifier(config: dict, ours: Ours, at_least: float) -> float:
    """Seconds to train the classifier and to test it."""
    given = config["classifier"]
    source = SOURCES[config["data"]["source"]]
    labels = torch.zeros(len(ours.images), dtype=torch.int64)
    plan = ClassifierSettings(0, 1, given["batch_size"], given["learning_rate"])

    def training(steps: int) -> float:
        n = min(len(labels), steps * given["batch_size"])
        started = time.perf_counter()
        train_classifier(ours.images[:n], labels[:n], plan, ours.hardware.device)
        return n / given["batch_size"] / (time.perf_counter() - started)

    model = train_classifier(
        ours.images[: given["batch_size"]], labels[: given["batch_size"]], plan, ours.hardware.device
    )
    started = time.perf_counter()
    probabilities(model, rescale(ours.images[:1000]), ours.hardware.device)
    test = (time.perf_counter() - started) / 1000 * source.test_images
    steps = given["epochs"] * (source.training_images // given["batch_size"])
    return steps / steady(training, at_least) + test


def pde(config: dict) -> float:
    """Seconds for figure 7's solution and for the tables of errors, by the steps that both take."""
    given = config["pde"]

    def step_seconds(N: int) -> float:
        grid = Grid(given["length"], N)
        u_0 = combination(np.array(given["amplitudes"]), grid.x, grid.L)
        started = time.perf_counter()
        solve(u_0, grid, given["dt"], 200)
        return (time.perf_counter() - started) / 200

    tables = sum((STEPS_IN_SPACE + N) * step_seconds(N) for N in given["refinement"])
    return given["t_end"] / given["dt"] * step_seconds(given["cells"]) + tables


def jobs(config: dict) -> dict[str, int]:
    """How many jobs of each rule a whole run consists of, without the download, as Snakemake plans it."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "settings.yaml"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        command = [sys.executable, SCRIPTS / "start_snakemake.py", "--dry-run", "--forceall", "--configfile", file]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(done.stdout)
    table = done.stdout.split("Job stats:")[1].split("total")[0]
    counts = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.M)}
    return {rule: count for rule, count in counts.items() if rule not in ("all", "download_images")}


def script(rule: str) -> Path:
    """The script of a rule: it has the rule's name, but for rules that are made in a loop and share one."""
    shared = "unpack_weights.py" if rule.startswith("unpack_") else "draw_figure.py"
    own = SCRIPTS / f"{rule}.py"
    return own if own.is_file() else SCRIPTS / shared


COSTLIEST = ["torchvision", "torch", "scipy"]
"""Packages by the time that they take to import, the longest first; what is not here takes next to none."""


def starts(jobs: dict[str, int]) -> float:
    """Seconds that the jobs take to start; of all scripts with the same costliest package, one is measured."""
    measured: dict[str | None, float] = {}
    total = 0.0
    for rule, count in jobs.items():
        finder = ModuleFinder(path=[str(SCRIPTS)])  # what it does not find is from elsewhere
        finder.run_script(str(script(rule)))
        packages = {name.split(".")[0] for name in finder.any_missing()}
        costliest = next((package for package in COSTLIEST if package in packages), None)
        if costliest not in measured:
            measured[costliest] = start_seconds(script(rule), 1)
        total += count * measured[costliest]
    return total


def estimate(config: dict, threads: int, at_least: float = 1.2) -> tuple[str, dict[str, float]]:
    """What computes, and the seconds of each part; `at_least` is the time that each measurement takes."""
    threads = min(threads, config["execution"]["threads"])
    ours, parts = network(config, threads, at_least)
    if config["classifier"]["weights"] == "train":
        parts["train the classifier and test it"] = classifier(config, ours, at_least)
    parts["solve the PDE and check the solver"] = pde(config)
    parts["starts of all jobs, and small work"] = starts(jobs(config))
    return str(ours.hardware), parts


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("preset", nargs="?", default="paper", help="demo, laptop, paper, or a file of settings")
    parser.add_argument("--threads", type=whole(1, 1024), default=cores())
    given = parser.parse_args()
    logging.disable(logging.INFO)
    config = settings(given.preset)
    watch = Watch()
    where, parts = estimate(config, given.threads)
    others = watch.others()
    total = sum(parts.values())
    table = pd.DataFrame(
        {"part": name, "time": duration(seconds), "share": f"{seconds / total:.0%}"} for name, seconds in parts.items()
    )
    print(f"\nThe preset '{config['preset']}' on {where}, judging by a few measured steps:\n")
    print(table.to_markdown(index=False))
    print(f"\ntogether {duration(total)}")
    if others > OTHERS_LIMIT:
        print(f"others used {others:.0%} of the processors meanwhile: on an idle machine it will take less")


if __name__ == "__main__":
    with told(), until_read():
        main()
