"""What is counted of the network's cost and of the training's code."""

import pytest
import torch
import yaml
from conftest import ROOT

from claims import network
from claims.network import Experiment, label_names, operations
from diffusion.forward import VarianceSchedule

SETTINGS = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
SMALL = Experiment(channels=32, image_size=8, epochs=2, images=100)
SUMMARY = {
    "last_loss": 0.1, "parameters": sum(p.numel() for p in SMALL.network().parameters()), "image_size": 8,
    "image_visits": 200, "seconds": 120.0, "device": "NVIDIA GeForce RTX 3090, bfloat16", "processes": 1,
}  # fmt: skip


def test_config_yaml_has_the_papers_numbers():
    """Which the claims on its network and on the cost of its training are about, in every preset."""
    ddpm = SETTINGS["ddpm"]
    assert (ddpm["channels"], SETTINGS["data"]["image_size"]) == (64, 32)
    assert (ddpm["epochs"], ddpm["images_per_epoch"]) == (500, 60_000)


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


def test_the_papers_network_has_its_parameters_and_layers():
    assert network.size(Experiment(64, 32, 500, 60_000).network()) == {"parameters": 12_980_033, "layers": 205}


def test_arithmetic_is_that_of_a_step_for_every_visit():
    found = network.arithmetic(SMALL)
    assert found["image_visits"] == 200 and found["operations"] == 200 * operations(32, 8)[1]
    assert found["use_of_peak"] == pytest.approx(found["operations"] / 35.6e12 / (35 * 60))
    assert found["use_with_tutorials_images"] == pytest.approx(100 * found["use_of_peak"])  # 10,000 for the 100


def test_labels_in_the_file_of_images_do_not_count(tmp_path):
    for name in ("images.py", "training.py", "unet.py"):
        (tmp_path / name).write_text("labels = 1" if name == "images.py" else "x = 1")
    files = sorted(tmp_path.iterdir())
    assert network.labels(files) == {"names": 0, "files": 2, "found": ""}
    (tmp_path / "unet.py").write_text("def f(label): return label")
    assert network.labels(files) == {"names": 2, "files": 2, "found": "unet.py: label, unet.py: label"}


def test_the_papers_training_is_known_by_all_that_makes_it():
    found = network.training(SUMMARY, SMALL)
    assert found["papers_training_on_its_card"] is True and found["minutes"] == 2
    for other in (
        {"device": "NVIDIA H100, bfloat16"}, {"image_visits": 199}, {"processes": 2}, {"image_size": 32},
        {"parameters": 1},
    ):  # fmt: skip
        assert network.training(SUMMARY | other, SMALL)["papers_training_on_its_card"] is False


def test_generation_takes_the_fastest_step_t_times(monkeypatch):
    """Steps that take 3, 1, 2 and 5 seconds by the clock."""
    ticks = iter([0, 3, 4, 6, 11])
    monkeypatch.setattr(network.time, "monotonic", lambda: next(ticks))
    found = network.generation(SMALL.network(), VarianceSchedule.linear(30, 1e-3, 0.2))
    assert (found["images"], found["minutes"]) == (9, 0.5) and found["seconds_per_image"] == pytest.approx(30 / 9)


def test_generation_on_fewer_steps_than_are_timed():
    assert network.generation(SMALL.network(), VarianceSchedule.linear(1, 0.1, 0.1))["minutes"] > 0


def test_measure_gives_every_record(tmp_path):
    (tmp_path / "training.py").write_text("x = 1")
    torch.manual_seed(0)
    records = network.measure(SMALL, SUMMARY, [tmp_path / "training.py"], VarianceSchedule.linear(3, 0.1, 0.2))
    assert set(records) == {"size", "arithmetic", "labels", "training", "generation"}
    assert records["size"]["parameters"] == records["training"]["parameters"]
