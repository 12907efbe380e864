"""The saved states from which a stopped training continues, and the loop that saves them."""

import hashlib
import json
import logging
import math
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from engine import parallel
from engine.device import CPU, Hardware
from engine.errors import UserError
from engine.files import write_atomically
from engine.progress import History, follow

logger = logging.getLogger(__name__)

STEPS_BETWEEN_VOTES = 10
"""Several processes agree on whether to save or to stop once in this many steps: each vote makes a GPU wait."""


class Resumable(Protocol):
    """A training that can be saved after any step, and go on from there."""

    step: int

    def state(self) -> dict[str, Tensor]: ...

    def restore(self, step: int, state: dict[str, Tensor]) -> None: ...


class Interrupted(UserError):
    """A training was asked to stop; its state is saved, and the same call continues from there."""


def fingerprint(files: Iterable[str | Path], settings: dict) -> str:
    """16 hexadecimal digits of the SHA-256 of the files' contents and the settings: one experiment, one name."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for file in sorted(map(str, files)):
        with Path(file).open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:16]


class StateFolder:
    """The states from which a stopped training continues: `<parent>/<experiment>/<step>.safetensors`, the last two.

    `experiment` is a fingerprint of everything that the training depends on, so that other settings, data or code
    never continue it. Each file carries the SHA-256 of its tensors; one that is truncated, altered or of another
    training is reported, and the one before it is used.
    """

    KEPT = 2

    def __init__(self, parent: Path, experiment: str) -> None:
        self.parent, self.experiment = Path(parent), experiment
        self.folder = self.parent / experiment

    def save(self, step: int, tensors: dict[str, Tensor], record: dict) -> None:
        """Save the tensors and a record of plain values (JSON) as the state after `step` steps."""
        metadata = {"experiment": self.experiment, "sha256": _digest(tensors), "record": json.dumps(record)}
        write_atomically(self.folder / f"{step:09d}.safetensors", save(tensors, metadata))
        for older in self._files()[self.KEPT :]:
            older.unlink(missing_ok=True)

    def load(self) -> tuple[int, dict[str, Tensor], dict] | None:
        """The newest intact state as (step, tensors, record), or None if there is none."""
        for file in self._files():
            try:
                with safe_open(file, framework="pt") as content:
                    metadata = content.metadata() or {}
                    tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
                if metadata.get("experiment") != self.experiment:
                    raise ValueError("it belongs to another experiment")
                if metadata.get("sha256") != _digest(tensors):
                    raise ValueError("its checksum does not match its content")
                return int(file.stem), tensors, json.loads(metadata["record"])
            except (SafetensorError, ValueError, OSError) as reason:
                logger.warning("the saved state %s cannot be used (%s); looking for the one before it", file, reason)
        return None

    def remove_others(self) -> None:
        """Remove the states of other experiments, and files that a killed job left half-written."""
        if self.parent.is_dir():
            for other in self.parent.iterdir():
                if other.is_dir() and re.fullmatch(r"[0-9a-f]{16}", other.name) and other != self.folder:
                    shutil.rmtree(other)
        for partial in self.folder.glob(".*"):
            partial.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        """Newest first."""
        return sorted(self.folder.glob("[0-9]*.safetensors"), reverse=True)


def run(
    training: Resumable,
    steps: Iterable[tuple[int, Tensor]],
    history: History,
    hardware: Hardware = CPU,
    states: StateFolder | None = None,
    save_seconds: float = 600.0,
    stop: Callable[[], bool] = lambda: False,
    longest: float = math.inf,
) -> None:
    """Take a training to its end: `steps` are its steps, each with its loss, from training.step on.

    With `states` it first continues from the newest saved state, saves one every `save_seconds` seconds, and one at the
    end. A training that was stopped and goes on ends with bitwise the weights of one that was not, on a CPU with the
    same number of threads; on a GPU, whose kernels do not add in a fixed order, to rounding. It stops with a UserError
    if its first forecast is more than `longest` seconds. When `stop()` becomes true it saves and raises Interrupted. In
    several processes (see `parallel`) the first one saves, and all stop together.
    """
    if states:
        if parallel.rank() == 0:
            states.remove_others()
        if saved := states.load():
            step, tensors, record = saved
            training.restore(step, tensors)
            history.restore(step, tensors, record)
            logger.info("continuing after step %d of %d", step, history.steps)

    def save() -> None:
        tensors, record = history.state()
        if states and parallel.rank() == 0:
            states.save(training.step, training.state() | tensors, record)

    kept = _saving(history.of(steps), history.steps, save, save_seconds, stop, hardware.device)
    for _ in follow(kept, "training", history.steps, training.step, hardware.wait, history.last_loss, longest):
        pass


def _saving(
    steps: Iterable[tuple[int, Tensor]],
    last: int,
    save: Callable[[], None],
    save_seconds: float,
    stop: Callable[[], bool],
    device: torch.device,
) -> Iterator[int]:
    """The steps as they come, with a state saved now and then, after the last one, and where `stop()` becomes true."""
    saved = time.monotonic()
    for step, _ in steps:
        if parallel.workers() == 1 or step % STEPS_BETWEEN_VOTES == 0 or step == last:
            asked, due = parallel.any_of(stop(), time.monotonic() - saved > save_seconds, device=device)
            if asked or due or step == last:
                save()
                saved = time.monotonic()
            if asked:
                raise Interrupted(
                    f"training was asked to stop after step {step} of {last}; its state is saved: run again to go on "
                    "from there"
                )
        yield step


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
