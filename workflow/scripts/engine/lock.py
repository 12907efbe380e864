"""Snakemake's lock on its folder, which it leaves behind where it is killed or the power fails."""

import json
import platform
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from engine.files import write_json

ELSEWHERE = re.compile("-e.*|--ex.*|--prof.*|--workflow-p.*")
"""Options by which jobs may run on other machines, and outlive the run that started them; and their shorter forms."""
DAMAGED = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError)
"""What a note that is damaged may raise."""


def note_start(folder: Path, arguments: Sequence[str]) -> None:
    """Write into `folder`, Snakemake's own, who runs there from now on: this process, with these arguments, beside
    those that may run still, as with other results.
    """
    process = psutil.Process()
    profile = folder.parent / "profiles" / "default" / "config.yaml"  # which Snakemake reads unasked
    here = not any(map(ELSEWHERE.fullmatch, arguments)) and not (
        profile.is_file() and re.search("^executor", profile.read_text("utf-8", errors="replace"), re.M)
    )
    started = {"host": platform.node(), "pid": process.pid, "created": process.create_time(), "all_jobs_here": here}
    before = []
    if _locks(folder):
        with suppress(*DAMAGED):
            before = [start for start in _starts(folder) if not _is_over(start)]
    folder.mkdir(exist_ok=True)
    write_json(folder / "started.json", [*before, started])


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
    starts = json.loads((folder / "started.json").read_text(encoding="utf-8"))
    return starts if isinstance(starts, list) else [starts]  # earlier versions noted one


def _is_over(start: dict) -> bool:
    """Whether a run is certainly over: here, with all its jobs here, and gone."""
    here = start["all_jobs_here"] and start["host"] == platform.node()
    return here and not _runs(int(start["pid"]), float(start["created"]))


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
