"""Packages of the user's own folder, ~/.local, that stand in for those of the environment that Snakemake runs in."""

import site
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType


def refusal(modules: Mapping[str, ModuleType] = sys.modules, folder: str | None = None) -> str:
    """One sentence if Snakemake runs in an environment, such as conda's, and yet took packages from the user's folder.

    Empty if it took none, or if it is installed in that folder itself.
    """
    own = Path(folder or site.getusersitepackages())
    files = {name: Path(file) for name, module in modules.items() if (file := getattr(module, "__file__", None))}
    foreign = sorted({name.partition(".")[0] for name, file in files.items() if own in file.parents})
    if not foreign or "snakemake" in foreign:
        return ""
    return (
        f"Snakemake took {', '.join(foreign)} from {own} instead of from its environment: start again with "
        "PYTHONNOUSERSITE=1 snakemake ..., or `conda env config vars set PYTHONNOUSERSITE=1` for good"
    )
