"""The judge of figure 4."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from diffusion.classifier import (
    Classifier,
    ClassifierSettings,
    ClassifierTraining,
    Dropout,
    accuracy,
    categorise,
    classifier_steps,
    confusion_table,
    deform,
    features,
    join_shards,
    probabilities,
    read_labels,
    summarise,
    train_classifier,
)
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
    confusion = confusion_table(model, rescale(digits.test_images), digits.test_labels, CPU)
    theirs = metrics.confusion_matrix(digits.test_labels, p.argmax(dim=1), labels=list(range(10)))
    assert np.array_equal(confusion.to_numpy(), theirs)
    assert accuracy(confusion) == metrics.accuracy_score(digits.test_labels, p.argmax(dim=1))


@pytest.mark.parametrize("stop", [1, 5, 6, 11, 12])
def test_goes_on_from_its_state_to_bitwise_the_same_classifier(stop):
    """Within a pass over the images, at the end of one, and after the last step."""
    digits = read_embedded_digits(8, seed=0)
    settings = ClassifierSettings(seed=1, epochs=2, batch_size=16, learning_rate=4e-3)
    whole, rest = (
        ClassifierTraining(digits.train_images[:100], digits.train_labels[:100], settings, CPU) for _ in range(2)
    )
    torch.manual_seed(1)  # as at the start of a training alone
    losses = []
    for step, loss in classifier_steps(whole):
        losses.append(loss.item())
        if step == stop:
            state = {name: value.clone() for name, value in whole.state().items()}
    rates = whole.rate(12)
    rest.restore(stop, state)
    assert [loss.item() for _, loss in classifier_steps(rest)] == losses[stop:] and whole.steps == 12
    assert rest.rate(12) == rates
    expected = whole.trained().state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in rest.trained().state_dict().items())


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


def test_dropout_is_drawn_on_the_cpu_and_is_that_of_pytorch():
    h = torch.randn(5, 7)
    torch.manual_seed(3)
    expected = torch.nn.Dropout(0.2)(h)
    torch.manual_seed(3)
    assert torch.equal(Dropout(0.2)(h), expected) and (expected == 0).any()
    torch.manual_seed(3)
    with FakeTensorMode(allow_non_fake_inputs=True):  # on a device that has no generator of its own
        assert Dropout(0.2)(torch.empty(5, 7, device="cuda")).device.type == "cuda"
    assert torch.equal(Dropout(0.2).eval()(h), h)


def test_precision_is_what_was_asked_for():
    assert choose_precision("float32", CPU) == torch.float32
    assert choose_precision("bfloat16", CPU) == torch.bfloat16
    assert choose_precision("auto", CPU) in (torch.float32, torch.bfloat16)


class Brightness(nn.Module):
    """Stands in for a classifier: the logit of digit d is 100 times how near the mean of the image is to d / 10."""

    def forward(self, x):
        return -1000 * (x.mean(dim=(1, 2, 3))[:, None] - torch.arange(10) / 10).square()


def grey(values):
    return torch.tensor(values).reshape(-1, 1, 1, 1).expand(-1, 1, 2, 2).contiguous()


def test_labels_are_the_likeliest_and_confidence_their_probability():
    x = grey([0.3, 0.85, 0.0])
    labels, confidence = read_labels(Brightness(), x)
    assert labels[0] == 3 and labels[1] in (8, 9) and labels[2] == 0
    next_to = np.exp(-10)  # a tenth away: 1000 / 100
    assert confidence[0] == pytest.approx(1 / (1 + 2 * next_to), rel=1e-4) and confidence[1] == pytest.approx(
        0.5, rel=1e-3
    )
    assert confidence == pytest.approx(probabilities(Brightness(), x, CPU).amax(dim=1).numpy())


def test_samples_are_sorted_into_categories_within_the_grey_values_range():
    """An image brighter than white counts as white: of the mean 1, next to digit 9."""
    table = categorise(Brightness(), np.array([4, 5, 6]), grey([0.3, 0.85, 40.0]).numpy())
    assert table["index"].tolist() == [4, 5, 6] and table["label"].tolist()[::2] == [3, 9]
    assert np.allclose(table[[f"p{digit}" for digit in range(10)]].sum(axis=1), 1)
    assert [table[f"p{row.label}"][i] for i, row in enumerate(table.itertuples())] == table["confidence"].tolist()
    summary = summarise(table, 0.9)
    assert (summary["samples"], summary["recognised"], summary["confidence_threshold"]) == (3, 2, 0.9)
    assert summary["recognised_share"] == pytest.approx(2 / 3) and sum(summary["counts"].values()) == 3
    assert summary["counts"]["3"] == 1 and summary["mean_confidence"] == pytest.approx(table["confidence"].mean())


def test_shards_are_joined_in_the_order_of_the_samples(tmp_path):
    for number, index in enumerate([[4, 1], [0, 3, 2]]):
        images = np.array(index, dtype=np.float32).reshape(-1, 1, 1, 1) * np.ones((1, 1, 2, 2), dtype=np.float32)
        np.savez(tmp_path / f"{number}.npz", index=np.array(index), images=images)
    index, images = join_shards(sorted(tmp_path.iterdir()))
    assert index.tolist() == [0, 1, 2, 3, 4] and images[:, 0, 1, 1].tolist() == [0, 1, 2, 3, 4]
    assert images.dtype == np.float32 and images.shape == (5, 1, 2, 2)


def test_features_are_what_the_last_layer_sees():
    torch.manual_seed(0)
    model, x = Classifier(width=4).eval(), torch.rand(7, 1, 16, 16)
    seen = features(model, x, batch_size=3)
    assert seen.shape == (7, 64) and seen.dtype == np.float64
    with torch.no_grad():
        expected = probabilities(model, x, CPU)
        assert torch.allclose(model.logits(torch.from_numpy(seen).float()).double().softmax(dim=1), expected, atol=1e-6)


@pytest.mark.parametrize("rate", [1e20, 1e38])
def test_a_classifier_that_diverged_is_refused(rate):
    images, labels = torch.randint(0, 256, (32, 1, 8, 8), dtype=torch.uint8), torch.arange(32) % 10
    settings = ClassifierSettings(seed=0, epochs=2, batch_size=8, learning_rate=rate)
    with pytest.raises(UserError, match=r"training diverged, .*lower classifier\.learning_rate"):
        train_classifier(images, labels, settings, torch.device("cpu"))
