"""Packages from a lock, installed by pip into the environment of this Python, and checked.

Of pip's configuration, what says where the index is stays in force; what says where packages go, or which, does not.
"""

import ast
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

from engine.environment import INDEX


def index_settings(listing: str) -> dict[str, str]:
    """The settings of the index in what `pip config list` prints, as variables of the environment."""
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}  # a later one has precedence
    for section, key, value in re.findall(r"^(global|install|:env:)\.([\w-]+)=(.*)$", listing, re.M):
        found[section][key.replace("-", "_").upper()] = str(ast.literal_eval(value))
    known = found["global"] | found["install"] | found[":env:"]
    return {f"PIP_{name}": value for name, value in known.items() if name in INDEX}


def shortfalls(short_list: Path) -> list[str]:
    """What of a short list, and of those it includes, is missing here, has another version or cannot be imported."""
    modules = {module: set(map(normal, owners)) for module, owners in packages_distributions().items()}
    sentences = []
    for line in short_list.read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            sentences += shortfalls(short_list.parent / line.removeprefix("-r "))
        if not (pin := re.match(r"([\w.-]+)==(\S+)", line)):
            continue
        name, wanted = pin.groups()
        try:
            if (here := version(name)) != wanted:
                sentences.append(f"{name} is installed in version {here} instead of {wanted}")
        except PackageNotFoundError:
            sentences.append(f"{name} is missing")
            continue
        for module in (
            module for module, owners in modules.items() if normal(name) in owners and module.isidentifier()
        ):
            try:
                __import__(module)
            except Exception as reason:
                sentences.append(f"{name} cannot be imported ({reason!r})")
    return sentences


def normal(package: str) -> str:
    """A package's name as the package index compares it: `scikit_learn` and `Scikit-Learn` are one."""
    return re.sub(r"[-_.]+", "-", package).lower()


def install(lock: Path) -> None:
    """Install a lock with pip, and check the result. Ends the program with a sentence where it is not."""
    pip = [sys.executable, "-m", "pip"]
    others = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    asked = {name: value for name, value in os.environ.items() if name.removeprefix("PIP_") in (*INDEX, "CONFIG_FILE")}
    listing = subprocess.run(
        [*pip, "config", "list"], env=others | asked | {"PIP_QUIET": "0"}, capture_output=True, text=True
    )
    if listing.returncode:
        raise SystemExit(f"error: pip cannot read its configuration: {listing.stderr.strip()}")
    options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(lock)]
    settings = index_settings(listing.stdout) | {"PIP_CONFIG_FILE": os.devnull}
    if subprocess.run([*pip, "install", *options], env=others | settings).returncode:
        raise SystemExit(f"error: pip could not install {lock}: its own message stands above")
