"""Sections 5 and 6: the paper's network counted and timed, and what its training reads and costs.

One function for each record of claims/network.json.
"""

import ast
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import torch
from torch import fx, nn
from torch.utils.flop_counter import FlopCounterMode

from diffusion.forward import VarianceSchedule
from diffusion.sampling import backward_process, noise_predictor
from diffusion.unet import AddEmbedding, GroupNorm, SelfAttention, SinusoidalEmbedding, UNet
from engine.device import Hardware

logger = logging.getLogger(__name__)

CARD, PEAK, SECONDS = "RTX 3090", 35.6e12, 35 * 60
"""The paper's card, its float32 operations a second, and the paper's time of training."""
TUTORIALS_IMAGES = 10_000
TOGETHER, TIMED_STEPS = 9, 4
"""Images denoised at once, as in figure 3, and how many of the T steps are timed."""


@dataclass(frozen=True)
class Experiment:
    """The paper's network and its training, whatever the run has."""

    channels: int
    image_size: int
    epochs: int
    images: int
    """In an epoch."""

    @property
    def image_visits(self) -> int:
        """How many images the training sees, each as often as it is seen."""
        return self.epochs * self.images

    def network(self) -> UNet:
        """The network, untrained."""
        return UNet(self.channels, self.image_size)


def size(network: UNet) -> dict:
    """Parameters and layers."""
    return {"parameters": parameters(network), "layers": len(layers(network))}


def parameters(network: UNet) -> int:
    """The number of parameters of the network."""
    return sum(p.numel() for p in network.parameters())


class LayerTracer(fx.Tracer):
    """Sees the network as the tutorial's graph: a node for each layer, attention and embedding being one each."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        ours = (AddEmbedding, GroupNorm, SelfAttention, SinusoidalEmbedding)
        return isinstance(m, ours) or super().is_leaf_module(m, module_qualified_name)


def layers(network: UNet) -> list[fx.Node]:
    """The layers of the network, inputs included."""
    return [node for node in LayerTracer().trace(network).nodes if node.op != "output"]


def operations(channels: int, image_size: int) -> tuple[int, int]:
    """Operations (multiply and add apart) on one image: of the network, and of a training step. Nothing is computed."""
    with torch.device("meta"):
        network = UNet(channels, image_size)
        x, t = torch.randn(1, 1, image_size, image_size), torch.ones(1, dtype=torch.long)
        with FlopCounterMode(display=False) as forward:
            loss = network(x, t).square().mean()
        with FlopCounterMode(display=False) as backward:
            loss.backward()
    return forward.get_total_flops(), forward.get_total_flops() + backward.get_total_flops()


def arithmetic(paper: Experiment) -> dict:
    """The operations of the paper's training, and the share of its card's peak that its time implies: for all images of
    an epoch, and for as many as the tutorial takes.
    """
    _, of_step = operations(paper.channels, paper.image_size)
    of_training = of_step * paper.image_visits
    return {
        "image_visits": paper.image_visits,
        "operations": float(of_training),
        "use_of_peak": of_training / (PEAK * SECONDS),
        "use_with_tutorials_images": of_training / (PEAK * SECONDS) * TUTORIALS_IMAGES / paper.images,
    }


def labels(files: Iterable[Path | str]) -> dict:
    """The names that mention a label in the files of the training's code."""
    # images.py says how a file holds images and labels; all else is the training's own code.
    code = [file for file in map(Path, files) if file.name != "images.py"]
    names = label_names(code)
    return {"names": len(names), "files": len(code), "found": ", ".join(names)}


def label_names(files: Iterable[Path | str]) -> list[str]:
    """Every name in Python files that mentions a label, as 'file: name', in order of their places."""
    names = []
    for file in map(Path, files):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for field in ("id", "attr", "arg", "name"):
                name = getattr(node, field, None)
                if isinstance(name, str) and "label" in name.lower():
                    names.append(f"{file.name}: {name}")
    return names


def training(summary: dict, paper: Experiment) -> dict:
    """What the run's training was, from its summary, and whether it was the paper's on the paper's card."""
    return {
        "last_loss": summary["last_loss"],
        "parameters": summary["parameters"],
        "image_visits": summary["image_visits"],
        "minutes": summary["seconds"] / 60,
        "device": summary["device"],
        "papers_training_on_its_card": summary["parameters"] == parameters(paper.network())
        and summary["image_size"] == paper.image_size
        and summary["image_visits"] >= paper.image_visits
        and summary["processes"] == 1
        and summary["device"].split(",")[0].endswith(CARD),
    }


def generation(network: UNet, schedule: VarianceSchedule) -> dict:
    """How long Algorithm 2 takes on this machine's processor, from a few of its steps for nine images at once. The time
    of a step does not depend on the weights' values.
    """
    hardware = Hardware.choose("cpu", "auto")
    x_T = torch.randn(TOGETHER, 1, network.image_size, network.image_size)
    process = backward_process(noise_predictor(network, hardware), x_T, lambda t: torch.randn_like(x_T), schedule)
    clock = [time.monotonic() for _ in islice(process, TIMED_STEPS + 1)]
    best = min(end - start for start, end in pairwise(clock))  # the first also plans memory, and others run beside
    logger.info("%.2f s a step for %d images", best, TOGETHER)
    return {
        "images": TOGETHER,
        "minutes": best * schedule.T / 60,
        "seconds_per_image": best * schedule.T / TOGETHER,
        "device": str(hardware),
    }


def measure(
    paper: Experiment, summary: dict, code: Iterable[Path | str], schedule: VarianceSchedule
) -> dict[str, dict]:
    """All records of claims/network.json, from the summary of the run's training and the files of the training's code;
    `schedule` is the run's.
    """
    network = paper.network()
    return {
        "size": size(network),
        "arithmetic": arithmetic(paper),
        "labels": labels(code),
        "training": training(summary, paper),
        "generation": generation(network, schedule),
    }
