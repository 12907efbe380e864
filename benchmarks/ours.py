"""The paper's network as the rules train it and sample from it: no copy of their code, but that code."""

import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from diffusion.forward import VarianceSchedule
from diffusion.images import snapshots
from diffusion.sampling import Sampler, backward_process, noise_predictor
from diffusion.sources import PAPERS, SOURCES
from diffusion.training import Training, TrainingSettings, loss, training_steps
from diffusion.unet import UNet
from engine import parallel
from engine.checkpoints import run
from engine.device import Compiler, Hardware, prepare
from engine.progress import History

SEED = 0
IMAGES = SOURCES[PAPERS].training_images


def clock(hardware: Hardware) -> float:
    """The time in seconds, once the device has finished its work."""
    hardware.wait()
    return time.perf_counter()


def count_flops(run) -> int:
    """Operations of convolutions and matrix products, attention's included, a multiply and an add being two."""
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
        self.hardware = prepare(threads, device, precision)
        self.channels, self.shape, self.averaging = channels, (1, image_size, image_size), averaging
        self.images = torch.randint(0, 256, (IMAGES, *self.shape), dtype=torch.uint8)
        self.trained = self.network()
        self.eps_theta = noise_predictor(self.network(), self.hardware)

    def network(self) -> UNet:
        torch.manual_seed(SEED)
        return UNet(self.channels, self.shape[-1])

    def describe(self) -> dict:
        x_0, t = torch.zeros(1, *self.shape), torch.tensor([1])
        model, schedule = self.network(), VarianceSchedule.linear(500, 1e-4, 0.02)
        return {
            "precision": str(self.hardware.precision).removeprefix("torch."),
            "parameters": sum(p.numel() for p in model.parameters()),
            "forward_flops": count_flops(lambda: model(x_0, t)),
            "training_flops": count_flops(lambda: loss(model, x_0, t, x_0, schedule).mean().backward()),
        }

    def train(self, batch_size: int, steps: int) -> float:
        """Images a second of Algorithm 1, over `steps` steps after a first one, or a first row on a GPU.

        The times are those of the history. On a GPU a row of it must hold many steps, since writing one waits for it.
        """
        row = 1 if self.hardware.device.type == "cpu" else steps
        settings = TrainingSettings(SEED, row + steps, batch_size, 5e-4, (0.9, 0.9999), averaging=self.averaging)
        schedule, device = VarianceSchedule.linear(500, 1e-4, 0.02), self.hardware.device
        compiler = Compiler(self.hardware, Compiler.WORTHWHILE)  # as in a long training
        training = Training(
            self.hardware.place(self.trained), settings, lambda loss: parallel.shared(compiler(loss), self.hardware)
        )
        history = History(settings.steps, batch_size, settings.rate, device, training.remedy, row)
        run(training, training_steps(training, self.images, schedule, self.hardware), history, self.hardware)
        first, *_, last = history.rows
        return (last["images"] - first["images"]) / (last["seconds"] - first["seconds"])

    def sample(self, batch_size: int, steps: int, warm: int = 1) -> float:
        """Image-steps a second of Algorithm 2, over `steps` steps after `warm` others."""
        schedule = VarianceSchedule.linear(warm + steps, 1e-4, 0.02).to(self.hardware.device)
        noise = torch.randn(warm + steps + 1, batch_size, *self.shape, device=self.hardware.device)
        stamps = {}
        for t, _ in backward_process(self.eps_theta, noise[0], lambda t: noise[t], schedule):
            if t in (steps, 0):
                stamps[t] = clock(self.hardware)
        return batch_size * steps / (stamps[0] - stamps[steps])

    def samples(self, count: int, batch_size: int) -> float:
        """Seconds for `count` whole samples of 500 steps, noise and all, as the rule makes them."""
        started = clock(self.hardware)
        sampler = Sampler.of(self.network(), VarianceSchedule.linear(500, 1e-4, 0.02), SEED, self.hardware)
        snapshots(sampler.in_batches("sample", range(count), batch_size))
        return clock(self.hardware) - started
