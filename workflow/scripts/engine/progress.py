"""How far a long job is: a bar on a terminal, lines in the log, an early forecast, and the history of a training."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from engine import parallel
from engine.errors import UserError

logger = logging.getLogger(__name__)

Item = TypeVar("Item")


def follow(
    steps: Iterable[Item],
    work: str,
    total: int,
    done: int = 0,
    wait: Callable[[], None] = lambda: None,
    note: Callable[[], str] = str,
    longest: float = math.inf,
) -> Iterator[Item]:
    """The steps of a long job, `total` of equal length of which `done` have been taken before, as they come: with a bar
    on a terminal, which `note` is shown beside, and a forecast in the log now and then.

    `wait` waits for a device that computes while the program continues (see `Forecast`). Raises UserError if the first
    forecast is more than `longest` seconds.
    """
    forecast = Forecast(work, total - done, wait, longest)
    hidden = True if parallel.rank() > 0 else None  # None: hidden unless on a terminal
    with tqdm(total=total, initial=done, unit="step", desc=work, dynamic_ncols=True, disable=hidden) as bar:
        for step in steps:
            yield step
            bar.update()
            forecast.step()
            if not bar.disable:
                bar.set_postfix_str(note(), refresh=False)


def duration(seconds: float) -> str:
    """For instance '40 s', '12 min' or '3.5 h'."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


class Forecast:
    """Lines in the log that say how long the rest of a job of equal steps will take here: one after a few steps, then
    others at growing intervals, of ten minutes at most. Each judges by the steps since the line before, so that it is
    right again soon after the machine has become busy or idle.

    `step` is to be called after each step. `wait` waits for a device that computes while the program continues; it is
    called for each line. Raises UserError if the job will take more than `longest` seconds by the first line.
    """

    SKIPPED, MEASURED = 3, 5
    """The first steps also warm up (a GPU records its launches then), so they do not count."""
    FIRST, LONGEST = 15.0, 600.0
    """Seconds to the second line, and between two lines at most."""

    def __init__(
        self, work: str, steps: int, wait: Callable[[], None] = lambda: None, longest: float = math.inf
    ) -> None:
        self.work, self.steps, self.wait, self.longest = work, steps, wait, longest
        self.done = 0
        self.since = (0, 0.0)
        """The step and the time of the line before."""
        self.pause = self.FIRST

    def step(self) -> None:
        self.done += 1
        if self.done == self.SKIPPED:
            self.wait()
            self.since = self.done, time.monotonic()
        elif self.done == self.SKIPPED + self.MEASURED:
            self._check(self._line())
        elif self.done > self.SKIPPED + self.MEASURED and time.monotonic() - self.since[1] > self.pause:
            self._line()
            self.pause = min(2 * self.pause, self.LONGEST)

    def _check(self, seconds: float) -> None:
        """Later lines may exceed the limit because the machine has become busy, which is no reason to stop."""
        if seconds > self.longest:
            days = seconds / 86_400
            raise UserError(
                f"{self.work} will take about {days:.3g} days on this CPU, but execution.cpu_days allows "
                f"{self.longest / 86_400:.3g}: use a GPU, or a smaller experiment (make laptop, make shipped), or, if "
                f"you mean it, set execution.cpu_days to more than {days:.3g}"
            )

    def _line(self) -> float:
        """Returns the seconds that are left."""
        self.wait()
        step, started = self.since
        self.since = self.done, time.monotonic()
        seconds = (self.since[1] - started) / (self.done - step)
        left = self.steps - self.done
        logger.info(
            "%s: step %d of %d, %.3g s a step, about %s left",
            self.work,
            self.done,
            self.steps,
            seconds,
            duration(seconds * left),
        )
        return seconds * left


class History:
    """The course of a training of `steps` steps: one row for every `row_steps` of them, with the step, the images seen,
    the mean loss, the learning rate `rate(step)`, the speed and the seconds. The first steps of a sitting, in which a
    GPU also compiles and records, count in the seconds but not in the speed. `remedy` says what to do if the training
    diverges.
    """

    def __init__(
        self,
        steps: int,
        batch_size: int,
        rate: Callable[[int], float],
        device: torch.device,
        remedy: str,
        row_steps: int = 50,
    ) -> None:
        self.steps, self.batch_size, self.rate, self.remedy, self.row_steps = steps, batch_size, rate, remedy, row_steps
        self.rows: list[dict] = []
        self.loss_sum = torch.zeros((), device=device)
        """Of the steps since the last row, on the device: reading it would stop a GPU."""
        self.seconds = 0.0
        """Of computing, in all sittings."""
        self._since = (0, 0.0)  # the step and the seconds from which a row's speed is measured
        self._now = time.monotonic()

    def state(self) -> tuple[dict[str, Tensor], dict]:
        """What `restore` asks for: tensors, and a record of plain values."""
        parallel.average(self.loss_sum)
        return {"loss_sum": self.loss_sum}, {"history": self.rows, "seconds": self.seconds}

    def restore(self, step: int, tensors: dict[str, Tensor], record: dict) -> None:
        """Go on after a step. Raises ValueError, KeyError or TypeError for a record that `state` did not make."""
        self.loss_sum.copy_(tensors["loss_sum"])
        self.rows, self.seconds = list(record["history"]), float(record["seconds"])
        if any(not {"step", "loss", "seconds"} <= row.keys() for row in self.rows):
            raise ValueError("a row of its history lacks a number")
        self._since = (step, self.seconds)

    def of(self, steps: Iterable[tuple[int, Tensor]]) -> Iterator[tuple[int, Tensor]]:
        """The steps of a training, each with its loss, as they come.

        Raises UserError where the mean loss of a row is not finite.
        """
        self._now = time.monotonic()
        for taken, (step, loss) in enumerate(steps, 1):
            self.loss_sum += loss
            before, self._now = self._now, time.monotonic()
            self.seconds += self._now - before
            if step % self.row_steps == 0 or step == self.steps:
                self._add_row(step)
            if taken == Forecast.SKIPPED:
                self._since = (step, self.seconds)
            yield step, loss

    def last_loss(self) -> str:
        """The loss of the last row, to be shown."""
        return f"loss {self.rows[-1]['loss']:.4f}" if self.rows else ""

    def _add_row(self, step: int) -> None:
        parallel.average(self.loss_sum)
        mean = self.loss_sum.item() / ((step - 1) % self.row_steps + 1)
        self.loss_sum.zero_()
        if not math.isfinite(mean):
            raise UserError(f"the training diverged, and its loss became {mean} before step {step}: {self.remedy}")
        first, started = self._since
        row = {
            "step": step,
            "images": step * self.batch_size,
            "loss": mean,
            "learning_rate": self.rate(step - 1),
            "images_per_second": (step - first) * self.batch_size / max(self.seconds - started, 1e-9),
            "seconds": self.seconds,
        }
        self._since = (step, self.seconds)
        self.rows.append(row)
        left = (self.steps - step) * self.batch_size / row["images_per_second"]
        logger.info(
            "step %d of %d: loss %.4f, %.0f images/s, %s left",
            *(step, self.steps, mean, row["images_per_second"], duration(left)),
        )
