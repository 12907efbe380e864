"""Files that are either complete or absent, JSON, and SHA-256 sums."""

import glob
import hashlib
import json
import math
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from engine.errors import UserError


def write_atomically(path: Path | str, content: bytes) -> None:
    """Write a file so that at any moment `path` holds either its old content or all of the new.

    A link goes on leading to the file, and what is no file, as /dev/null, stays what it is. An OSError names the file.
    What a killed job left of the same file is removed, once it is a minute old: until then another may be writing it.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 8}"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > 60:
                leftover.unlink()
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)  # less what the umask takes away
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            error.filename = str(path)  # a full disk names none
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def reading(file: Path | str, expected: str) -> Iterator[None]:
    """Turns any error in a file's content into a UserError that names the file."""
    try:
        yield
    except (UserError, OSError, MemoryError):
        raise
    except Exception as reason:
        raise UserError(
            f"{file} is damaged, or is not {expected} ({type(reason).__name__}: {reason}): restore it, or delete it "
            "and run again, if a run made it"
        ) from None


def read_json(file: Path | str) -> Any:
    """The content of a JSON file. Raises UserError, which names it, if it is not JSON, or holds NaN or infinity."""

    def finite(number: str) -> float:
        if not math.isfinite(value := float(number)):
            raise ValueError(f"it holds {number}")
        return value

    with reading(file, "JSON"):
        return json.loads(Path(file).read_text(encoding="utf-8"), parse_constant=finite, parse_float=finite)


def write_json(file: Path | str, content: Any) -> None:
    """Write plain values as indented JSON. Raises UserError, which names the place, for a number that is not finite: a
    claim might be judged by it.
    """
    if bad := next(_not_finite(content), None):
        address, value = bad
        raise UserError(
            f"{file} was not written, since its number {address} is {value}: what it is computed from has left the "
            "range of floating-point numbers; look for a setting that is too large or too small"
        )
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(file, (text + "\n").encode(errors="backslashreplace"))  # half a surrogate pair, as JSON writes it


def _not_finite(content: Any, address: str = "") -> Iterator[tuple[str, float]]:
    """The numbers in plain values that are NaN or infinite, each with the keys that lead to it."""
    if isinstance(content, float) and not math.isfinite(content):
        yield address.removeprefix("."), content
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from _not_finite(value, f"{address}.{key}")
    elif isinstance(content, list | tuple):
        for index, value in enumerate(content):
            yield from _not_finite(value, f"{address}.{index}")


def sha256(content: Path | str | bytes) -> str:
    """The SHA-256 of a file's content, or of bytes, as 64 hexadecimal digits."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with Path(content).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
