"""How far a long job is: a bar on a terminal, lines in the log, and early on a forecast of the whole."""

import logging
import time
from collections.abc import Callable

from tqdm import tqdm

logger = logging.getLogger(__name__)


def progress_bar(total: int, unit: str, initial: int = 0, hidden: bool = False) -> tqdm:
    """A bar that counts `unit`s up to `total`, to be used as a context."""
    quiet = True if hidden else None  # None: quiet unless on a terminal
    return tqdm(total=total, initial=initial, unit=unit, unit_scale=True, dynamic_ncols=True, disable=quiet)


def duration(seconds: float) -> str:
    """For instance '40 s', '12 min' or '3.5 h'."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


class Forecast:
    """One line in the log, after a few of the equal steps of a long job: how long all of them will take here.

    `step` is to be called after each step. `wait` waits for a device that works behind our back; it is called twice.
    """

    SKIPPED, MEASURED = 1, 5
    """The first step also warms up, so it does not count."""

    def __init__(self, work: str, steps: int, wait: Callable[[], None] = lambda: None) -> None:
        self.work, self.left, self.wait = work, steps, wait
        self.done = 0
        self.started = 0.0

    def step(self) -> None:
        self.done += 1
        if self.done not in (self.SKIPPED, self.SKIPPED + self.MEASURED):
            return
        self.wait()
        if self.done == self.SKIPPED:
            self.started = time.monotonic()
            return
        seconds = (time.monotonic() - self.started) / self.MEASURED
        logger.info(
            "%s will take about %s: %d steps of %.3g s, judging by the first",
            *(self.work, duration(seconds * self.left), self.left, seconds),
        )
