"""The libraries that one would use instead, with their defaults: float32, their own loss, optimiser and sampler's step.

Their training loops also clip gradients and average weights. That is left out here, to their advantage.
"""

from abc import ABC, abstractmethod

import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.ours import clock, count_flops
from engine.device import Hardware

SHAPE = (1, 32, 32)
T = 500


class Peer(ABC):
    """A network of about 13 million parameters, with what its library trains it and samples by."""

    network: nn.Module
    optimiser: torch.optim.Optimizer

    def __init__(self, device: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self.hardware = Hardware.choose(device, "float32")
        self.device = self.hardware.device
        torch.manual_seed(0)

    @abstractmethod
    def loss(self, x_0: Tensor) -> Tensor:
        """The loss of a minibatch of images x_0 in [-1, 1]."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """The network on x at one step."""

    @abstractmethod
    def step(self, x: Tensor, t: int) -> Tensor:
        """x_{t-1} from x_t, with t counted from 0."""

    @abstractmethod
    def generate(self, batch_size: int) -> None:
        """This many samples by the library's own call."""

    def images(self, batch_size: int) -> Tensor:
        return 2 * torch.rand(batch_size, *SHAPE, device=self.device) - 1

    def describe(self) -> dict:
        x = self.images(1)
        return {
            "precision": "float32",
            "parameters": sum(p.numel() for p in self.network.parameters()),
            "forward_flops": count_flops(lambda: self.forward(x)),
            "training_flops": count_flops(lambda: self.loss(x).backward()),
        }

    def train(self, batch_size: int, steps: int) -> float:
        """Images a second, over `steps` steps after a first one."""
        self.network.train()
        x_0 = self.images(batch_size)
        started = 0.0
        for step in range(1 + steps):
            if step == 1:
                started = clock(self.hardware)
            self.optimiser.zero_grad(set_to_none=True)
            self.loss(x_0).backward()
            self.optimiser.step()
        return batch_size * steps / (clock(self.hardware) - started)

    @torch.no_grad()
    def sample(self, batch_size: int, steps: int) -> float:
        """Image-steps a second, over `steps` steps after a first one."""
        self.network.eval()
        x = torch.randn(batch_size, *SHAPE, device=self.device)
        started = 0.0
        for step in range(1 + steps):
            if step == 1:
                started = clock(self.hardware)
            x = self.step(x, T - 1 - step)
        return batch_size * steps / (clock(self.hardware) - started)

    def samples(self, count: int, batch_size: int) -> float:
        """Seconds for this many whole samples of 500 steps."""
        self.network.eval()
        started = clock(self.hardware)
        for first in range(0, count, batch_size):
            self.generate(min(batch_size, count - first))
        return clock(self.hardware) - started


class Diffusers(Peer):
    """UNet2DModel with one block a level, attention at 16x16 and 8x8 as in the paper's network, and DDPMScheduler."""

    def __init__(self, device: str, threads: int) -> None:
        super().__init__(device, threads)
        self.network = UNet2DModel(
            sample_size=32,
            in_channels=1,
            out_channels=1,
            layers_per_block=1,
            block_out_channels=(48, 128, 288),
            norm_num_groups=16,  # the default, 32, does not divide 48
            down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        ).to(self.device)
        self.scheduler = DDPMScheduler(num_train_timesteps=T)
        self.scheduler.set_timesteps(T, device=self.device)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), 1e-4)

    def loss(self, x_0: Tensor) -> Tensor:
        eps = torch.randn_like(x_0)
        t = torch.randint(0, T, (len(x_0),), device=self.device)
        return F.mse_loss(self.network(self.scheduler.add_noise(x_0, eps, t), t, return_dict=False)[0], eps)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x, T - 1, return_dict=False)[0]

    def step(self, x: Tensor, t: int) -> Tensor:
        t = self.scheduler.timesteps[T - 1 - t]
        return self.scheduler.step(self.network(x, t).sample, t, x).prev_sample

    def generate(self, batch_size: int) -> None:
        pipeline = DDPMPipeline(self.network, self.scheduler)
        pipeline(batch_size, num_inference_steps=T, output_type="np")


class DenoisingDiffusionPytorch(Peer):
    """Unet of 64 channels with the multipliers (1, 2, 5), and GaussianDiffusion."""

    def __init__(self, device: str, threads: int) -> None:
        from denoising_diffusion_pytorch import GaussianDiffusion, Unet

        super().__init__(device, threads)
        self.network = Unet(64, dim_mults=(1, 2, 5), channels=1).to(self.device)
        self.diffusion = GaussianDiffusion(self.network, image_size=32, timesteps=T).to(self.device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), 1e-4)

    def loss(self, x_0: Tensor) -> Tensor:
        return self.diffusion((x_0 + 1) / 2)  # it takes images in [0, 1]

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x, torch.full((len(x),), T - 1, device=self.device))

    def step(self, x: Tensor, t: int) -> Tensor:
        return self.diffusion.p_sample(x, t)[0]

    def generate(self, batch_size: int) -> None:
        self.diffusion.sample(batch_size)
