"""Why a program or a job ended before it could say so itself: a package that cannot be loaded, a signal from outside.

Nothing but Python's own library is behind this module, since what is told is that other packages cannot be loaded.
"""

import os
import re
import resource
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from engine.environment import shield

ROOT = Path(__file__).resolve().parents[3]
GIGABYTE = 1024**3
FILES = 64
"""How many open files Snakemake must be allowed: a small run on two cores stopped with 20, and went through with 24."""
PACKAGES = "import numpy, scipy, pandas, matplotlib.pyplot, torch"
"""What the jobs load; `python -c` of it shows whether they can be."""
SIGNALS = {
    "SIGKILL": "was killed: the system does that where memory is short, and a scheduler, or this shell (ulimit -t), "
    "where a limit is reached. Free some memory, run fewer jobs at once (--cores 1), or ask for more",
    "SIGXCPU": "used up the time that this shell allows (ulimit -t): raise it",
    "SIGTERM": "was asked to stop by another program",
    "SIGILL": "needs an instruction that this processor lacks: its packages were made for another machine. Make the "
    "environment anew on this one (with `make`: remove .venv)",
    "SIGBUS": "could not reach its memory or a file: a full or lost disk can be the cause",
}
"""What a job died of, as Snakemake names it, in words."""


@contextmanager
def loading() -> Iterator[None]:
    """Imports, which find nothing of the user's settings for other programs: what cannot be loaded ends the program
    with one sentence and the exit code 1, and Ctrl-C ends it.
    """
    shield(os.environ)
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        *_, first = of_error(error)
        if not isinstance(error, ImportError | MemoryError | OSError) and _is_ours(error):
            raise
        remedies = [] if isinstance(first, ModuleNotFoundError) else hindrances()
        remedies = remedies or ["install what is missing (with `make`: remove .venv, and run again)"]
        reason = (str(first).strip().splitlines() or [type(first).__name__])[-1]
        sys.exit(f"error: a package cannot be loaded ({reason}): {'; '.join(remedies)}")


def hindrances(environment: Mapping[str, str] = os.environ) -> list[str]:
    """What of this shell can keep packages from being loaded, each with its remedy."""
    found = [
        f"{name} is set ({value}), whose libraries take the place of the packages' own: start again with "
        f"`env -u {name}`"
        for name in ("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES")
        if (value := environment.get(name))
    ]
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        found.append(
            f"this shell allows a program {limit / GIGABYTE:.1f} GB of memory (ulimit -v), of which PyTorch takes 4 "
            "before it begins: raise it"
        )
    return found


def too_few_files() -> str:
    """One sentence if this shell allows a program fewer than FILES open files; else empty."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if not 0 <= allowed < FILES:  # below 0 there is no limit
        return ""
    return f"this shell allows a program {allowed} open files (ulimit -n), too few for Snakemake: allow {FILES} or more"


def of_silence(log: str) -> list[str]:
    """Sentences on jobs that may have ended without a word, from Snakemake's `log` and this shell's limits."""
    found = [
        f"A job {SIGNALS[name]}."
        for name in dict.fromkeys(re.findall(r"died with <Signals\.(\w+)", log))
        if name in SIGNALS
    ]
    if remedies := hindrances():
        trial = subprocess.run([sys.executable, "-c", PACKAGES], capture_output=True, text=True, errors="replace")
        last = (trial.stderr.strip().splitlines() or [f"exit code {trial.returncode}"])[-1]
        if (
            trial.returncode and "ModuleNotFoundError" not in last
        ):  # with conda, jobs have other packages than Snakemake
            found.append(f"The packages cannot be loaded ({last}): {'; '.join(remedies)}.")
    return found


def of_error(error: BaseException) -> Iterator[BaseException]:
    """The error, and what its own handling was about, up to the first: a library that fails to close a file on a full
    disk raises an error of another kind.
    """
    seen: set[BaseException] = set()
    following: BaseException | None = error
    while following and following not in seen:
        yield following
        seen.add(following)
        following = following.__cause__ or following.__context__


def _is_ours(error: BaseException) -> bool:
    """Whether an error was raised in a file of this repository, and not in a package."""
    file = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    return ROOT in file.parents and "site-packages" not in file.parts
