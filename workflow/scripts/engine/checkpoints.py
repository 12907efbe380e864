"""The saved states that a stopped training goes on from."""

import hashlib
import json
import logging
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from engine.files import write_atomically

logger = logging.getLogger(__name__)


def fingerprint(files: Iterable[str | Path], settings: dict) -> str:
    """16 hexadecimal digits of the SHA-256 of the files' contents and the settings: one experiment, one name."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for file in sorted(map(str, files)):
        with Path(file).open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:16]


class StateFolder:
    """The states that a stopped training goes on from: `<parent>/<experiment>/<step>.safetensors`, the last two.

    `experiment` is a fingerprint of everything that the training depends on, so that other settings, data or code
    never continue it. Each file carries the SHA-256 of its tensors; one that is truncated, altered or foreign is
    reported and passed over for the one before it.
    """

    KEPT = 2

    def __init__(self, parent: Path, experiment: str) -> None:
        self.parent, self.experiment = Path(parent), experiment
        self.folder = self.parent / experiment

    def save(self, step: int, tensors: dict[str, Tensor], record: dict) -> None:
        """Keep the tensors and a record of plain values (JSON) as the state after `step` steps."""
        metadata = {"experiment": self.experiment, "sha256": _digest(tensors), "record": json.dumps(record)}
        write_atomically(self.folder / f"{step:09d}.safetensors", save(tensors, metadata))
        for older in self._files()[self.KEPT :]:
            older.unlink(missing_ok=True)

    def load(self) -> tuple[int, dict[str, Tensor], dict] | None:
        """The newest sound state as (step, tensors, record), or None where there is none."""
        for file in self._files():
            try:
                with safe_open(file, framework="pt") as content:
                    metadata = content.metadata() or {}
                    tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
                if metadata.get("experiment") != self.experiment:
                    raise ValueError("it belongs to another experiment")
                if metadata.get("sha256") != _digest(tensors):
                    raise ValueError("its checksum does not fit its content")
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


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
