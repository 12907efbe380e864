"""The independent judge of figure 4: a convolutional classifier, trained separately on real digits."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from diffusion.images import Digits, rescale
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
    """... turned by up to this many degrees, ..."""
    scale: float = 0.1
    """... and scaled by up to this share: the label stays the same."""


class Dropout(nn.Dropout):
    """Dropout whose mask is drawn on the CPU, so that it is the same whatever device computes."""

    def forward(self, h: Tensor) -> Tensor:
        if not self.training:
            return h
        return h * super().forward(torch.ones(h.shape)).to(h.device)


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
        self.dropout = Dropout(0.2)
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
    """The images x, (n, 1, h, w), each moved, turned and scaled a little at random; new pixels at the edges are
    background.
    """
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
    """Fit a classifier to `images`, (n, 1, h, w) uint8, and `labels`, (n,), by Adam with a one-cycle rate.

    Raises UserError for a minibatch larger than all images, and if the loss or the weights become infinite or NaN.
    """
    torch.manual_seed(settings.seed)  # initial weights and dropout
    model = Classifier().to(device).to(memory_format=torch.channels_last)
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
        if not (total.isfinite() and all(value.isfinite().all() for value in model.state_dict().values())):
            raise UserError(
                f"the classifier's training diverged in epoch {epoch + 1}: its loss or weights are not finite; lower "
                "classifier.learning_rate"
            )
        logger.info("epoch %d of %d: loss %.4f", epoch + 1, settings.epochs, total.item() / batches)
    return model.eval()


@torch.no_grad()
def probabilities(model: Classifier, x: Tensor, device: torch.device, batch_size: int = 500) -> Tensor:
    """The classifier's probabilities, (n, 10) float64 on the CPU, for images x, (n, 1, h, w), in [-1, 1]."""
    model = model.to(device).eval()
    logits = [model(batch.to(device)).double().cpu() for batch in x.split(batch_size)]
    return torch.cat(logits).softmax(dim=1)


def read_labels(model: Classifier, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest digit and its probability, both (n,), for images x, (n, 1, h, w) in [-1, 1]."""
    p = probabilities(model, x, torch.device("cpu"))
    return p.argmax(dim=1).numpy(), p.amax(dim=1).numpy()


@torch.no_grad()
def features(model: Classifier, x: Tensor, batch_size: int = 500) -> np.ndarray:
    """What the classifier's last layer sees of images x, (n, 1, h, w) in [-1, 1]: (n, d) float64."""
    model.eval()
    return torch.cat([model.features(batch) for batch in x.split(batch_size)]).double().numpy()


def confusion_table(model: Classifier, x: Tensor, truth: Tensor, device: torch.device) -> pd.DataFrame:
    """How often the classifier takes an image of a digit, (row `true`), for each digit, (column `found_0`, ...), of
    images x, (n, 1, h, w) in [-1, 1], whose digits are `truth`, (n,).
    """
    pairs = truth.cpu() * CLASSES + probabilities(model, x, device).argmax(dim=1)
    counts = torch.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    digits = pd.Index(range(CLASSES), name="true")
    return pd.DataFrame(counts.numpy(), index=digits, columns=[f"found_{digit}" for digit in range(CLASSES)])


def accuracy(confusion: pd.DataFrame) -> float:
    """The share of the images of a confusion table whose digit is recognised."""
    return float(np.trace(confusion.to_numpy()) / confusion.to_numpy().sum())


def classifier_summary(confusion: pd.DataFrame, digits: Digits, model: nn.Module, seconds: float) -> dict:
    """What a run tells of its classifier: size, data, time of training, and how it did on the test images."""
    return {
        "test_accuracy": accuracy(confusion),
        "test_images": len(digits.test_images),
        "training_images": len(digits.train_images),
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": seconds,
    }


def join_shards(files: Iterable[Path | str]) -> tuple[np.ndarray, np.ndarray]:
    """Index, (n,), and images, (n, 1, h, w), of all samples in the shards' files, in the order of the index."""
    shards = []
    for file in files:
        with np.load(file) as shard:  # closed before the next is opened: there may be more than a process can hold open
            shards.append((shard["index"], shard["images"]))
    index, images = map(np.concatenate, zip(*shards, strict=True))
    order = np.argsort(index)
    return index[order], images[order]


def categorise(model: Classifier, index: np.ndarray, images: np.ndarray) -> pd.DataFrame:
    """Figure 4's categories of images (n, 1, h, w) float32: a row for each with its index, its label, the confidence
    in it, and the probabilities p0, ..., p9 of all digits.
    """
    # Algorithm 2 may end a little outside the grey values' range [-1, 1], which real images never leave.
    p = probabilities(model, torch.from_numpy(images).clamp(-1, 1), torch.device("cpu")).numpy()
    table = pd.DataFrame({"index": index, "label": p.argmax(axis=1), "confidence": p.max(axis=1)})
    return table.join(pd.DataFrame(p, columns=[f"p{label}" for label in range(CLASSES)]))


def summarise(table: pd.DataFrame, threshold: float) -> dict:
    """The number of samples in each category of `categorise`, and of those whose confidence is above the threshold."""
    recognised = table["confidence"] > threshold
    return {
        "samples": len(table),
        "confidence_threshold": threshold,
        "recognised": int(recognised.sum()),
        "recognised_share": float(recognised.mean()),
        "mean_confidence": float(table["confidence"].mean()),
        "counts": {str(label): int((table["label"] == label).sum()) for label in range(CLASSES)},
    }
