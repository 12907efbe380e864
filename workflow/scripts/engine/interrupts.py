"""How a process answers signals that ask it to stop."""

import math
import signal
import threading
import time
from collections.abc import Callable

PATIENCE = 10.0
"""Seconds within which one Ctrl-C is answered, if all goes well."""


def stop_once() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt, but those that follow within PATIENCE, of a user who does not want
    to wait, do not interrupt the answer. Where Ctrl-C is ignored, as in the background, it stays so.
    """
    last = -math.inf

    def stop(*_: object) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > PATIENCE:
            last = now
            raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop)


def asked_to_stop() -> Callable[[], bool]:
    """From now on Ctrl-C, a scheduler's SIGTERM and the end of the terminal or connection do not end this process; the
    answer says whether one has come. What is ignored, as by `nohup`, stays so.
    """
    came = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: came.set())
    return came.is_set
