"""A network for the tests."""

import torch

from diffusion.unet import UNet


def small_network() -> UNet:
    """32 channels, 8x8 pixels, always the same."""
    torch.manual_seed(0)
    return UNet(channels=32, image_size=8)
