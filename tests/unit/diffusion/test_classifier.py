"""The judge of figure 4."""

import dataclasses

import pytest
import torch

from diffusion.classifier import ClassifierSettings, deform, probabilities, train_classifier
from diffusion.data import read_embedded_digits
from diffusion.images import rescale
from engine.device import choose_device, choose_precision
from engine.errors import UserError

CPU = torch.device("cpu")
SETTINGS = ClassifierSettings(seed=0, epochs=12, batch_size=64, learning_rate=4e-3)


def test_learns_the_embedded_digits():
    digits = read_embedded_digits(16, seed=0)
    model = train_classifier(digits.train_images, digits.train_labels, SETTINGS, CPU)
    p = probabilities(model, rescale(digits.test_images), CPU)
    assert p.shape == (360, 10) and torch.allclose(p.sum(dim=1), torch.ones(360, dtype=torch.float64))
    assert (p.argmax(dim=1) == digits.test_labels).double().mean() > 0.95


def test_deform_leaves_images_alone_when_told_to_and_moves_them_a_little_else():
    x = rescale(read_embedded_digits(16, seed=0).train_images[:8])
    still = dataclasses.replace(SETTINGS, shift=0.0, turn=0.0, scale=0.0)
    assert torch.allclose(deform(x, still, torch.Generator().manual_seed(0)), x, atol=1e-5)
    moved = deform(x, SETTINGS, torch.Generator().manual_seed(0))
    assert 0.01 < (moved - x).abs().mean() < 0.5 and moved.min() >= -1 - 1e-5


def test_more_images_in_a_batch_than_there_are_is_said():
    images, labels = torch.zeros(5, 1, 8, 8, dtype=torch.uint8), torch.zeros(5, dtype=torch.long)
    with pytest.raises(UserError, match=r"classifier\.batch_size is 64, but there are only 5"):
        train_classifier(images, labels, SETTINGS, CPU)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_there_is_refused():
    assert choose_device("auto") == CPU
    with pytest.raises(UserError, match=r"compute\.device is 'cuda'.*set it to 'auto' or 'cpu'"):
        choose_device("cuda")


def test_precision_is_what_was_asked_for():
    assert choose_precision("float32", CPU) == torch.float32
    assert choose_precision("bfloat16", CPU) == torch.bfloat16
    assert choose_precision("auto", CPU) in (torch.float32, torch.bfloat16)
