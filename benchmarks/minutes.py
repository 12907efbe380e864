"""Where the minutes of a run went, by Snakemake's own benchmark files, and what each script takes to start.

.venv/bin/python -m benchmarks.minutes laptop
.venv/bin/python -m benchmarks.minutes --imports
"""

import argparse
import ast
import sys
import time
from pathlib import Path
from statistics import median

import pandas as pd

from benchmarks import ROOT
from benchmarks.measuring import answer_of
from benchmarks.settings import settings
from engine.files import reading
from engine.printing import told, until_read

SCRIPTS = ROOT / "workflow" / "scripts"
HEAVY = {"torch", "torchvision", "sklearn", "scipy", "pandas", "matplotlib"}
"""Packages that take long to import."""


def rules(benchmarks: Path) -> pd.DataFrame:
    """A row a job that ran: seconds, its share of all jobs', and how many cores it kept busy; longest first."""
    files = sorted(benchmarks.rglob("[!.]*.tsv"))
    if not files:
        raise SystemExit(f"{benchmarks} holds no benchmark files: run the preset first")
    rows = []
    for file in files:
        job = file.relative_to(benchmarks).with_suffix("").as_posix()
        with reading(file, "a benchmark file of Snakemake's"):
            one = pd.read_csv(file, sep="\t").iloc[0][["s", "cpu_time", "max_rss"]].astype(float)
        rows.append({"job": job, "seconds": one["s"], "cores busy": one["cpu_time"] / one["s"], "MB": one["max_rss"]})
    table = pd.DataFrame(rows).sort_values("seconds", ascending=False)
    table.insert(2, "share", (table["seconds"] / table["seconds"].sum()).map("{:.1%}".format))
    return table


def imports(script: Path) -> str:
    """The import statements at the top of a script, as a program."""
    body = ast.parse(script.read_text(encoding="utf-8")).body
    return "\n".join(ast.unparse(node) for node in body if isinstance(node, ast.Import | ast.ImportFrom))


def start_seconds(script: Path, repeats: int = 3) -> float:
    """From the start of an interpreter to the end of what a script imports: median."""
    times = []
    for _ in range(repeats):
        started = time.monotonic()
        answer_of([sys.executable, "-c", imports(script)], cwd=SCRIPTS)
        times.append(time.monotonic() - started)
    return median(times)


def starts() -> pd.DataFrame:
    """A row a script of the rules: seconds to start, and whether it loads PyTorch; longest first."""
    rows = []
    for script in sorted(SCRIPTS.glob("[!.]*.py")):
        if "snakemake." not in script.read_text(encoding="utf-8"):
            continue
        loaded = f"{imports(script)}\nimport sys\nprint(*sys.modules)"
        heavy = HEAVY & set(answer_of([sys.executable, "-c", loaded], cwd=SCRIPTS).split())
        rows.append({"script": script.name, "seconds": start_seconds(script), "loads": ", ".join(sorted(heavy))})
    return pd.DataFrame(rows).sort_values("seconds", ascending=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("preset", nargs="?", default="laptop", help="demo, laptop, paper, or a file of settings")
    parser.add_argument("--results", type=Path, help="the run's folder; results/<preset> by default")
    parser.add_argument("--imports", action="store_true", help="measure instead what each script takes to start")
    given = parser.parse_args()
    if given.imports:
        table = starts()
    else:
        table = rules((given.results or ROOT / "results" / settings(given.preset)["preset"]) / "benchmarks")
    print(table.to_markdown(index=False, floatfmt=".1f"))
    print(f"\ntogether {table['seconds'].sum() / 60:.1f} min")


if __name__ == "__main__":
    with told(), until_read():
        main()
