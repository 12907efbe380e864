"""Snakemake's lock on its folder, which it leaves behind where it is killed or the power fails."""

import platform
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from engine.errors import UserError
from engine.files import read_json, sha256, write_json

DAMAGED = (OSError, ValueError, KeyError, TypeError, RecursionError, UserError)
"""What a note that is damaged may raise."""
PLANNING = 3600.0
"""Seconds within which a run that was started has its lock, or none."""


def note_start(folder: Path, all_jobs_here: bool = True) -> None:
    """Write into `folder`, Snakemake's own, that this process runs there from now on, in a file of its own, beside
    those of others that may run still, as with other results; and whether all its jobs end with it: those that it sends
    elsewhere do not. What earlier runs wrote is removed once they are over.
    """
    notes, locked = folder / "started", bool(_locks(folder))
    for note in notes.glob("*.json"):
        with suppress(OSError):
            done = not locked and time.time() - note.stat().st_mtime > PLANNING
            with suppress(*DAMAGED):
                start = read_json(note)
                done = _is_over(start) or (done and not _runs(start))
            if done:
                note.unlink()
    notes.mkdir(parents=True, exist_ok=True)
    this = _this()
    write_json(notes / f"{sha256(repr(this).encode())[:16]}.json", this | {"all_jobs_here": all_jobs_here})


def remove_stale(folder: Path) -> bool:
    """Remove the lock that runs left in `folder`, if all of them are certainly over: they were noted by `note_start` on
    this machine and ran all their jobs here, they are gone, and so are their jobs. Whether there was such a lock.
    """
    locks = _locks(folder)
    try:
        starts = list(_starts(folder))
        if not (locks and starts and all(map(_is_over, starts))) or _at_work(folder):
            return False
    except DAMAGED:
        return False
    for lock in locks:
        lock.unlink(missing_ok=True)
    return True


def _locks(folder: Path) -> list[Path]:
    return list((folder / "locks").glob("*.lock"))


def _starts(folder: Path) -> Iterator[dict[str, Any]]:
    """What `note_start` wrote."""
    return map(read_json, (folder / "started").glob("*.json"))


def _this() -> dict[str, Any]:
    """This process, among all on machines that may share a folder: machine, its start, container, number, own start.
    What a system does not tell is empty.
    """
    process = psutil.Process()
    return {
        "host": f"{platform.node()} {_text('/etc/machine-id')}",
        "boot": _text("/proc/sys/kernel/random/boot_id"),
        "processes": _text("/proc/self/ns/pid"),
        "pid": process.pid,
        "created": _created(process),
    }


def _text(place: str) -> str:
    """What a file says, or where a link leads; empty if it is not there, or may not be read."""
    file = Path(place)
    try:
        return str(file.readlink()) if file.is_symlink() else file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _created(process: psutil.Process) -> float:
    """When a process started: on Linux in seconds after the machine did, which a clock that is set does not change."""
    return round(process.create_time() - (psutil.boot_time() if psutil.LINUX else 0), 2)


def _is_over(start: dict[str, Any]) -> bool:
    """Whether a run is certainly over: of this machine, with all its jobs here, and gone, or from before the machine
    was started anew. What runs in another container is not seen.
    """
    this = _this()
    if not start["all_jobs_here"] or start["host"] != this["host"]:
        return False
    return start["boot"] != this["boot"] or (start["processes"] == this["processes"] and not _runs(start))


def _runs(start: dict[str, Any]) -> bool:
    """Whether a run of this machine goes on, and no other process has its number by now."""
    this = _this()
    if any(start[name] != this[name] for name in ("host", "boot", "processes")):
        return False
    try:
        return abs(_created(psutil.Process(int(start["pid"]))) - float(start["created"])) < 1
    except psutil.Error:
        return False


def _at_work(folder: Path) -> bool:
    """Whether a job runs that Snakemake started in the folder above: its script lies in `folder`."""
    scripts = str((folder / "scripts").absolute())
    for process in psutil.process_iter(["cmdline"]):
        if any(argument.startswith(scripts) for argument in process.info["cmdline"] or ()):
            return True
    return False
