"""The paper's network as the rules train it and sample from it: no copy of their code, but that code."""

import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from diffusion.data import COUNTS
from diffusion.forward import VarianceSchedule
from diffusion.sampling import denoise, generate, noise_predictor
from diffusion.training import TrainingSettings, loss, train
from diffusion.unet import UNet
from engine.device import choose_device, choose_precision, use_threads, wait_for

SEED = 0
IMAGES, _ = COUNTS["mnist"]


def clock(device: torch.device) -> float:
    """The time in seconds, once the device has done all that it was asked to do."""
    wait_for(device)
    return time.perf_counter()


def count_flops(run) -> int:
    """Operations of convolutions and matrix products, attention's included, a multiply and an add counted apart."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


class Ours:
    """Algorithms 1 and 2 on the network of `channels` channels, on random images: speed does not depend on them."""

    def __init__(
        self,
        device: str,
        precision: str,
        threads: int,
        channels: int = 64,
        image_size: int = 32,
        averaging: float = 0.0,
    ) -> None:
        use_threads(threads)
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self.channels, self.shape, self.averaging = channels, (1, image_size, image_size), averaging
        self.images = torch.randint(0, 256, (IMAGES, *self.shape), dtype=torch.uint8)
        self.trained = self.network()
        self.predict = noise_predictor(self.network().for_sampling(self.precision).to(self.device), self.precision)

    def network(self) -> UNet:
        torch.manual_seed(SEED)
        return UNet(self.channels, self.shape[-1])

    def describe(self) -> dict:
        x_0, t = torch.zeros(1, *self.shape), torch.tensor([1])
        model, schedule = self.network(), VarianceSchedule.linear(500, 1e-4, 0.02)
        return {
            "precision": str(self.precision).removeprefix("torch."),
            "parameters": sum(p.numel() for p in model.parameters()),
            "forward_flops": count_flops(lambda: model(x_0, t)),
            "training_flops": count_flops(lambda: loss(model, x_0, t, x_0, schedule).backward()),
        }

    def train(self, batch_size: int, steps: int) -> float:
        """Images a second of Algorithm 1, over `steps` steps after a first one, or a first row on a GPU.

        The times are those of the history. On a GPU a row of it must hold many steps, since writing one waits for it.
        """
        row = 1 if self.device.type == "cpu" else steps
        settings = TrainingSettings(
            SEED, row + steps, batch_size, 5e-4, (0.9, 0.9999), averaging=self.averaging, history_steps=row
        )
        schedule = VarianceSchedule.linear(500, 1e-4, 0.02)
        first, *_, last = train(self.trained, self.images, schedule, settings, self.device, self.precision).history
        return (last["images"] - first["images"]) / (last["seconds"] - first["seconds"])

    def sample(self, batch_size: int, steps: int, warm: int = 1) -> float:
        """Image-steps a second of Algorithm 2, over `steps` steps after `warm` others."""
        schedule = VarianceSchedule.linear(warm + steps, 1e-4, 0.02).to(self.device)
        noise = torch.randn(warm + steps + 1, batch_size, *self.shape, device=self.device)
        stamps = {}

        def each_step(t: int, _) -> None:
            if t in (steps, 0):
                stamps[t] = clock(self.device)

        denoise(self.predict, noise[0], lambda t: noise[t], schedule, each_step)
        return batch_size * steps / (stamps[0] - stamps[steps])

    def samples(self, count: int, batch_size: int) -> float:
        """Seconds for so many whole samples of 500 steps, noise and all, as the rule makes them."""
        started = clock(self.device)
        schedule = VarianceSchedule.linear(500, 1e-4, 0.02)
        generate(
            self.network(), schedule, self.shape, SEED, "sample", range(count), batch_size, self.device, self.precision
        )
        return clock(self.device) - started
