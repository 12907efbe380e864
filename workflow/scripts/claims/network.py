"""What is counted of the network and of its training: layers, operations, and the names that the code reads."""

import ast
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import fx, nn
from torch.utils.flop_counter import FlopCounterMode

from diffusion.unet import AddEmbedding, GroupNorm, SelfAttention, SinusoidalEmbedding, UNet


class LayerTracer(fx.Tracer):
    """Sees the network as the tutorial's graph: a node for each layer, attention and embedding being one each."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        ours = (AddEmbedding, GroupNorm, SelfAttention, SinusoidalEmbedding)
        return isinstance(module, ours) or super().is_leaf_module(module, name)


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


def label_names(files: Iterable[Path | str]) -> list[str]:
    """Every name in Python files that mentions a label, as 'file: name', in order of their places."""
    found = []
    for file in map(Path, files):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for field in ("id", "attr", "arg", "name"):
                name = getattr(node, field, None)
                if isinstance(name, str) and "label" in name.lower():
                    found.append(f"{file.name}: {name}")
    return found
