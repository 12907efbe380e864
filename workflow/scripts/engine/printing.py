"""What programs print for a reader, who may stop reading."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def until_read() -> Iterator[None]:
    """What is printed inside may be cut short, as by `| head`: the rest is not printed, and that is no error."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
