"""How a process answers signals that ask it to stop."""

import signal
import threading
from collections.abc import Callable


def stop_once() -> None:
    """From now on the first Ctrl-C raises KeyboardInterrupt, and those that follow, of a user who does not want to
    wait, do not interrupt the answer. Where Ctrl-C is ignored, as in the background, it stays so.
    """

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
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
