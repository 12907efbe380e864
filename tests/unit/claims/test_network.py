"""What is counted of the network's cost, and measured of what its training uses and learns."""

import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT

from claims import network
from claims.network import Experiment, operations
from diffusion.affine import affine_losses, variances
from diffusion.data import read_embedded_digits
from diffusion.forward import VarianceSchedule
from diffusion.images import rescale

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
    forward, training, convolutions = operations(64, 32)
    assert forward == pytest.approx(3.23e9, rel=0.01)
    assert training == pytest.approx(3 * forward, rel=0.01)
    assert 0.7 < convolutions < 0.9


def test_the_papers_network_has_its_parameters_layers_and_inputs():
    found = network.size(Experiment(64, 32, 500, 60_000).network())
    assert found == {"parameters": 12_980_033, "layers": 205, "inputs": 2, "input_names": "x and t"}


def test_arithmetic_is_that_of_a_step_for_every_visit():
    found = network.arithmetic(SMALL)
    _, of_step, convolutions = operations(32, 8)
    assert found["image_visits"] == 200 and found["operations"] == 200 * of_step
    assert found["use_of_peak"] == pytest.approx(found["operations"] / 35.6e12 / (35 * 60))
    assert found["use_with_tutorials_images"] == pytest.approx(100 * found["use_of_peak"])  # 10,000 for the 100
    assert found["use_in_bfloat16"] == pytest.approx(found["use_of_peak"] * 35.6 / 71)
    rest = 1 - convolutions
    for name, saved in (("use_winograd_2", 2.25), ("use_winograd_4", 4), ("use_winograd_6", 324 / 64)):
        assert found[name] == pytest.approx(found["use_of_peak"] * (rest + convolutions / saved))


def test_arithmetic_of_the_paper_in_both_readings():
    found = network.arithmetic(Experiment(64, 32, 500, 60_000))
    printed = [
        found[f"use_{name}"] for name in ("of_peak", "winograd_2", "winograd_4", "winograd_6", "with_tutorials_images")
    ]
    assert printed == pytest.approx([3.9, 2.2, 1.6, 1.4, 0.65], abs=0.05)


def test_grams_a_mile():
    assert network.carbon()["a_mile"] == pytest.approx(388.8, abs=0.05)


SCHEDULE = VarianceSchedule.linear(20, 1e-3, 0.3)


def test_labels_that_are_used_in_training_move_its_gradient(monkeypatch):
    """A training that darkens the images by a label read from the file, under another name, is found out."""
    digits = read_embedded_digits(8, seed=0)
    found = network.labels(digits, 32, SCHEDULE, seed=1)
    assert found["difference"] == 0 < found["gradient"] and found["moved"] > 1000 and found["images"] == 1437

    class Darkened(type(digits)):
        @classmethod
        def load(cls, file):
            with np.load(file) as arrays:
                x, y = (torch.from_numpy(arrays[name]) for name in arrays.files[:2])
            return cls((x // (1 + y[:, None, None, None])).to(torch.uint8), y, x, y)

    monkeypatch.setattr(network, "Digits", Darkened)
    assert network.labels(digits, 32, SCHEDULE, seed=1)["difference"] > 0


def test_the_loss_is_compared_with_the_linear_one():
    images = read_embedded_digits(8, seed=0).train_images
    found = network.noise(0.01, images, SCHEDULE)
    assert found["linear_loss"] == affine_losses(variances(rescale(images)), SCHEDULE).mean().item()
    assert found["relative_to_linear"] == 0.01 / found["linear_loss"]


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


def test_measure_gives_every_record():
    records = network.measure(
        SMALL, SUMMARY, read_embedded_digits(8, seed=0), 32, VarianceSchedule.linear(3, 0.1, 0.2), 1
    )
    assert set(records) == {"size", "arithmetic", "carbon", "labels", "noise", "training", "generation"}
    assert records["size"]["parameters"] == records["training"]["parameters"]
    assert records["noise"]["last_loss"] == SUMMARY["last_loss"]
