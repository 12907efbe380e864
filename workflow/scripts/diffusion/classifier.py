"""The independent judge of figure 4: a convolutional classifier, trained separately on real digits."""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from diffusion.images import rescale
from engine.errors import UserError
from engine.randomness import generator

logger = logging.getLogger(__name__)

CLASSES = 10


@dataclass(frozen=True)
class ClassifierSettings:
    """How the classifier is trained; the paper leaves all of it open."""

    seed: int
    epochs: int
    batch_size: int
    learning_rate: float
    """The largest rate of the one-cycle schedule."""
    shift: float = 0.06
    """Training images are moved by up to this share of their width, ..."""
    turn: float = 10.0
    """... turned by up to so many degrees, ..."""
    scale: float = 0.1
    """... and scaled by up to this share: the label stays the same."""


class Classifier(nn.Module):
    """Images (n, 1, size, size) in [-1, 1] to logits (n, 10): six 3x3 convolutions, halving twice, then a mean."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()

        def layer(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(channels_out),
                nn.ReLU(inplace=True),
            )

        w = width
        self.features = nn.Sequential(
            layer(1, w),
            layer(w, w, stride=2),
            layer(w, 2 * w),
            layer(2 * w, 2 * w, stride=2),
            layer(2 * w, 4 * w),
            layer(4 * w, 4 * w),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
        self.dropout = nn.Dropout(0.2)
        self.logits = nn.Linear(16 * w, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.dropout(self.features(x)))

    @classmethod
    def load(cls, file: Path | str) -> "Classifier":
        """A trained classifier from its weights, a safetensors file."""
        model = cls()
        model.load_state_dict(load_file(file))
        return model.eval()


def deform(x: Tensor, settings: ClassifierSettings, source: torch.Generator) -> Tensor:
    """The images x, (n, 1, h, w), each moved, turned and scaled a little at random; what comes in is background."""
    amount = 2 * torch.rand((4, len(x)), generator=source) - 1
    angle = torch.deg2rad(amount[0] * settings.turn)
    factor = 1 + amount[1] * settings.scale
    shift = 2 * settings.shift * amount[2:]
    matrix = torch.stack(
        [
            torch.stack([angle.cos() * factor, -angle.sin() * factor, shift[0]], dim=1),
            torch.stack([angle.sin() * factor, angle.cos() * factor, shift[1]], dim=1),
        ],
        dim=1,
    ).to(x.device)
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    return F.grid_sample(x + 1, grid, align_corners=False) - 1


def train_classifier(images: Tensor, labels: Tensor, settings: ClassifierSettings, device: torch.device) -> Classifier:
    """Fit a classifier to `images`, (n, 1, h, w) uint8, and `labels`, (n,), by Adam with a one-cycle rate."""
    torch.manual_seed(settings.seed)  # initial weights and dropout
    model = Classifier().to(device, memory_format=torch.channels_last)
    images, labels = images.to(device), labels.to(device)
    batches = len(images) // settings.batch_size
    if batches == 0:
        raise UserError(
            f"classifier.batch_size is {settings.batch_size}, but there are only {len(images)} training images"
        )
    steps = settings.epochs * batches
    optimiser = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=0.01)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, steps)
    model.train()
    for epoch in range(settings.epochs):
        source = generator(settings.seed, "classifier", epoch)
        order = torch.randperm(len(images), generator=source).to(device)
        total = torch.zeros((), device=device)
        for batch in order[: batches * settings.batch_size].split(settings.batch_size):
            x = deform(rescale(images[batch]), settings, source)
            loss = F.cross_entropy(model(x.contiguous(memory_format=torch.channels_last)), labels[batch])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            rate.step()
            total += loss.detach()
        logger.info("epoch %d of %d: loss %.4f", epoch + 1, settings.epochs, total.item() / batches)
    return model.eval()


@torch.no_grad()
def probabilities(model: Classifier, x: Tensor, device: torch.device, batch_size: int = 500) -> Tensor:
    """The classifier's probabilities, (n, 10) float64 on the CPU, for images x, (n, 1, h, w), in [-1, 1]."""
    model = model.to(device).eval()
    logits = [model(batch.to(device)).double().cpu() for batch in x.split(batch_size)]
    return torch.cat(logits).softmax(dim=1)
