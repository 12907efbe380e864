"""The saved states from which a stopped training continues, and the loop that saves them."""

import ast
import hashlib
import json
import logging
import math
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from engine import parallel
from engine.device import CPU, Hardware
from engine.errors import UserError
from engine.files import sha256, write_atomically
from engine.progress import History, follow

logger = logging.getLogger(__name__)

STEPS_BETWEEN_VOTES = 10
"""Several processes agree on whether to save or to stop once in this many steps: each vote makes a GPU wait."""


SAVING = 20
"""So many times as long as samples took to be saved, others are drawn before they are saved again."""


class Resumable(Protocol):
    """A training that can be saved after any step, and go on from there."""

    step: int

    def state(self) -> dict[str, Tensor]: ...

    def restore(self, step: int, state: dict[str, Tensor]) -> None: ...


State = tuple[int, dict[str, Tensor], dict]
"""A step, the tensors after it, and a record of plain values."""


class Interrupted(UserError):
    """A training was asked to stop; its state is saved, and the same call continues from there."""


def fingerprint(files: Iterable[str | Path], settings: dict) -> str:
    """16 hexadecimal digits of the SHA-256 of what the files hold and of the settings: one experiment, one name.

    Of Python code only what can change a result counts: no comments, docstrings, layout or annotations of functions,
    nothing that is logged, and no words of an error.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, allow_nan=False).encode())
    for file in sorted(map(str, files)):
        if file.endswith(".py"):
            digest.update(hashlib.sha256(_code(Path(file).read_text(encoding="utf-8")).encode()).digest())
        else:
            digest.update(bytes.fromhex(sha256(file)))
    return digest.hexdigest()[:16]


class _WithoutProse(ast.NodeTransformer):
    """Removes docstrings, and strings that stand alone beside what they describe; calls of a logger; what is raised but
    for its class; annotations of functions.
    """

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        prose = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return ast.Pass() if prose or re.match(r"logg(er|ing)\.", ast.unparse(node)) else node

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        return ast.Raise(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(node.arg)


def _code(source: str) -> str:
    tree = _WithoutProse().visit(ast.parse(source))
    return "\n".join(line for line in ast.unparse(tree).splitlines() if line.strip() not in ("", "pass"))


class StateFolder:
    """The states from which stopped work continues: `<parent>/<experiment>/<step>.safetensors`, the last two.

    `experiment` is a fingerprint of everything that the work depends on, so that other settings, data or code never
    continue it. Each file carries the SHA-256 of all that it holds; one that is truncated, altered, renamed or of other
    work is reported, and the one before it is used. The states of other experiments stay until this one is finished,
    and those of the last few beyond that: whoever changes a setting and changes it back goes on where it was.
    """

    KEPT = 2
    KEPT_EXPERIMENTS = 3
    """Other experiments whose states outlive the end of this one."""

    def __init__(self, parent: Path, experiment: str) -> None:
        self.parent, self.experiment = Path(parent), experiment
        self.folder = self.parent / experiment

    def save(self, step: int, tensors: dict[str, Tensor], record: dict) -> None:
        """Save the tensors and a record of plain values (JSON) as the state after `step` steps."""
        metadata = {"experiment": self.experiment, "step": str(step), "record": json.dumps(record, allow_nan=False)}
        metadata["sha256"] = _digest(tensors, metadata)
        write_atomically(self.folder / f"{step:09d}.safetensors", save(tensors, metadata))
        # What seems to be newer was passed over when the work went on from an older state: it is damaged.
        files = self._files()
        kept = [file for file in files if int(file.stem) <= step][: self.KEPT]
        for other in files:
            if other not in kept:
                other.unlink(missing_ok=True)

    def load(self) -> State | None:
        """The newest intact state as (step, tensors, record), or None if there is none."""
        return next(self._intact(), None)

    def restore(self, restored: Callable[[State], None]) -> bool:
        """Let `restored` take the newest intact state that it can, and say whether there was one.

        Raises UserError if there are some, and it can take none of them.
        """
        reason = None
        for state in self._intact():
            try:
                restored(state)
            except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
                reason = f"{type(error).__name__}: {error}"
                logger.warning("the saved state after %d lacks what it must hold (%s)", state[0], reason)
            else:
                return True
        if reason:
            raise UserError(
                f"the saved states in {self.folder} are intact, but not what was saved there ({reason}): move that "
                "folder away, and run again to begin anew"
            )
        return False

    def _intact(self) -> Iterator[State]:
        """Newest first."""
        for file in self._files():
            try:
                with safe_open(file, framework="pt") as content:
                    metadata = content.metadata() or {}
                    tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
                expected = metadata.pop("sha256", None)
                if metadata.get("experiment") != self.experiment:
                    raise ValueError("it belongs to another experiment")
                if expected != _digest(tensors, metadata):
                    raise ValueError("its checksum does not match its content")
                if int(metadata["step"]) != int(file.stem):
                    raise ValueError(f"it was renamed, and is the state after step {metadata['step']}")
                state = int(file.stem), tensors, json.loads(metadata["record"])
            except (SafetensorError, ValueError, KeyError, OSError) as reason:
                logger.warning("the saved state %s cannot be used (%s); looking for the one before it", file, reason)
                continue
            yield state

    def remove_partial(self) -> None:
        """Remove the files that a killed job left half-written."""
        for partial in filter(Path.is_file, self.folder.glob(".*")):
            partial.unlink(missing_ok=True)

    def remove_old_experiments(self) -> None:
        """Remove the states of other experiments but the last few. To be called when this one is finished."""
        if self.parent.is_dir():
            others = [
                folder
                for folder in self.parent.iterdir()
                if folder.is_dir() and re.fullmatch(r"[0-9a-f]{16}", folder.name) and folder != self.folder
            ]
            others.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
            for old in others[self.KEPT_EXPERIMENTS :]:
                shutil.rmtree(old, ignore_errors=True)

    def _files(self) -> list[Path]:
        """Newest first."""
        files = [
            file for file in self.folder.glob("*.safetensors") if re.fullmatch(r"[0-9]+", file.stem) and file.is_file()
        ]
        return sorted(files, key=lambda file: int(file.stem), reverse=True)


def experiment(snakemake, script: str, hardware: Hardware) -> str:
    """The fingerprint of a rule's work: its script, inputs and params, and the kind of hardware that it runs on. The
    modules that only speak to the user are left out.
    """
    ran = {"compute": hardware.facts()}
    speaking = {f"engine/{name}.py" for name in ("disk", "errors", "interrupts", "job", "privacy")}
    files = [file for file in snakemake.input if "/".join(Path(file).parts[-2:]) not in speaking]
    return fingerprint([Path(snakemake.scriptdir) / script, *files], dict(snakemake.params.items()) | ran)


def collect(
    process: Callable[[Sequence[int], int], Iterable[tuple[int, Tensor]]],
    indices: Sequence[int],
    batch_size: int,
    steps: int,
    states: StateFolder,
    hardware: Hardware = CPU,
) -> Tensor:
    """The ends x_0, (n, ...) on the CPU, of `process(indices, batch_size)`, which takes one batch after the other
    through `steps` steps (t, x_t), down to t = 0. Batches are saved when they are finished, all of them together; the
    same call continues after them. Where there are so many that to save them takes long, that is done less often,
    and takes a twentieth of the time at most.
    """
    states.remove_partial()
    done, ends, started, due = 0, torch.empty(0), time.monotonic(), 0.0

    def go_on(state: State) -> None:
        nonlocal done, ends, started
        done, ends, started = len(state[1]["ends"]), state[1]["ends"], time.monotonic() - float(state[2]["seconds"])

    states.restore(go_on)
    left = indices[done:]
    if done:
        logger.info("continuing after %d of %d", done, len(indices))

    def save() -> int:
        states.save(len(ends), {"ends": ends}, {"seconds": time.monotonic() - started})
        return len(ends)

    try:
        batches = -(-len(left) // batch_size)
        for t, x in follow(process(left, batch_size), "sampling", batches * steps, wait=hardware.wait):
            if t == 0:
                ends = torch.cat([ends, x.cpu()]) if len(ends) else x.cpu()
                if (now := time.monotonic()) >= due:
                    done = save()
                    due = time.monotonic() + SAVING * (time.monotonic() - now)
    finally:  # at the end, and where it is stopped
        if len(ends) > done:
            save()
    states.remove_old_experiments()
    return ends


class BatchSampler(Protocol):
    """What draws samples, one batch after the other: see `diffusion.sampling.Sampler`."""

    @property
    def points(self) -> int: ...

    def in_batches(
        self, stream: str, indices: Sequence[int], batch_size: int, x_T: Tensor | None = None
    ) -> Iterable[tuple[int, Tensor]]: ...


@dataclass(frozen=True)
class SavedSampling:
    """The sampling of a rule's job, each of whose batches is saved when it is finished."""

    experiment: str
    batch_size: int
    hardware: Hardware

    @classmethod
    def of(cls, snakemake, script: str, hardware: Hardware) -> Self:
        """For the rule of this script. The batch size, which changes no sample, is taken from the settings and is none
        of the rule's params: to change it is no reason to make the samples again.
        """
        wanted = snakemake.config["execution"]["batch_size"]
        return cls(experiment(snakemake, script, hardware), hardware.at_once(wanted), hardware)

    def collect(
        self, sampler: BatchSampler, stream: str, indices: Sequence[int], folder: Path, x_T: Tensor | None = None
    ) -> Tensor:
        """The samples x_0, (n, 1, h, w) on the CPU, from as many images x_T where they are given. `folder` holds the
        states. No rule declares it, since Snakemake removes what a failed job declared.
        """

        def process(left: Sequence[int], batch_size: int) -> Iterable[tuple[int, Tensor]]:
            starts = None if x_T is None else x_T[len(indices) - len(left) :]
            return sampler.in_batches(stream, left, batch_size, starts)

        states = StateFolder(folder, self.experiment)
        return collect(process, indices, self.batch_size, sampler.points, states, self.hardware)

    def seconds(self, folder: Path) -> float:
        """What the samples of a folder took, in all sittings."""
        saved = StateFolder(folder, self.experiment).load()
        return saved[2]["seconds"] if saved else 0.0


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
            states.remove_partial()

        def go_on(state: State) -> None:
            step, tensors, record = state
            training.restore(step, tensors)
            history.restore(step, tensors, record)
            logger.info("continuing after step %d of %d", step, history.steps)

        states.restore(go_on)

    def save() -> None:
        tensors, record = history.state()
        if states and parallel.rank() == 0:
            states.save(training.step, training.state() | tensors, record)

    kept = _saving(history.of(steps), history.steps, save, save_seconds, stop, hardware.device)
    for _ in follow(kept, "training", history.steps, training.step, hardware.wait, history.last_loss, longest):
        pass
    if states and parallel.rank() == 0:
        states.remove_old_experiments()


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
                    f"training was asked to stop after step {step} of {last}; its state is saved: run again to "
                    "continue from there"
                )
        yield step


def _digest(tensors: dict[str, Tensor], metadata: dict[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
