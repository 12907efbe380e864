"""What programs of the command line print: for a reader, who may stop reading, and of an error a sentence."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from engine.disk import FULL, remedy
from engine.errors import UserError


@contextmanager
def until_read() -> Iterator[None]:
    """What is printed inside may be cut short, as by `| head`: the rest is not printed, and that is no error."""
    if sys.stdout is None:  # closed, as by >&-
        sys.stdout = io.StringIO()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # where the terminal's encoding lacks a sign
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def told() -> Iterator[None]:
    """An error inside that the user can correct, or a file that cannot be read or written, ends the program with one
    sentence and the exit code 1; Ctrl-C ends it at once.
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        known = error.errno in (*FULL, errno.EROFS, errno.EACCES, errno.EPERM)
        said = remedy(error) if known else error.strerror
        sys.exit(f"error: {error.filename}: {said}" if error.filename else f"error: {error}")
