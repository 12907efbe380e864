"""Errors of the local disk, told as such, with the place and what to do."""

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space and run again; finished files and saved states are kept",
    errno.EDQUOT: "the disk quota is used up: free some space and run again; finished files and saved states are kept",
    errno.EROFS: "the folder is read-only: make it writable, or work in a copy elsewhere",
    errno.EACCES: "permission is denied: make the place writable, or work in a copy elsewhere",
    errno.EPERM: "the operation is not permitted: make the place writable, or work in a copy elsewhere",
    errno.EFBIG: "the file is larger than a limit (ulimit -f) or the disk allows: raise the limit, or work elsewhere",
    errno.EIO: "the disk reports an input/output error: work on another disk, and have this one checked",
    errno.ESTALE: "the file server has lost the folder: run again when it is back, or work on another disk",
    errno.ENOTCONN: "the file server does not answer: run again when it is back, or work on another disk",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n), and run again",
    errno.ENFILE: "too many files are open on this machine: close other programs, and run again",
    errno.EISDIR: "a folder stands where a file must go: move it away, and run again",
    errno.ENOTDIR: "a file stands where a folder must be: move it away, and run again",
    errno.EEXIST: "something stands where a folder must be: move it away, and run again",
    errno.ENAMETOOLONG: "the name is too long: work in a folder with a shorter path",
    errno.ENODEV: "the disk is gone: run again when it is back, or work on another disk",
}

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a library meets in the middle of a file."""
NAMELESS = (*FULL, errno.EIO, errno.EROFS, errno.ESTALE, errno.ENODEV, errno.EMFILE, errno.ENFILE)
"""What an error without a file's name may be, met in writing the outputs; others can be about anything."""


def trouble(error: OSError, outputs: Iterable[str]) -> str | None:
    """What is wrong with the disk, where, and what to do; None if the error is not one of the disk.

    Where the error names no file, the place is the folders of the `outputs`, if it is one that writing meets. Libraries
    that write images or arrays also lose the number of the error, and then a disk without free space is taken for the
    cause.
    """
    places = {str(error.filename)} if error.filename else {str(Path(file).parent) for file in outputs}
    number = error.errno
    if number is None and any(map(_full, places)):
        number = errno.ENOSPC
    if not error.filename and number not in NAMELESS:
        return None
    said = REMEDIES.get(number or 0) if number != error.errno else remedy(error)
    return f"({', '.join(sorted(places))}): {said}" if said else None


def remedy(error: OSError) -> str | None:
    """What is wrong with the disk, and what to do; None if the error is not one of the disk."""
    file, denied = error.filename, error.errno in (errno.EACCES, errno.EPERM)
    if denied and file and Path(file).exists() and not os.access(file, os.R_OK):
        return "permission to read it is denied: make it readable, or ask whoever owns it"
    return REMEDIES.get(error.errno or 0)


def _full(place: str) -> bool:
    folder = next(folder for folder in (Path(place), *Path(place).parents) if folder.exists())
    return shutil.disk_usage(folder).free < 2**20
