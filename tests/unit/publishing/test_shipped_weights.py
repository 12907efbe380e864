"""The trained weights that travel with the repository are what their records say."""

import json

import pandas as pd
import pytest
import torch
from conftest import ROOT
from safetensors.torch import load_file

from benchmarks.settings import settings
from diffusion.classifier import Classifier, probabilities
from diffusion.data import read_mnist
from diffusion.forward import VarianceSchedule
from diffusion.images import rescale
from diffusion.training import draw, loss
from diffusion.unet import UNet
from publishing.weights import LARGEST_FILE, join, verify

WEIGHTS = ROOT / "weights"
RECORDS = {name: json.loads((WEIGHTS / f"{name}.json").read_text(encoding="utf-8")) for name in ("ddpm", "classifier")}


@pytest.fixture(scope="module")
def digits(mnist):
    return read_mnist(mnist, RECORDS["ddpm"]["summary"]["image_size"])


def test_files_are_whole_and_small():
    files = [file for file in WEIGHTS.iterdir() if file.name not in ("SHA256SUMS", "README.md")]
    verify(files, WEIGHTS / "SHA256SUMS")
    sizes = [file.stat().st_size for file in files]
    assert max(sizes) <= LARGEST_FILE and sum(sizes) <= 30_000_000


@pytest.mark.parametrize("name", RECORDS)
def test_the_preset_has_the_settings_of_their_training(name):
    preset = settings("shipped")
    for section, values in RECORDS[name]["settings"].items():
        assert values == {key: preset[section][key] for key in values}


def test_the_network_is_the_papers_and_predicts_the_noise_as_well_as_at_the_end_of_its_training(digits):
    """On 512 test images, with t spread over 1..T. Over a dozen seeds their loss was 0.98 of that in training, with a
    standard deviation of 0.009, so that a bound of 6% on either side errs for less than one seed in 10,000.
    """
    record = RECORDS["ddpm"]
    network = UNet(record["settings"]["ddpm"]["channels"], record["summary"]["image_size"])
    network.load_state_dict(join([load_file(file) for file in sorted(WEIGHTS.glob("ddpm-*.safetensors"))]))
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
    classifier = Classifier()
    classifier.load_state_dict(load_file(WEIGHTS / "classifier.safetensors"))
    p = probabilities(classifier, rescale(digits.test_images), torch.device("cpu"))
    right = (p.argmax(dim=1) == digits.test_labels).double().mean().item()
    assert right == pytest.approx(RECORDS["classifier"]["summary"]["test_accuracy"], abs=0.0005)
