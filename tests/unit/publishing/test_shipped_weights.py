"""The trained weights that travel with the repository are what their records say."""

import json

import pandas as pd
import pytest
import torch
from conftest import ROOT

from benchmarks.settings import settings
from diffusion.classifier import Classifier, probabilities
from diffusion.data import read_archives
from diffusion.forward import VarianceSchedule
from diffusion.images import rescale
from diffusion.sources import SOURCES
from diffusion.training import draw, loss
from diffusion.unet import UNet
from engine.files import sha256
from publishing.weights import LARGEST_FILE, SUMS, unpack

WEIGHTS = ROOT / "weights"
RECORDS = {name: json.loads((WEIGHTS / f"{name}.json").read_text(encoding="utf-8")) for name in ("ddpm", "classifier")}


@pytest.fixture(scope="module")
def digits(mnist):
    return read_archives(SOURCES["mnist"], mnist, RECORDS["ddpm"]["summary"]["image_size"])


def test_files_are_whole_and_small():
    files = [file for file in WEIGHTS.iterdir() if file.name not in (SUMS, "README.md")]
    listed = [line.split() for line in (WEIGHTS / SUMS).read_text(encoding="utf-8").splitlines()]
    assert sorted(listed) == sorted([sha256(file), file.name] for file in files)
    sizes = [file.stat().st_size for file in files]
    assert max(sizes) <= LARGEST_FILE and sum(sizes) <= 30_000_000


NEEDED = {
    "ddpm": {"data": ("source", "image_size"), "ddpm": ("T", "beta_1", "beta_T", "channels")},
    "classifier": {"data": ("source", "image_size")},
}
"""The settings that the use of each model depends on."""


def needed(name: str, preset: dict) -> dict:
    return {section: {key: preset[section][key] for key in keys} for section, keys in NEEDED[name].items()}


@pytest.mark.parametrize("name", RECORDS)
def test_the_preset_that_takes_them_may_use_them(name):
    assert unpack(WEIGHTS, name, needed(name, settings("shipped"))).record == RECORDS[name]


@pytest.mark.parametrize("name", RECORDS)
def test_make_weights_trains_with_the_settings_of_their_last_training(name):
    preset = settings("weights")
    for section, values in RECORDS[name]["settings"].items():
        for key, value in values.items():
            assert key == "start" or preset[section][key] == value, key


def test_make_weights_goes_on_from_these_weights():
    ddpm = settings("weights")["ddpm"]
    assert (ddpm["start"], ddpm["start_sha256"]) == ("weights", sha256(WEIGHTS / SUMS))


def test_the_network_is_the_papers_and_predicts_the_noise_as_well_as_at_the_end_of_its_training(digits):
    """On 512 test images, with t spread over 1..T. Over a dozen seeds their loss was 0.98 of that in training, with a
    standard deviation of 0.009, so that a bound of 6% on either side errs for less than one seed in 10,000.
    """
    record = RECORDS["ddpm"]
    network = UNet(record["settings"]["ddpm"]["channels"], record["summary"]["image_size"])
    network.load_state_dict(unpack(WEIGHTS, "ddpm", needed("ddpm", settings("shipped"))).tensors)
    assert sum(p.numel() for p in network.parameters()) == record["summary"]["parameters"] == 12_980_033
    ddpm = record["settings"]["ddpm"]
    schedule = VarianceSchedule.linear(ddpm["T"], ddpm["beta_1"], ddpm["beta_T"])
    x_0 = rescale(digits.test_images[:512])
    t, eps = draw(0, 0, len(x_0), schedule.T, tuple(x_0.shape[1:]), stratified=True)
    with torch.inference_mode():
        parts = zip(x_0.split(64), t.split(64), eps.split(64), strict=True)
        found = torch.cat([loss(network, *part, schedule) for part in parts]).mean()
    history = pd.read_csv(WEIGHTS / "ddpm_history.csv")
    assert found == pytest.approx(history["loss"].tail(len(history) // 10).mean(), rel=0.06)


def test_the_classifier_is_as_good_as_its_record_says(digits):
    """On all 10,000 test images; five may turn over, since another processor rounds differently."""
    classifier = Classifier.load(WEIGHTS / "classifier.safetensors")
    p = probabilities(classifier, rescale(digits.test_images), torch.device("cpu"))
    right = (p.argmax(dim=1) == digits.test_labels).double().mean().item()
    assert right == pytest.approx(RECORDS["classifier"]["summary"]["test_accuracy"], abs=0.0005)
