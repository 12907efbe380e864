"""What every script does around its work: a log, and one clear sentence for an error that the user can correct."""

import csv
import json
import logging
import math
import os
import re
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

from engine import causes, disk, stale
from engine.errors import UserError
from engine.files import sha256
from engine.interrupts import stop_once
from engine.privacy import Private

OUT_OF_MEMORY = (
    r"OutOfMemoryError|out of memory|can't allocate memory|cannot allocate memory|not enough memory|bad_alloc"
)
"""In an error's name or words: PyTorch's errors have no class of their own on a CPU."""
LARGE = "execution.batch_size, ddpm.batch_size, ddpm.T, data.image_size, samples.count, pde.cells or pde.refinement"
"""The settings that decide how much memory a job takes."""
MAY_BE_INFINITE = {"naive", "cascade_quiet_time", "seconds"}
"""Arrays whose numbers may be missing or beyond all bounds: an error of a run backwards, the time of what never
happens, a time that was not taken.
"""
DATA = {".csv", ".json", ".npz", ".safetensors"}
"""The endings of what rules read; figures, tables of times and documents are for readers."""
NUMBER = re.compile(r"[+-]?(nan|inf(inity)?|[0-9.]+e[+-]?[0-9]+)", re.I)
"""How a number is written that may not be finite."""


@contextmanager
def job(snakemake) -> Iterator[None]:
    """Log to the rule's log file, and warnings to the terminal. An error that the user can correct, a lack of memory,
    Ctrl-C and an input that was damaged after a rule wrote it end the script with one sentence and an exit code that is
    not 0; anything else is a bug, and keeps its traceback. At the end the log lists the outputs with their SHA-256; by
    these the next rule warns of an input that was altered since, as a table that was cut at the end of a line.
    """
    sums: dict[str, set[str]] = {}
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.WARNING if sys.stderr and sys.stderr.isatty() else logging.INFO)  # it may be closed
    # Of several processes that share a job, only the first one starts a new log and reports progress.
    first = os.environ.get("RANK", "0") == "0"
    terminal.setFormatter(Private("%(asctime)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.INFO if first else logging.WARNING, handlers=[terminal], force=True)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # on a full disk the log fails too, and the terminal still has the sentence
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it reports every table of every font
    try:
        log = logging.FileHandler(snakemake.log[0], mode="w" if first else "a", encoding="utf-8")
        log.setFormatter(terminal.formatter)
        logging.getLogger().addHandler(log)
        # Snakemake's jobs start with Ctrl-C held back (see settings.smk): it is answered from here on.
        stop_once()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        inputs = list(map(str, snakemake.input)) if first else []
        sums = written(Path(snakemake.log[0]).parent)
        changed = altered(inputs, sums)
        for file in changed:
            logging.warning(
                "%s is not what an earlier rule wrote there, and is used as it is: delete it and run again if that is "
                "not on purpose",
                file,
            )
        for file in inputs:
            as_written = file in sums and file not in changed
            if what := not_finite(Path(file)) or (not as_written and emptiness(Path(file))):
                raise UserError(
                    f"{file} holds {what}, by which nothing may be drawn or judged: delete it, and run again to make "
                    "it anew"
                )
        yield
        if first:
            if params := getattr(snakemake, "params", None):
                log.handle(logging.makeLogRecord({"levelno": logging.INFO, "msg": stale.said(params.items())}))
            for file in map(str, snakemake.output):
                if Path(file).is_file():
                    words = f"wrote {file}, SHA-256 {sha256(file)}"
                    log.handle(logging.makeLogRecord({"levelno": logging.INFO, "msg": words}))
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done
    except UserError as error:
        logging.error("error: %s", error)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        logging.error(
            "rule %s was stopped by Ctrl-C: run again to go on; finished files and saved states are kept",
            snakemake.rule,
        )
        raise SystemExit(130) from None
    except Exception as error:
        if sentence := explain(error, snakemake, sums):
            logging.error("error: %s", sentence)
        else:
            logging.exception("unexpected error")
        raise SystemExit(1) from None


def explain(error: Exception, snakemake, sums: Mapping[str, set[str]]) -> str | None:
    """One sentence on an error that is none of the program's own; None if it may be. What earlier rules wrote has one
    of `sums`.
    """
    inputs = list(map(str, snakemake.input))
    for cause in causes.of_error(error):
        if not isinstance(cause, OSError) or (cause is not error and cause.errno not in disk.FULL):
            continue
        if trouble := disk.trouble(cause, snakemake.output):
            return f"rule {snakemake.rule} stopped {trouble}"
    if "can't start new thread" in str(error):
        return (
            f"rule {snakemake.rule} cannot start a thread: raise the limit of processes (ulimit -u), or run fewer jobs "
            "at once (--cores 1)"
        )
    if isinstance(error, MemoryError) or re.search(OUT_OF_MEMORY, f"{type(error).__name__}: {error}", re.I):
        return (
            f"rule {snakemake.rule} ran out of memory ({' '.join(str(error).split())[:200]}): free some, run fewer "
            f"jobs at once (--cores 1), or lower {LARGE}"
        )
    if missing := [file for file in inputs if not Path(file).exists()]:
        return (
            f"rule {snakemake.rule} cannot find {', '.join(missing)} any more ({type(error).__name__}: {error}): run "
            "again to make it anew"
        )
    if changed := altered(inputs, sums) or [file for file in altered(sums, sums) if is_behind(file, inputs)]:
        return (
            f"rule {snakemake.rule} cannot use {', '.join(changed)} ({type(error).__name__}: {error}), which is not "
            "what an earlier rule wrote there: delete it, and run again to make it anew"
        )
    for file in inputs:
        if reason := unreadable(Path(file)):
            return f"rule {snakemake.rule} cannot use {file} ({reason}): delete it, and run again to make it anew"
    if unknown := [file for file in inputs if file.startswith("results/") and file not in sums]:
        return (
            f"rule {snakemake.rule} failed ({type(error).__name__}: {error}), and no log says that these are as a rule "
            f"wrote them: {', '.join(unknown)}. Move them elsewhere, and run again to make them anew"
        )
    if type(error).__name__ == "TypstError":
        return f"rule {snakemake.rule} cannot typeset its text: {error}"  # which names the file
    return None


def emptiness(file: Path) -> str | None:
    """How a result is empty, a table (.csv) without rows or a record (.json) without entries; None if it is not, or
    cannot be read, which its reader will tell. A rule may write such a table, as the history of a training of
    which none is known; by one that nothing vouches for nothing may be judged.
    """
    try:
        if file.suffix == ".csv":
            with file.open(encoding="utf-8", newline="") as content:
                table = csv.reader(content)
                return "no row" if next(table, None) and not next(table, None) else None
        if file.suffix == ".json":
            return "nothing" if file.read_bytes().strip() in (b"{}", b"[]", b"null") else None
    except (OSError, ValueError, csv.Error):
        return None
    return None


def not_finite(file: Path) -> str | None:
    """The first number of a table (.csv) or of arrays (.npz) that is NaN or infinite, with its place; None if there is
    none, or the file cannot be read, which its reader will tell. A cell may be empty. Of arrays those in
    MAY_BE_INFINITE are left out; and all, for a script that has not loaded numpy, and so reads none.
    """
    numpy = sys.modules.get("numpy")
    try:
        if file.suffix == ".csv":
            with file.open(encoding="utf-8", newline="") as content:
                for row in csv.DictReader(content):
                    for column, cell in row.items():
                        if NUMBER.fullmatch(str(cell)) and not math.isfinite(float(cell)):
                            return f"{cell} in column {column}"
        elif file.suffix == ".npz" and numpy:
            with numpy.load(file) as arrays:
                for name in set(arrays.files) - MAY_BE_INFINITE:
                    if (values := arrays[name]).dtype.kind == "f" and not numpy.isfinite(values).all():
                        return f"{values[~numpy.isfinite(values)].flat[0]} in its array {name}"
    except Exception:
        return None
    return None


def unreadable(file: Path) -> str | None:
    """Why a file is not what its name's ending says; None if it is, or the ending says nothing of it. Only Python's own
    library is used, since not every environment has those that the files are of.
    """
    try:
        match file.suffix:
            case ".json":
                json.loads(file.read_text(encoding="utf-8"))
            case ".csv" | ".tsv":
                if not file.read_text(encoding="utf-8").strip():
                    return "it is empty"
            case ".npz":
                with ZipFile(file) as archive:
                    return f"its part {damaged} is damaged" if (damaged := archive.testzip()) else None
            case ".safetensors":
                content = file.read_bytes()
                header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
                ends = [value["data_offsets"][1] for name, value in header.items() if name != "__metadata__"]
                if len(content) != 8 + int.from_bytes(content[:8], "little") + max(ends, default=0):
                    return "it is cut short"
    except Exception as reason:
        return f"{type(reason).__name__}: {reason}"
    return None


def is_behind(file: str, inputs: Iterable[str]) -> bool:
    """Whether inputs may have been made from a file: it holds data, and is older than one of them. What was made from a
    damaged file is damaged too.
    """
    made = max((Path(input).stat().st_mtime for input in inputs if input.startswith("results/")), default=0)
    return Path(file).suffix in DATA and file.startswith("results/") and Path(file).stat().st_mtime < made


def written(logs: Path) -> dict[str, set[str]]:
    """The files that the `logs` of a run say were written, each with its SHA-256: several, where a log has a copy of
    its earlier self beside it.
    """
    wrote = re.compile(r"wrote (.+), SHA-256 ([0-9a-f]{64})$", re.M)
    sums: dict[str, set[str]] = {}
    for log in filter(Path.is_file, logs.glob("*.log")):
        for file, found in wrote.findall(log.read_text("utf-8", errors="replace")):
            sums.setdefault(file, set()).add(found)
    return sums


def altered(files: Iterable[str], sums: Mapping[str, set[str]]) -> list[str]:
    """Those of the files that are there, but with none of the SHA-256 that `sums` has for them."""
    return [file for file in files if file in sums and Path(file).is_file() and sha256(file) not in sums[file]]
