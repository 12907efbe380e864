"""Results of other settings, which Snakemake would keep where it has lost its own record of them: where .snakemake was
removed, or the folder of a run copied. A job's log says by what settings it was made.
"""

import binascii
import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from engine.files import sha256

METADATA = Path(".snakemake/metadata")
"""Where Snakemake keeps what it knows of each file, under the file's name in base64."""
MADE_BY = re.compile(r"made by settings of the SHA-256 ([0-9a-f]{64})$", re.M)


WILDCARD = re.compile(r"\{(\w+)[^{}]*\}")
"""In a name of Snakemake's, with its constraint."""


def said(params: Iterable[tuple[str, Any]]) -> str:
    """What a log says of the params of its rule, (name, value)."""
    return f"made by settings of the SHA-256 {sha256(json.dumps(dict(params), default=str).encode())}"


def of_other_settings(rules: Iterable[Any], metadata: Path = METADATA) -> str:
    """One sentence if there are results of these rules of Snakemake's that were made by other params, of which
    Snakemake knows nothing; else empty.
    """
    known = set(_known(metadata))
    found = [
        file
        for rule in rules
        if rule.log and not any(map(callable, rule.params))
        for output in rule.output
        for file, log in _instances(str(output), str(rule.log[0]))
        if file not in known and Path(file).exists() and _differs(log, said(rule.params.items()))
    ]
    if not found:
        return ""
    others = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return (
        f"{found[0]}{others} were made by other settings than these, which Snakemake would not see, since its own "
        f"record of them (in {metadata}) is gone, as after a copy: make them anew with --forceall (`make ... "
        "ARGS=--forceall`), or remove them"
    )


def _differs(log: str, now: str) -> bool:
    """Whether a log says that its job was run by other params than `now`; one of an earlier version does not say it."""
    if not Path(log).is_file():
        return False
    then = MADE_BY.findall(Path(log).read_text(encoding="utf-8", errors="replace"))
    return bool(then) and not now.endswith(then[-1])


def _instances(output: str, log: str) -> Iterator[tuple[str, str]]:
    """The files of a pattern that are there, each with the log of its job, which has the same wildcards."""
    names, parts = WILDCARD.findall(output), re.split(r"\{\w+[^{}]*\}", output)
    if not names:
        yield output, log
        return
    pattern = re.compile("(.+)".join(map(re.escape, parts)))
    for file in map(str, Path().glob("*".join(parts))):
        if found := pattern.fullmatch(file):
            values = dict(zip(names, found.groups(), strict=True))
            yield file, WILDCARD.sub(lambda wildcard, values=values: values[wildcard[1]], log)


def _known(metadata: Path) -> Iterator[str]:
    """The files of which Snakemake knows how they were made; a long name is one of folders and a file."""
    for file in metadata.rglob("*"):
        name = "".join(part.removeprefix("@") for part in file.relative_to(metadata).parts)
        if file.is_file():
            try:
                yield urlsafe_b64decode(name).decode()
            except (binascii.Error, ValueError):
                continue
