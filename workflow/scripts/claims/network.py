"""Sections 5 and 6: the paper's network counted and timed, and what its training uses, learns and costs.

One function for each record of claims/network.json.
"""

import logging
import time
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, fx, nn
from torch.utils.flop_counter import FlopCounterMode

from diffusion.affine import affine_losses, variances
from diffusion.forward import VarianceSchedule
from diffusion.images import Digits, rescale
from diffusion.sampling import backward_process, noise_predictor
from diffusion.training import Training, TrainingSettings, training_steps
from diffusion.unet import AddEmbedding, GroupNorm, SelfAttention, SinusoidalEmbedding, UNet
from engine.device import CPU, Hardware
from engine.randomness import generator

logger = logging.getLogger(__name__)

CARD, PEAK, SECONDS = "RTX 3090", 35.6e12, 35 * 60
"""The paper's card, its float32 operations a second, and the paper's time of training."""
PEAK_IN_BFLOAT16 = 71e12
"""The same card's rate for products of matrices in bfloat16, summed in float32: 328 units that do 128 multiplications
and additions a cycle, at the 1,695 MHz that the card is sold for."""
WINOGRAD = {f"winograd_{m}": 9 * m**2 / (m + 2) ** 2 for m in (2, 4, 6)}
"""How many times fewer multiplications a 3x3 convolution takes in tiles of m x m results: (m + 2)^2 for 9 m^2
(Winograd; Lavin and Gray, 2016)."""
TUTORIALS_IMAGES = 10_000
EMISSION, VEHICLE = (1594, 4.1), 400
"""Grams of carbon dioxide for a thousand images, and the miles that the paper sets equal to them; grams a mile of the
average passenger vehicle (United States Environmental Protection Agency, "Tailpipe greenhouse gas emissions from a
typical passenger vehicle", EPA-420-F-23-014, 2023)."""
BATCH = 4
"""Images of the training step whose gradients are compared."""
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
    """Parameters, layers and the inputs of the network."""
    nodes = layers(network)
    inputs = [node.name for node in nodes if node.op == "placeholder"]
    return {
        "parameters": parameters(network),
        "layers": len(nodes),
        "inputs": len(inputs),
        "input_names": " and ".join(inputs),
    }


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


def operations(channels: int, image_size: int) -> tuple[int, int, float]:
    """Operations (multiply and add apart) on one image, of the network and of a training step, and the share of the
    network's that are 3x3 convolutions of stride 1. Nothing is computed.
    """
    with torch.device("meta"):
        network = UNet(channels, image_size)
        x, t = torch.randn(1, 1, image_size, image_size), torch.ones(1, dtype=torch.long)
        fast = 0

        def count(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            nonlocal fast
            if isinstance(layer, nn.Conv2d) and (layer.kernel_size, layer.stride) == ((3, 3), (1, 1)):
                fast += 2 * layer.weight.numel() * output[0, 0].numel()

        for layer in network.modules():
            layer.register_forward_hook(count)
        with FlopCounterMode(display=False) as forward:
            loss = network(x, t).square().mean()
        with FlopCounterMode(display=False) as backward:
            loss.backward()
    of_network = forward.get_total_flops()
    return of_network, of_network + backward.get_total_flops(), fast / of_network


def arithmetic(paper: Experiment) -> dict:
    """The operations of the paper's training over what its card can do in its time, for an epoch of all of MNIST's
    training images and for one of as many images as the tutorial has; for the former also with Winograd's fast
    algorithms for 3x3 convolutions, and at the card's rate for bfloat16.
    """
    _, of_step, convolutions = operations(paper.channels, paper.image_size)
    of_image = of_step * paper.epochs / (PEAK * SECONDS)
    use = of_image * paper.images
    return {
        "image_visits": paper.image_visits,
        "operations": float(of_step * paper.image_visits),
        "use_of_peak": use,
        "use_with_tutorials_images": of_image * TUTORIALS_IMAGES,
        "convolutions": convolutions,
        **{f"use_{name}": use * (1 - convolutions + convolutions / saved) for name, saved in WINOGRAD.items()},
        "use_in_bfloat16": use * PEAK / PEAK_IN_BFLOAT16,
    }


def carbon() -> dict:
    """The paper's 1,594 g of carbon dioxide over its 4.1 miles, beside a passenger vehicle's emission a mile."""
    grams, miles = EMISSION
    return {
        "grams": grams,
        "miles": miles,
        "of_vehicle": VEHICLE,
        "a_mile": grams / miles,
        "ratio": grams / miles / VEHICLE,
    }


def labels(digits: Digits, channels: int, schedule: VarianceSchedule, seed: int) -> dict:
    """The largest difference between the gradients of a training step on a file of images and on the same with its
    labels permuted, read and trained on as train_ddpm.py does.
    """
    order = torch.randperm(len(digits.train_labels), generator=generator(seed, "claims, labels"))
    permuted = replace(digits, train_labels=digits.train_labels[order])

    def gradient(given: Digits) -> Tensor:
        with TemporaryDirectory() as folder:
            given.save(Path(folder) / "images.npz")
            images = Digits.load(Path(folder) / "images.npz").train_images
        torch.manual_seed(seed)
        network = UNet(channels, images.shape[-1])
        settings = TrainingSettings(seed, steps=1, batch_size=BATCH, learning_rate=1e-3, adam_decays=(0.9, 0.999))
        next(training_steps(Training(network, settings), images, schedule))
        return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])

    first, second = gradient(digits), gradient(permuted)
    return {
        "difference": (first - second).abs().max().item(),
        "gradient": first.abs().max().item(),
        "parameters": len(first),
        "moved": int((permuted.train_labels != digits.train_labels).sum()),
        "images": len(digits.train_labels),
    }


def noise(last_loss: float, images: Tensor, schedule: VarianceSchedule) -> dict:
    """The loss at the end of training beside that of the best linear filter for the training images, (n, 1, h, w) of
    grey values in uint8.
    """
    linear = affine_losses(variances(rescale(images)), schedule).mean().item()
    return {"last_loss": last_loss, "linear_loss": linear, "relative_to_linear": last_loss / linear}


def training(summary: dict, paper: Experiment) -> dict:
    """What the run's training was, from its summary, and whether it was the paper's on the paper's card."""
    return {
        "parameters": summary["parameters"],
        "image_visits": summary["image_visits"],
        "minutes": summary["seconds"] / 60,
        "start_unknown": summary.get("start_unknown", False),
        "device": summary["device"],
        "papers_training_on_its_card": not summary.get("start_unknown", False)
        and summary["parameters"] == parameters(paper.network())
        and summary["image_size"] == paper.image_size
        and summary["image_visits"] >= paper.epochs * min(paper.images, TUTORIALS_IMAGES)  # as one reads "an epoch"
        and summary["processes"] == 1
        and summary["device"].split(",")[0].endswith(CARD),
    }


def generation(network: UNet, schedule: VarianceSchedule, hardware: Hardware = CPU) -> dict:
    """How long Algorithm 2 takes on this hardware, a processor, from a few of its steps for nine images at once. The
    time of a step does not depend on the weights' values.
    """
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
    paper: Experiment,
    summary: dict,
    digits: Digits,
    channels: int,
    schedule: VarianceSchedule,
    seed: int,
    processor: Hardware = CPU,
) -> dict[str, dict]:
    """All records of claims/network.json, from the summary of the run's training and its images; `channels` and
    `schedule` are the run's. The processor is what is timed.
    """
    network = paper.network()
    return {
        "size": size(network),
        "arithmetic": arithmetic(paper),
        "carbon": carbon(),
        "labels": labels(digits, channels, schedule, seed),
        "noise": noise(summary["last_loss"], digits.train_images, schedule),
        "training": training(summary, paper),
        "generation": generation(network, schedule, processor),
    }
