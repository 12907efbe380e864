"""What returned images say of when a digit is decided, on runs whose answer is known."""

import numpy as np
import pytest
import torch

from claims import decision_network
from diffusion.classifier import Classifier, read_labels
from diffusion.data import read_embedded_digits
from diffusion.images import rescale

PREDICTED = {
    "t": np.array([100, 200, 300, 400, 500]),
    "kept": np.array([1.0, 1.0, 0.8, 0.3, 0.1]),
    "figure_6": np.array([1.0, 1.0, 0.9, 0.2, 0.1]),
    "predicted": np.array(380.0),
    "by_chance": np.array(0.1),
}


def test_the_middle_of_the_transition_with_its_interval():
    random = np.random.default_rng(0)
    same = random.random((5, 200)) < np.array([1.0, 1.0, 0.8, 0.3, 0.1])[:, None]
    record = decision_network.decided([100, 200, 300, 400, 500], same, PREDICTED, 500, random)
    assert record["posterior"] == pytest.approx(350) and record["spectrum"] == 380
    assert record["halfway_low"] < 350 < record["halfway_high"]
    assert record["halfway_high"] - record["halfway_low"] < 40
    assert record["from_posterior"] == pytest.approx((record["halfway"] - 350) / 500)
    assert record["from_spectrum"] == pytest.approx((record["halfway"] - 380) / 500)


def test_from_which_t_down_figure_6_agrees():
    t, fives = [100, 200, 300, 400], np.full(9, 5)
    mixed = np.array([5, 5, 5, 3, 3, 5, 5, 1, 5])
    record = decision_network.figure_6(t, [fives, fives, np.append(fives[:8], 3), mixed], 5, PREDICTED, 500)
    assert (record["agreed"], record["agreeing"], record["agreeing_end"]) == (300, [9, 9, 8, 6], 6)
    assert record["expected"] == pytest.approx(300 + 100 * (0.9 - 8 / 9) / 0.7)
    assert record["of_T"] == pytest.approx((300 - record["expected"]) / 500)


def test_measure_on_images_that_return_as_themselves_or_not():
    """From t = 100 each image returns as itself, from t = 500 as the next one."""
    torch.manual_seed(0)
    images, model = read_embedded_digits(16, seed=0), Classifier(width=4)
    model.train()
    with torch.no_grad():
        model(rescale(images.train_images))
    model.eval()
    originals = np.arange(30)
    x = rescale(images.test_images[:30])
    seen = read_labels(model, x)[0]
    right = float((seen == images.test_labels.numpy()[:30]).mean())
    moved = float((np.roll(seen, 1) == images.test_labels.numpy()[:30]).mean())
    one = rescale(images.train_images[:1])
    returned = decision_network.Returned(
        [100, 500],
        originals,
        images=torch.stack([x, x.roll(1, dims=0)]),
        runs=torch.stack([one.expand(9, -1, -1, -1), x[:9]]),
        x_t=one[0].expand(2, -1, -1),
    )
    records, shown = decision_network.measure(returned, images, 0, model, PREDICTED, 500, 0)
    assert set(records) == {"decided", "figure_6"}
    np.testing.assert_allclose(shown["share"][:, 0], [right, moved])
    assert records["decided"]["share_end"] == pytest.approx(moved)
    assert shown["runs"].shape == (2, 9, 16, 16) and shown["x_t"].shape == (2, 16, 16)
    agreeing = 9 if read_labels(model, one)[0][0] == images.train_labels[0] else 0
    assert records["figure_6"]["agreeing"][0] == agreeing


def write(file, t, index):
    """What return_digits.py would write, with the number t in every pixel."""
    shapes = {"images": (len(index), 8, 8), "runs": (9, 8, 8), "x_t": (8, 8)}
    np.savez(file, index=index, **{name: np.full(shape, t, np.float32) for name, shape in shapes.items()})
    return file


def test_what_returned_is_read_in_the_order_of_t(tmp_path):
    index = np.array([4, 2, 7])
    files = {t: write(tmp_path / f"t{t}.npz", t, index) for t in (300, 50, 100)}
    returned = decision_network.Returned.read(files)
    assert returned.t == [50, 100, 300] and returned.originals.tolist() == [4, 2, 7]
    assert returned.images.shape == (3, 3, 1, 8, 8) and returned.runs.shape == (3, 9, 1, 8, 8)
    for part in (returned.images, returned.runs, returned.x_t):
        assert part.flatten(1).amin(dim=1).tolist() == part.flatten(1).amax(dim=1).tolist() == [50, 100, 300]


def test_files_of_different_originals_are_refused(tmp_path):
    files = {t: write(tmp_path / f"t{t}.npz", t, np.array([t, 1])) for t in (1, 2)}
    with pytest.raises(ValueError, match="not of the same originals"):
        decision_network.Returned.read(files)
