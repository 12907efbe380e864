"""What is written of trainings, and the network that one starts with."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from networks import small_network

from diffusion.classifier import Classifier, classifier_summary
from diffusion.data import read_embedded_digits
from engine.tensors import write_tensors
from publishing.training import Earlier, first_network, history_table, summary


@pytest.fixture
def start(tmp_path):
    """The files of a training of 5 steps on 40 images in 2 s, and the network that came of it."""
    model = small_network()
    write_tensors(tmp_path / "start.safetensors", model.state_dict())
    record = {"summary": {"steps": 5, "image_visits": 40, "seconds": 2.0}}
    (tmp_path / "start.json").write_text(json.dumps(record))
    (tmp_path / "history.csv").write_text("step,images,seconds,loss\n5,40,2.0,0.5\n")
    return model, [tmp_path / "start.safetensors", tmp_path / "start.json", tmp_path / "history.csv"]


def weights(model):
    return torch.cat([p.flatten() for p in model.parameters()])


def test_without_a_start_the_weights_are_random_by_the_seed():
    (first, earlier), (again, _), (other, _) = (first_network(32, 8, seed) for seed in (0, 0, 1))
    assert torch.equal(weights(first), weights(again)) and not torch.equal(weights(first), weights(other))
    assert torch.equal(weights(first), weights(small_network())) and (earlier.steps, len(earlier.history)) == (0, 0)


def test_a_start_gives_its_weights_and_its_past(start):
    model, files = start
    found, earlier = first_network(32, 8, 9, files)
    assert torch.equal(weights(found), weights(model))
    assert (earlier.steps, earlier.image_visits, earlier.seconds) == (5, 40, 2.0)
    table = history_table([{"step": 3, "images": 24, "seconds": 1.0, "loss": 0.25}], earlier)
    assert table["step"].tolist() == [5, 8] and table["seconds"].tolist() == [2.0, 3.0]
    told = summary(table, torch.zeros(7, 1, 8, 8), found)
    assert (told["steps"], told["image_visits"], told["last_loss"], told["image_size"]) == (8, 64, 0.25, 8)
    assert told["parameters"] == len(weights(found)) and told["training_images"] == 7


def test_history_without_a_start_is_that_of_the_training():
    rows = [{"step": 1, "images": 8, "seconds": 0.5, "loss": 1.0}]
    pd.testing.assert_frame_equal(history_table(rows, Earlier()), pd.DataFrame(rows), check_dtype=False)


def test_the_judge_is_told_by_its_table_of_confusions():
    digits, confusion = read_embedded_digits(8, seed=0), pd.DataFrame(np.diag([9] * 10) + 1)
    found = classifier_summary(confusion, digits, Classifier(), seconds=3.0)
    assert found["test_accuracy"] == pytest.approx(100 / 190) and found["seconds"] == 3.0
    assert (found["training_images"], found["test_images"]) == (1437, 360)
    assert found["parameters"] == sum(p.numel() for p in Classifier().parameters())
