"""Where results come from: the machine's processor, the commit of the checkout, the packages that envs/ pins.

Apart from provenance.py, since rules in other environments ask for this, where RO-Crate's package is not installed.
"""

import logging
import os
import platform
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from engine.commands import answer
from engine.installation import normal

logger = logging.getLogger(__name__)


def processor() -> str:
    """The name of this machine's processor."""
    if (cpuinfo := Path("/proc/cpuinfo")).is_file():
        names = re.findall(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(encoding="utf-8"), re.M)
    else:
        names = (answer(["sysctl", "-n", "machdep.cpu.brand_string"]) or "").splitlines()
    return next(iter(names), platform.processor() or platform.machine())


def commit(folder: Path, apart: str | None = None) -> str | None:
    """The commit of a checkout, with `.dirty` if a tracked file differs that is not in its folder `apart`; None outside
    a checkout, and, with a warning, in one that git cannot read.
    """
    if not (folder / ".git").exists():  # git would take a repository further up, which merely contains this folder
        return None
    others = [f":(exclude){apart}"] if apart else []
    try:
        found = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".", *others)
    except (OSError, subprocess.SubprocessError) as reason:
        said = " ".join((getattr(reason, "stderr", None) or str(reason)).split())
        logger.warning("the commit of %s is not recorded, since git does not tell it: %s", folder.resolve(), said)
        return None
    return found + (".dirty" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    """What git prints of this folder. Git's variables do not reach it: in a hook they speak of another repository."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # The ceiling keeps git from using a repository further up where this one's is damaged.
    environment["GIT_CEILING_DIRECTORIES"] = str(folder.resolve().parent)
    command = ["git", *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def pins(short_lists: Iterable[Path | str]) -> dict[str, str]:
    """What the short lists of envs/ pin: name, in its normal form, to version."""
    lines = "\n".join(Path(file).read_text(encoding="utf-8") for file in short_lists).splitlines()
    found = [re.match(r"([\w.-]+)==(\S+)", line) for line in lines]
    return dict(sorted((normal(match[1]), match[2]) for match in found if match))
