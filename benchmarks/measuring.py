"""What every benchmark needs: contestants apart from each other, a watch on the machine, and one form of report."""

import argparse
import io
import multiprocessing
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pandas as pd
import psutil

from benchmarks import RESULTS
from engine.environment import cores
from engine.files import write_atomically, write_json
from publishing.origin import processor

OTHERS_LIMIT = 0.05
"""Largest share of the machine's processor time that others may use during the rounds."""
SPREAD_LIMIT = 0.15
"""Largest (max - min) / median over the rounds of a yardstick: in which our code has no part."""


class Apart:
    """An object that lives in a process of its own, so that no contestant's settings of PyTorch, of its threads or of
    the allocator reach another. `apart(method, *arguments)` calls a method of it and waits for the answer.
    """

    def __init__(self, make: Callable, *arguments) -> None:
        context = multiprocessing.get_context("spawn")
        self.process = ProcessPoolExecutor(1, context, _enter, (make, arguments))

    def __call__(self, method: str, *arguments):
        return self.process.submit(_call, method, arguments).result()


_contestant = None


def _enter(make: Callable, arguments: tuple) -> None:
    global _contestant
    sys.stderr = io.StringIO()  # a contestant's progress bars and warnings are not for the report
    _contestant = make(*arguments)


def _call(method: str, arguments: tuple):
    return getattr(_contestant, method)(*arguments)


class Watch:
    """Sees what else the machine does, from now on until asked."""

    def __init__(self) -> None:
        self.started, self.busy, self.ours = time.monotonic(), _busy_seconds(), _our_seconds()

    def others(self) -> float:
        """The share of the machine's processor time that went to other programs, or to other guests of its host."""
        used = _busy_seconds() - self.busy - (_our_seconds() - self.ours)
        return max(0.0, used / ((time.monotonic() - self.started) * (psutil.cpu_count() or 1)))


def _busy_seconds() -> float:
    times = psutil.cpu_times()._asdict()
    idle = ("idle", "iowait", "guest", "guest_nice")  # a guest's seconds are counted among the user's
    return sum(seconds for name, seconds in times.items() if name not in idle)


def _our_seconds() -> float:
    """Of this process and its children, those that have ended too."""
    this = psutil.Process()
    times = [process.cpu_times() for process in (this, *this.children(recursive=True))]
    ended = [getattr(times[0], name, 0.0) for name in ("children_user", "children_system")]
    return sum(one.user + one.system for one in times) + sum(ended)


def spread(values: Sequence[float]) -> float:
    """(max - min) / median."""
    return (max(values) - min(values)) / statistics.median(values)


def doubts(others: float, yardsticks: Mapping[str, Sequence[float]]) -> list[str]:
    """Why the rounds cannot be trusted, a sentence each; empty where the machine was quiet.

    `others` is the share of the processors that others used, `yardsticks` the same measurement in every round.
    """
    sentences = []
    if others > OTHERS_LIMIT:
        sentences.append(f"others used {others:.0%} of the processors during the rounds (limit {OTHERS_LIMIT:.0%})")
    for name, values in yardsticks.items():
        if spread(values) > SPREAD_LIMIT:
            low, high = min(values), max(values)
            sentences.append(
                f"{name} moved between {low:.4g} and {high:.4g} over the rounds (limit {SPREAD_LIMIT:.0%})"
            )
    return sentences


def refuse_if_busy(others: float, yardsticks: Mapping[str, Sequence[float]]) -> None:
    """End the program with a sentence and exit code 1 if the machine was too busy to trust what was measured."""
    if sentences := doubts(others, yardsticks):
        raise SystemExit("no report, the machine was too busy: " + "; ".join(sentences) + ". Run it again when idle.")


def machine(packages: Iterable[str]) -> dict:
    """What a reader needs to know of where and with what it was measured."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "cores": cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in packages},
    }


def answer_of(command: list[str], **options: Any) -> str:
    """What another program prints. If it fails, the last line of its errors ends this one."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        raise SystemExit((done.stderr.strip().splitlines() or [f"{command[0]} failed: {done.returncode}"])[-1])
    return done.stdout


def whole(least: int, most: int) -> Callable[[str], int]:
    """A type of argparse's: whole numbers from `least` to `most`."""

    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most:,}")
        return int(text)

    return number


def report(name: str, title: str, table: pd.DataFrame, record: dict | list) -> None:
    """Print the table, and write it and the whole record to results/benchmarks/<name>.md, .csv and .json."""
    markdown = table.map(_shown).to_markdown(index=False, disable_numparse=True)
    print(f"\n{title}\n\n{markdown}\n")
    write_atomically(RESULTS / f"{name}.md", f"{title}\n\n{markdown}\n".encode())
    write_atomically(RESULTS / f"{name}.csv", table.to_csv(index=False).encode())
    write_json(RESULTS / f"{name}.json", record)
    print(f"written to results/benchmarks/{name}.json, .csv and .md")


def _shown(value) -> str:
    """Three digits of a number, all of a large one."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
