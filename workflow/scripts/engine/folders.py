"""Whether a run can write its results where they must go."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

ENDINGS = {".csv", ".html", ".json", ".log", ".npz", ".pdf", ".png", ".safetensors", ".tsv"}
"""Of results that are files, and never folders."""


def refusal(of_run: Path, arguments: Iterable[str] = ()) -> str:
    """One sentence if a run whose results go to the folder `of_run` cannot make them there, or is asked in the
    `arguments` of its command for a file of another run; else empty.
    """
    results, inside = of_run.parent, [of_run / "logs", of_run / "benchmarks"]
    for folder in [results.parent / "resources", results, of_run, *inside]:
        if os.path.lexists(folder) and not folder.is_dir():
            what = "a link to a folder that is not there" if folder.is_symlink() else "a file"
            return f"{folder} is {what}, where what is made must go: make it a folder, or remove it"
    for folder, names, files in os.walk(of_run):
        if wrong := [name for name in names if Path(name).suffix in ENDINGS]:
            return f"{folder}/{wrong[0]} is a folder, where a file must be: remove it"
        for place in (Path(folder, name) for name in files):
            if place.is_symlink() and not place.exists():
                return f"{place} is a link to a file that is not there: remove it"
    for file in arguments:
        is_result = re.match(r"results/[\w-]+/", file) and not file.endswith((".yaml", ".yml"))
        if is_result and of_run not in Path(file).parents:
            return (
                f"{file} is asked for, but by these settings, with their preset: {of_run.name}, the results go to "
                f"{of_run}: give the settings of the other run, or ask for a file of this one"
            )
    nearest = next(folder for folder in [of_run, results, results.parent] if folder.is_dir())
    for folder in [nearest, *inside]:
        if folder.is_dir() and not os.access(folder, os.W_OK):
            return f"the folder {folder.resolve()} cannot be written to: make it writable, or work in a copy elsewhere"
    return ""
