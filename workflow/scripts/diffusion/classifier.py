"""The independent judge of figure 4: a convolutional classifier, trained separately on real digits."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffusion.images import Digits, rescale
from engine.adam import moments, restore_moments
from engine.errors import UserError
from engine.randomness import generator
from engine.tensors import read_tensors

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
        model.load_state_dict(read_tensors(file))
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


class ClassifierTraining:
    """A classifier in training on `images`, (n, 1, h, w) uint8, and `labels`, (n,), by Adam with a one-cycle rate: its
    weights, Adam's moments, and how far its random numbers have been drawn. It can be saved after any step, and go on
    from there (see `engine.checkpoints`).

    Raises UserError for a minibatch larger than all images.
    """

    REMEDY = "lower classifier.learning_rate"

    def __init__(self, images: Tensor, labels: Tensor, settings: ClassifierSettings, device: torch.device) -> None:
        self.batches = len(images) // settings.batch_size
        if self.batches == 0:
            raise UserError(
                f"classifier.batch_size is {settings.batch_size}, but there are only {len(images)} training images"
            )
        self.images, self.labels, self.settings = images.to(device), labels.to(device), settings
        self.step, self.steps = 0, settings.epochs * self.batches
        torch.manual_seed(settings.seed)  # initial weights and dropout
        self.model = Classifier().to(device).to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), settings.learning_rate, weight_decay=0.01)
        self.cycle = torch.optim.lr_scheduler.OneCycleLR(self.optimiser, settings.learning_rate, self.steps)
        self._begin(epoch=0)

    def _begin(self, epoch: int) -> None:
        """Draw the order of the images in an epoch, whose other random numbers come after it."""
        self.source = generator(self.settings.seed, "classifier", epoch)
        self.order = torch.randperm(len(self.images), generator=self.source).to(self.images.device)

    def rate(self, _: int) -> float:
        """The learning rate of the step that comes next."""
        return float(self.cycle.get_last_lr()[0])

    def descend(self) -> Tensor:
        """A gradient step on the next minibatch; returns its loss, ()."""
        epoch, batch = divmod(self.step, self.batches)
        if batch == 0:
            self._begin(epoch)
        n = self.settings.batch_size
        taken = self.order[batch * n : (batch + 1) * n]
        x = deform(rescale(self.images[taken]), self.settings, self.source)
        loss = F.cross_entropy(self.model(x.contiguous(memory_format=torch.channels_last)), self.labels[taken])
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.cycle.step()
        self.step += 1
        return loss.detach()

    def state(self) -> dict[str, Tensor]:
        """All that the next steps depend on, by name."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= moments(self.model, self.optimiser)
        tensors |= {"random.dropout": torch.get_rng_state(), "random.minibatch": self.source.get_state()}
        return {name: value.contiguous() for name, value in tensors.items()}

    def restore(self, step: int, state: dict[str, Tensor]) -> None:
        """Go on after a step, from the state then."""
        self.step = step
        self.model.load_state_dict({name: state[f"model.{name}"] for name in self.model.state_dict()})
        restore_moments(self.model, self.optimiser, state)
        self.cycle = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, self.settings.learning_rate, self.steps, last_epoch=step - 1
        )
        self._begin(step // self.batches)
        self.source.set_state(state["random.minibatch"])
        torch.set_rng_state(state["random.dropout"])

    def trained(self) -> Classifier:
        """The classifier, to be used. Raises UserError if its weights are not finite."""
        if not all(value.isfinite().all() for value in self.model.state_dict().values()):
            raise UserError(f"the classifier's training diverged, and its weights are not finite: {self.REMEDY}")
        return self.model.eval()


def classifier_steps(training: ClassifierTraining) -> Iterator[tuple[int, Tensor]]:
    """The training from its step on: yields (step, loss) after each gradient step, the loss () on the device."""
    training.model.train()
    while training.step < training.steps:
        loss = training.descend()
        yield training.step, loss


def train_classifier(images: Tensor, labels: Tensor, settings: ClassifierSettings, device: torch.device) -> Classifier:
    """A classifier after a whole `ClassifierTraining`. Raises UserError if that diverges."""
    training = ClassifierTraining(images, labels, settings, device)
    for _ in classifier_steps(training):
        pass
    return training.trained()


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
