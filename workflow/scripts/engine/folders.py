"""Whether a run can write its results where they must go."""

import os
from collections.abc import Iterable
from pathlib import Path


def unusable(of_run: Path, results: Iterable[str]) -> str:
    """One sentence if a run whose results go to the folder `of_run` cannot make them there, since something else is in
    the place of a folder, or of one of the files `results`; else empty.
    """
    folders = [of_run.parent.parent / "resources", of_run.parent, of_run, of_run / "logs", of_run / "benchmarks"]
    for folder in folders:
        if os.path.lexists(folder) and not folder.is_dir():
            what = "a link to a folder that is not there" if folder.is_symlink() else "a file"
            return f"{folder} is {what}, where what is made must go: make it a folder, or remove it"
    for file in map(Path, results):
        if file.is_dir():
            return f"{file} is a folder, where a file must be: move it away"
        if file.is_symlink() and not file.exists():
            return f"{file} is a link to a file that is not there: bring that back, or remove the link"
    return ""


def of_another_run(of_run: Path, targets: Iterable[str]) -> str:
    """One sentence if a target is a result of another run than that whose results go to `of_run`; else empty."""
    for target in targets:
        match Path(os.path.relpath(target)).parts:
            case ("results", name, _, *_) if name != of_run.name:
                return (
                    f"{target} is asked for, but by these settings, with their preset: {of_run.name}, the results go "
                    f"to {of_run}: give the settings of the other run, or ask for a file of this one"
                )
    return ""


def unwritable(of_run: Path, results: Iterable[str]) -> str:
    """One sentence if nothing can be written to the folder `of_run`, or where it must be made, or to a folder of the
    `results` in it; else empty.
    """
    nearest = next(folder for folder in (of_run, *of_run.parents) if folder.is_dir())
    for folder in dict.fromkeys([nearest, *(Path(file).parent for file in results if of_run in Path(file).parents)]):
        if folder.is_dir() and not os.access(folder, os.W_OK):
            return f"the folder {folder.resolve()} cannot be written to: make it writable, or work in a copy elsewhere"
    return ""
