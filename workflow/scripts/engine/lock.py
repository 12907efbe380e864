"""Snakemake's lock on its folder, which it leaves behind where it is killed or the power fails."""

import json
import platform
from collections.abc import Sequence
from pathlib import Path

import psutil

ELSEWHERE = ("--profile", "--workflow-profile", "--executor", "-e")
"""Options by which jobs may run on other machines, and outlive the run that started them."""


def note_start(folder: Path, arguments: Sequence[str]) -> None:
    """Write into `folder`, Snakemake's own, who runs there from now on: this process, with these arguments."""
    process = psutil.Process()
    here = not any(argument.split("=")[0] in ELSEWHERE for argument in arguments)
    started = {"host": platform.node(), "pid": process.pid, "created": process.create_time(), "all_jobs_here": here}
    folder.mkdir(exist_ok=True)
    (folder / "started.json").write_text(json.dumps(started), encoding="utf-8")


def remove_stale(folder: Path) -> bool:
    """Remove the lock that a run left in `folder`, if that run is certainly over: it was started by `note_start` on
    this machine and ran all its jobs here, it is gone, and so are its jobs. Whether there was such a lock.
    """
    locks = list((folder / "locks").glob("*.lock"))
    try:
        started = json.loads((folder / "started.json").read_text(encoding="utf-8"))
        here = started["all_jobs_here"] and started["host"] == platform.node()
        if not (locks and here) or _runs(int(started["pid"]), float(started["created"])) or _at_work(folder):
            return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    for lock in locks:
        lock.unlink(missing_ok=True)
    return True


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
