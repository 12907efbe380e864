"""What Adam remembers of a training, as tensors with names, from which a training that was stopped goes on."""

import torch
from torch import Tensor, nn


def moments(model: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's moments and counts of steps, by name."""
    return {
        f"adam.{key}.{name}": value for name, p in model.named_parameters() for key, value in optimiser.state[p].items()
    }


def restore_moments(model: nn.Module, optimiser: torch.optim.Optimizer, state: dict[str, Tensor]) -> None:
    """Give Adam the moments of a state. They get the layout in memory of their weights, which its fused kernel takes
    for granted; that kernel counts steps on the weights' device, the others on the CPU.
    """
    fused = optimiser.param_groups[0]["fused"]
    for name, p in model.named_parameters():
        kept = {
            key: torch.empty_like(p.detach()).copy_(state[f"adam.{key}.{name}"]) for key in ("exp_avg", "exp_avg_sq")
        }
        optimiser.state[p] = {"step": state[f"adam.step.{name}"].to(p.device if fused else "cpu"), **kept}
