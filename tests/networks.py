"""A network for the tests."""

import torch

from diffusion.unet import UNet


def small_network() -> UNet:
    """32 channels, 8x8 pixels, always the same, and with no weight at zero, as after some training."""
    torch.manual_seed(0)
    network = UNet(channels=32, image_size=8)
    with torch.no_grad():
        for p in network.parameters():
            p += 0.05 * torch.randn_like(p)
    return network
