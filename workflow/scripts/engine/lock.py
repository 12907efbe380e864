"""Snakemake's lock on its folder, which it leaves behind where it is killed or the power fails."""

import platform
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from engine.errors import UserError
from engine.files import read_json, write_json

DAMAGED = (OSError, ValueError, KeyError, TypeError, RecursionError, UserError)
"""What a note that is damaged may raise."""


def note_start(folder: Path, arguments: Sequence[str]) -> None:
    """Write into `folder`, Snakemake's own, who runs there from now on: this process, with these arguments, beside
    those that may run still, as with other results. Before it sends jobs elsewhere, it must `note_elsewhere`.
    """
    process = psutil.Process()
    here = not any(argument.startswith("--no-h") for argument in arguments)  # no hooks, of which one notes it
    started = {"host": platform.node(), "pid": process.pid, "created": process.create_time(), "all_jobs_here": here}
    before = []
    if _locks(folder):
        with suppress(*DAMAGED):
            before = [start for start in _starts(folder) if not _is_over(start)]
    folder.mkdir(exist_ok=True)
    write_json(folder / "started.json", [*before, started])


def is_noted(folder: Path) -> bool:
    """Whether this process has written that it runs in `folder`."""
    with suppress(*DAMAGED):
        return any(map(_is_this, _starts(folder)))
    return False


def note_elsewhere(folder: Path) -> None:
    """Note that jobs of this process, which is noted, may run on other machines, and outlive it."""
    starts = _starts(folder)
    for start in filter(_is_this, starts):
        start["all_jobs_here"] = False
    write_json(folder / "started.json", starts)


def remove_stale(folder: Path) -> bool:
    """Remove the lock that runs left in `folder`, if all of them are certainly over: they were noted by `note_start` on
    this machine and ran all their jobs here, they are gone, and so are their jobs. Whether there was such a lock.
    """
    locks = _locks(folder)
    try:
        starts = _starts(folder)
        if not (locks and starts and all(map(_is_over, starts))) or _at_work(folder):
            return False
    except DAMAGED:
        return False
    for lock in locks:
        lock.unlink(missing_ok=True)
    return True


def _locks(folder: Path) -> list[Path]:
    return list((folder / "locks").glob("*.lock"))


def _starts(folder: Path) -> list[dict]:
    """What `note_start` wrote."""
    starts = read_json(folder / "started.json")
    return starts if isinstance(starts, list) else [starts]  # earlier versions noted one


def _is_over(start: dict) -> bool:
    """Whether a run is certainly over: here, with all its jobs here, and gone."""
    here = start["all_jobs_here"] and start["host"] == platform.node()
    return here and not _runs(int(start["pid"]), float(start["created"]))


def _is_this(start: dict) -> bool:
    """Whether a run is this process."""
    return start["pid"] == psutil.Process().pid and _runs(int(start["pid"]), float(start["created"]))


def _runs(pid: int, created: float) -> bool:
    """Whether a process runs still, and not another that has its number by now."""
    try:
        return abs(psutil.Process(pid).create_time() - created) < 1
    except psutil.Error:
        return False


def _at_work(folder: Path) -> bool:
    """Whether a job runs that Snakemake started in the folder above: its script lies in `folder`."""
    scripts = str((folder / "scripts").absolute())
    for process in psutil.process_iter(["cmdline"]):
        if any(argument.startswith(scripts) for argument in process.info["cmdline"] or ()):
            return True
    return False
