"""Settings that cannot be used, each with the one sentence that says so; and documents that break another schema."""

from copy import deepcopy

import pytest
import yaml
from conftest import ROOT
from snakemake.utils import update_config

from engine.schemas import schema_errors
from engine.settings import MOVED, errors

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
BAD = [
    ({"ddpm": {"T": 0}}, "ddpm.T is 0, but must be the number of steps of the forward process (2), at least 1"),
    ({"ddpm": {"beta_T": 1.5}}, "ddpm.beta_T is 1.5, but must be the last value of the variance schedule, above 0"),
    ({"ddpm": {"beta_1": 0}}, "ddpm.beta_1 is 0, but must be the first value"),
    ({"ddpm": {"beta_1": "1e-4"}}, "It was read as text: write 1.0e-4 for 1e-4, and numbers in a --configfile, not in"),
    ({"ddpm": {"chanels": 64}}, "ddpm.chanels is not a known key; did you mean 'channels'?"),
    ({"sampels": {"count": 3}}, "sampels is not a known key; did you mean 'samples'?"),
    ({"ddpm": {"adam_decays": [0.9, 1.0]}}, "ddpm.adam_decays.1 is 1.0, but must be Adam's two decay rates"),
    ({"ddpm": {"start": 1234567}}, "ddpm.start is 1234567, but must be the path of a folder of weights, or of a"),
    ({"ddpm": {"start_sha256": "12ab"}}, "ddpm.start_sha256 is '12ab', but must be the SHA-256 of that folder's file"),
    ({"ddpm": {"channels": 47}}, "ddpm.channels is 47, but must be the number of channels"),
    ({"ddpm": 7}, "ddpm is 7, but must be a block of settings: the diffusion process"),
    (
        {"data": {"image_size": 30}},
        "data.image_size is 30, but must be the width and height of an image in pixels, at least 8 and a multiple of 4",
    ),
    ({"data": {"source": "cifar"}}, "data.source is 'cifar', but must be mnist, or digits"),
    ({"execution": {"mirrors": "/data"}}, "execution.mirrors is '/data', but must be a list of folders or URLs"),
    ({"samples": {"count": 0}}, "samples.count is 0, but must be the number of images to generate for figure 4, at"),
    ({"samples": {"count": 3}, "execution": {"shards": 4}}, "execution.shards exceeds samples.count"),
    (
        {"figures": {"backward_times": [700, 0]}},
        "figures.backward_times has [700], but the process ends at ddpm.T",
    ),
    (
        {"ddpm": {"T": 1000}, "figures": {"backward_times": [1000, 0]}},
        "figures.forward_times lacks ddpm.T = 1000, the step at which all is noise: add it",
    ),
    ({"figures": {"backward_times": [499, 0]}}, "figures.backward_times lacks ddpm.T = 500, the step at which all is"),
    ({"figures": {"backward_times": [500, 100]}}, "figures.backward_times lacks 0, the step at which an image is done"),
    ({"execution": {"gpus": 3}}, "execution.gpus is 3, which does not divide ddpm.batch_size"),
    ({"pde": {"profile_times": [99]}}, "pde.profile_times has [99], beyond pde.t_end"),
    ({"pde": {"amplitudes": [1, 0]}}, "pde.amplitudes ends in 0"),
    ({"compute": {"device": "gpu"}}, "compute.device is 'gpu', but must be auto for CUDA"),
    ({"preset": "a/b"}, "preset is 'a/b', but must be the folder of results/"),
]


def laid_over_config(changes: dict) -> dict:
    """The settings of config.yaml with these changes, as Snakemake has them with a --configfile."""
    settings = deepcopy(CONFIG)
    update_config(settings, changes)
    return settings


def test_config_yaml_and_all_presets_can_be_used():
    assert errors(CONFIG, SCHEMA) == []
    for preset in (ROOT / "presets").glob("*.yaml"):
        assert errors(laid_over_config(yaml.safe_load(preset.read_text(encoding="utf-8"))), SCHEMA) == []


@pytest.mark.parametrize("changes, sentence", BAD, ids=[sentence.split(",")[0] for _, sentence in BAD])
def test_a_bad_setting_has_one_sentence(changes, sentence):
    [found] = errors(laid_over_config(changes), SCHEMA)
    assert sentence in found


@pytest.mark.parametrize("old", MOVED)
def test_an_old_key_is_told_its_new_name(old):
    section, key = old.split(".")
    assert errors(laid_over_config({section: {key: 1}}), SCHEMA) == [f"{old} has moved: write {MOVED[old]}"]
    assert MOVED[old].split(".")[1] in CONFIG["execution"]


def test_all_bad_settings_are_named_at_once():
    found = errors(laid_over_config({"ddpm": {"T": 0, "gpus": 2}, "seed": -1, "colour": "red"}), SCHEMA)
    assert len(found) == 4
    assert found[0] == "ddpm.gpus has moved: write execution.gpus"


def test_a_missing_setting_is_named():
    settings = deepcopy(CONFIG)
    del settings["seed"], settings["ddpm"]["T"]
    assert set(errors(settings, SCHEMA)) == {
        "config.yaml: 'seed' is a required property",
        "ddpm: 'T' is a required property",
    }


LIST = {
    "type": "object",
    "properties": {
        "numbers": {"description": "a list of numbers", "type": "array", "items": {"type": "number"}},
        "pairs": {"type": "array", "items": {"type": "object", "minProperties": 2}},
    },
}


@pytest.mark.parametrize(
    "document, sentence",
    [
        ({"numbers": [1, "2e3"]}, "entry 1 of numbers is '2e3', but must be a list of numbers. It was read as text"),
        ({"pairs": [{"a": 1}]}, "entry 0 of pairs: {'a': 1} does not have enough properties"),
        ([], "the list: [] is not of type 'object'"),
    ],
)
def test_a_document_of_another_form_is_told_by_names_of_its_own(document, sentence):
    [found] = schema_errors(document, LIST, lambda address: f"entry {address[1]} of {address[0]}", root="the list")
    assert found.startswith(sentence)
