"""What is written of the network's training: its history and its summary, counted from the random weights on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch

from diffusion.unet import UNet
from engine.files import read_json
from engine.tensors import read_tensors


@dataclass(frozen=True)
class Earlier:
    """The training before this one, which starts from its weights; nothing, if this one starts from random weights, or
    from weights whose training is unknown.
    """

    steps: int = 0
    image_visits: int = 0
    seconds: float = 0.0
    is_unknown: bool = False
    history: pd.DataFrame = field(default_factory=pd.DataFrame)

    @classmethod
    def read(cls, record: Path | str, history: Path | str) -> "Earlier":
        """From the record of a training, as weights/ddpm.json, and its history."""
        summary = read_json(record)["summary"]
        counted = summary["steps"], summary["image_visits"], summary["seconds"]
        return cls(*counted, summary.get("start_unknown", False), pd.read_csv(history))


def first_network(channels: int, image_size: int, seed: int, start: Sequence[Path | str] = ()) -> tuple[UNet, Earlier]:
    """The network that a training starts with, and what came before: with random weights, which the seed determines, or
    with those of `start`: the files of weights, record and history.
    """
    torch.manual_seed(seed)
    model = UNet(channels, image_size)
    if not start:
        return model, Earlier()
    weights, *records = start
    model.load_state_dict(read_tensors(weights))
    return model, Earlier.read(*records)


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
