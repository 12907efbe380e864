"""What is written of a network's training: its history and its summary, counted from the random weights on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch

from engine.files import read_json


@dataclass(frozen=True)
class Earlier:
    """The training before this one, which starts from its weights; nothing, if this one starts from random weights."""

    steps: int = 0
    image_visits: int = 0
    seconds: float = 0.0
    history: pd.DataFrame = field(default_factory=pd.DataFrame)

    @classmethod
    def read(cls, record: Path | str, history: Path | str) -> "Earlier":
        """From the record of a training, as weights/ddpm.json, and its history."""
        summary = read_json(record)["summary"]
        return cls(summary["steps"], summary["image_visits"], summary["seconds"], pd.read_csv(history))


def history_table(rows: Sequence[dict], earlier: Earlier) -> pd.DataFrame:
    """The history of all trainings, from the rows of this one's."""
    history = pd.DataFrame(rows)
    for column, before in (("step", earlier.steps), ("images", earlier.image_visits), ("seconds", earlier.seconds)):
        history[column] += before
    return pd.concat([earlier.history, history], ignore_index=True)


def summary(history: pd.DataFrame, images: torch.Tensor, model: torch.nn.Module) -> dict:
    """What a run tells of its network: size, data, and the ends of its history."""
    last = history.iloc[-1]
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "training_images": len(images),
        "image_size": images.shape[-1],
        "steps": int(last["step"]),
        "image_visits": int(last["images"]),
        "seconds": float(last["seconds"]),
        "last_loss": float(last["loss"]),
        "torch": torch.__version__,
    }
