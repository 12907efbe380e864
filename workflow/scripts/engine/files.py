"""Files that are either complete or absent, JSON, and SHA-256 sums."""

import glob
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any


def write_atomically(path: Path | str, content: bytes) -> None:
    """Write a file so that at any moment `path` holds either its old content or all of the new.

    An OSError names the file. What a killed job left of the same file is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*"):
        leftover.unlink(missing_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # a full disk names none
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_json(file: Path | str) -> Any:
    """The content of a JSON file."""
    return json.loads(Path(file).read_text(encoding="utf-8"))


def write_json(file: Path | str, content: Any) -> None:
    """Write plain values as indented JSON."""
    Path(file).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def sha256(content: Path | str | bytes) -> str:
    """The SHA-256 of a file's content, or of bytes, as 64 hexadecimal digits."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with Path(content).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
