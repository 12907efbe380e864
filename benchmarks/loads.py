"""How much of its idle speed a job keeps beside other programs: 0, 1, 2 and 4 busy processes, started here.

.venv/bin/python -m benchmarks.loads

Training and sampling run at the demo's settings, for a few seconds each, in turns over the variants below. PyTorch lets
all threads share every operation, at whose end they wait for each other: by spinning or, if OMP_WAIT_POLICY says so,
asleep. Ours gives each thread a part of the images. The variable is read when PyTorch is loaded, so each measurement
has a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd

from benchmarks import ROOT
from benchmarks.measuring import answer_of, machine, report, whole
from engine.environment import cores
from engine.printing import told, until_read

VARIANTS = {
    "shared operations, spinning": {"OMP_WAIT_POLICY": "ACTIVE", "SHARED": "1"},
    "shared operations, asleep": {"OMP_WAIT_POLICY": "PASSIVE", "SHARED": "1"},
    "a part for each thread: ours": {},
    "one thread": {"THREADS": "1"},
}
MEASURE = """
import json, os, sys
import torch
from benchmarks.ours import Ours
from benchmarks.settings import settings
demo, threads, shared = settings("demo"), int(os.environ["THREADS"]), "SHARED" in os.environ
ours = Ours("cpu", demo["compute"]["precision"], 1 if shared else threads, demo["ddpm"]["channels"],
            demo["data"]["image_size"])
if shared:
    torch.set_num_threads(threads)
seconds, rates = float(sys.argv[1]), {}
for what, batch, measure in (("training", demo["ddpm"]["batch_size"], ours.train),
                             ("sampling", demo["execution"]["batch_size"], ours.sample)):
    rate = measure(batch, 2)
    rates[what] = measure(batch, max(2, int(seconds * rate / batch)))
print(json.dumps(rates))
"""


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Processes beside this one that compute all the time."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def rates(variant: str, threads: int, seconds: float) -> dict[str, float]:
    """Images a second in training and image-steps a second in sampling, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    environment |= {"THREADS": str(threads)} | VARIANTS[variant]
    command = [sys.executable, "-c", MEASURE, str(seconds)]
    return json.loads(answer_of(command, cwd=ROOT, env=environment).splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=whole(1, 1000), default=3)
    parser.add_argument("--seconds", type=whole(1, 3600), default=4, help="of each measurement")
    parser.add_argument(
        "--loads", type=whole(0, 1000), nargs="+", default=[0, 1, 2, 4], help="busy processes beside it"
    )
    parser.add_argument("--threads", type=whole(1, 1024), default=cores())
    given = parser.parse_args()

    measured = []
    for load in given.loads:
        for _ in range(given.rounds):
            for variant in VARIANTS:
                with busy(load):
                    found = rates(variant, given.threads, given.seconds)
                measured += [{"load": load, "variant": variant, "work": work, "rate": r} for work, r in found.items()]
        print(f"{load} beside: done", flush=True)
    medians = pd.DataFrame(measured).pivot_table(
        index=["work", "variant"], columns="load", values="rate", aggfunc="median", sort=False
    )
    shares = medians.div(medians[given.loads[0]], axis="index")
    table = pd.DataFrame(
        {
            f"{load} beside": [f"{r:.0f} ({s:.0%})" for r, s in zip(medians[load], shares[load], strict=True)]
            for load in given.loads
        },
        index=medians.index,
    ).reset_index()
    report(
        "loads",
        f"Medians of {given.rounds} rounds with {given.threads} threads: images/s in training, image-steps/s in "
        f"sampling, and the share of the same variant's speed with {given.loads[0]} beside.",
        table,
        {"machine": machine(["torch"]), "measured": measured},
    )


if __name__ == "__main__":
    with told(), until_read():
        main()
