"""What is counted of the network's cost and of the training's code."""

import pytest

from claims.network import label_names, operations


def test_operations_of_the_papers_network():
    forward, training = operations(64, 32)
    assert forward == pytest.approx(3.23e9, rel=0.01)
    assert training == pytest.approx(3 * forward, rel=0.01)


@pytest.mark.parametrize(
    "code, found",
    [
        ("images = digits.train_images", []),
        ("# labels\nx = 1", []),
        ("y = digits.train_labels", ["code.py: train_labels"]),
        ("def train(images, labels): pass", ["code.py: labels"]),
        ("train(images, label=y)", ["code.py: label"]),
        ("from data import Labels", ["code.py: Labels"]),
    ],
)
def test_names_of_labels_are_found(tmp_path, code, found):
    (tmp_path / "code.py").write_text(code)
    assert label_names([tmp_path / "code.py"]) == found
