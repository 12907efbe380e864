"""What every script does around its work: a log, and one clear sentence for an error that the user can correct."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine import disk
from engine.errors import UserError
from engine.privacy import Private


@contextmanager
def job(snakemake) -> Iterator[None]:
    """Log to the rule's log file, and warnings to the terminal. An error that the user
    can correct ends the script with one sentence and exit code 1; anything else is a bug, and keeps its traceback.
    """
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.WARNING if sys.stderr.isatty() else logging.INFO)
    # Of several processes that share a job, only the first one starts a new log and reports progress.
    first = os.environ.get("RANK", "0") == "0"
    log = logging.FileHandler(snakemake.log[0], mode="w" if first else "a", encoding="utf-8")
    for handler in (terminal, log):
        handler.setFormatter(Private("%(asctime)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.INFO if first else logging.WARNING, handlers=[terminal, log], force=True)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # on a full disk the log fails too, and the terminal still has the sentence
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it reports every table of every font
    try:
        yield
    except UserError as error:
        logging.error("error: %s", error)
        raise SystemExit(1) from None
    except OSError as error:
        if trouble := disk.trouble(error, snakemake.output):
            logging.error("error: rule %s stopped %s", snakemake.rule, trouble)
        else:
            logging.exception("unexpected error")
        raise SystemExit(1) from None
    except Exception:
        logging.exception("unexpected error")
        raise SystemExit(1) from None


def asked_to_stop() -> Callable[[], bool]:
    """From now on Ctrl-C and a scheduler's SIGTERM do not end this process; the answer says whether one has come."""
    came = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: came.set())
    return came.is_set
