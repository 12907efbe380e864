"""Settings that cannot be used, each with the one sentence that says so; and documents that break another schema."""

import re
from copy import deepcopy

import pytest
import yaml
from conftest import ROOT
from snakemake.utils import update_config

from diffusion.sources import training_images
from engine.schemas import schema_errors
from engine.settings import MOVED, declare, errors

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
IMAGES = training_images()
BAD = [
    ({"pde": {"length": 1000.0}}, "pde.length is 1000.0, on which a mode takes 7.78e+07 steps of pde.dt"),
    ({"beyond": {"reversal": {"noise": [1.0, 0.5, 0.1, 0.01, 0.001]}}}, "beyond.reversal.noise"),
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
    ({"preset": "demo\n"}, r"preset is 'demo\n', but must be the folder of results/"),
    ({"preset": "a" * 101}, "but must be the folder of results/"),
    ({"ddpm": {"start_sha256": "a" * 64 + "\n"}}, r"a\n', but must be the SHA-256"),
    ({"agent": "{x}"}, "agent is '{x}', but must be who runs it"),
    ({"agent": "a\nb"}, r"agent is 'a\nb', but must be who runs it"),
    ({"ddpm": {"start": "{x}"}}, "ddpm.start is '{x}', but must be the path"),
    (
        {"seed": 2**32},
        "seed is 4294967296, but must be the seed of every random number, a whole number from 0 to 42949",
    ),
    ({"pde": {"refinement": [50, 50.0]}}, "pde.refinement is [50, 50.0], but must be a list of 2 to 20 different"),
    ({"pde": {"dt": 0.3}}, "pde.dt is 0.3, whose steps do not reach the times 4.0, 1.1, 1.9 of pde.t_end and"),
    ({"pde": {"dt": 7}}, "pde.dt is 7.0, whose steps do not reach the times 4.0, 0.3, 0.6, 1.1, 1.9"),
    ({"pde": {"profile_times": [0, 0.0005]}}, "pde.dt is 0.001, whose steps do not reach the times 0.0005 of"),
    ({"pde": {"t_end": 1e-9, "profile_times": [0]}}, "pde.t_end is 1e-09, less than one step pde.dt = 0.001"),
    ({"pde": {"dt": 1e-12}}, "pde.t_end / pde.dt is 4e+12, more than 10,000,000 steps"),
    ({"pde": {"amplitudes": [1.0, 1e200]}}, "pde.amplitudes.1 is 1e+200, but must be a list of 2 to 12 amplitudes"),
    ({"pde": {"amplitudes": [1e-200, 1e-200]}}, "pde.amplitudes are all below 1.0e-100"),
    (
        {"ddpm": {"T": 2000, "beta_T": 0.99}, "figures": {"forward_times": [0, 2000], "backward_times": [2000, 0]}},
        "ddpm.T = 2000 steps from ddpm.beta_1 = 0.0001 to ddpm.beta_T = 0.99 leave",
    ),
    ({"ddpm": {"loss_weight_power": 1000}}, "ddpm.loss_weight_power is 1000.0, at which the weights of the loss"),
    (
        {"data": {"source": "digits"}, "figures": {"training_images": 9999}},
        "figures.training_images is 9999, but there are 1,437 training images of digits",
    ),
    ({"data": {"source": "digits"}, "samples": {"originals": 1438}}, "samples.originals is 1438, but there are 1,437"),
    (
        {"data": {"source": "digits"}, "beyond": {"network": True, "steps": {"images": 1500}}},
        "beyond.steps.images is 1500, but there are 1,437 training images of digits: use at most that",
    ),
    ({"beyond": {"start": {"draws": 1_000_000}}}, "beyond.start.draws is 1000000, but must be a number of starts"),
    ({"beyond": {"reversal": {"end": 1e-300}}}, "beyond.reversal.end is 1e-300, but must be a time from 1.0e-6"),
    ({"pde": {"length": 0.1}}, "pde.t_end is 4, which is 3.95e+03 times 1 / lambda_1 with pde.length = 0.1"),
    ({"agent": "Zo\ud800"}, "agent is 'Zo\\ud800', but must be who runs it"),
    ({"agent": "https://me:s3cret@example.org"}, "agent is 'https://***@example.org', but must be who runs it"),
    (
        {"pde": {"profile_times": [0.0, 1.0e306]}},
        "beyond pde.t_end = ",
    ),
    (
        {"beyond": {"digits": {"flow_times": [0.1] * 9}}},
        "0.1], but must be a list of 1 to 8 times at which the flow",
    ),
    (
        {"beyond": {"reversal": {"noisy_ends": [2.0, 1.0]}}},
        "beyond.reversal.noisy_ends is [2.0, 1.0], but its times must",
    ),
    ({"beyond": {"digits": {"ends": [0.01, 0.01]}}}, "beyond.digits.ends is [0.01, 0.01], but its times must ascend"),
    (
        {"ddpm": {"start_sha256": "ab" * 32}},
        "ddpm.start_sha256 is given, but ddpm.start, what it is the SHA-256 of, is",
    ),
    ({"seed": 16**5000}, "seed is a whole number of thousands of digits"),
    ({"pde": {"refinement": [50, -(10**5000)]}}, "pde.refinement.1 is a whole number of thousands of digits"),
    ({"ddpm": {"start": "y/" + "x" * 256}}, "ddpm.start has a name in it that is longer than any file's"),
    ({"agent": "https://["}, "agent begins as a URL, but is none: write a name, or an ORCID's URL"),
    ({"agent": "https://é℀.com/"}, "agent begins as a URL, but is none"),
    ({"ddpm": {"start": "x" * 5000}}, "but must be the path of a folder of weights"),
    ({"execution": {"mirrors": ["/data\nmnist"]}}, "execution.mirrors.0 is "),
    ({"figures": {"image": 60_000}}, "figures.image is 60000, but there are 60,000 training images of mnist, counted"),
    ({"classifier": {"batch_size": 60_001}}, "classifier.batch_size is 60001, but there are 60,000 training images"),
]
ANY_NUMBER = {"ddpm": "learning_rate", "pde": "length", "execution": "save_minutes", "samples": "confidence"}
WHOLE_NUMBER = {"ddpm": "T", "data": "image_size", "pde": "cells", "execution": "threads", "figures": "image"}


def laid_over_config(changes: dict) -> dict:
    """The settings of config.yaml with these changes, as Snakemake has them with a --configfile."""
    settings = deepcopy(CONFIG)
    update_config(settings, changes)
    return settings


def test_config_yaml_and_all_presets_can_be_used():
    assert errors(CONFIG, SCHEMA, IMAGES) == []
    for preset in (ROOT / "presets").glob("*.yaml"):
        assert errors(laid_over_config(yaml.safe_load(preset.read_text(encoding="utf-8"))), SCHEMA, IMAGES) == []


@pytest.mark.parametrize("changes, sentence", BAD, ids=[sentence.split(",")[0] for _, sentence in BAD])
def test_a_bad_setting_has_one_sentence(changes, sentence):
    [found] = errors(laid_over_config(changes), SCHEMA, IMAGES)
    assert sentence in found


@pytest.mark.parametrize("old", MOVED)
def test_an_old_key_is_told_its_new_name(old):
    section, key = old.split(".")
    assert errors(laid_over_config({section: {key: 1}}), SCHEMA, IMAGES) == [f"{old} has moved: write {MOVED[old]}"]
    assert MOVED[old].split(".")[1] in CONFIG["execution"]


def test_all_bad_settings_are_named_at_once():
    found = errors(laid_over_config({"ddpm": {"T": 0, "gpus": 2}, "seed": -1, "colour": "red"}), SCHEMA, IMAGES)
    assert len(found) == 4
    assert found[0] == "ddpm.gpus has moved: write execution.gpus"


def test_a_missing_setting_is_named():
    settings = deepcopy(CONFIG)
    del settings["seed"], settings["ddpm"]["T"]
    assert set(errors(settings, SCHEMA, IMAGES)) == {
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


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 10**400, True, "5", None, [1]])
@pytest.mark.parametrize("section, key", [*ANY_NUMBER.items(), *WHOLE_NUMBER.items()])
def test_what_is_no_finite_number_is_refused_whatever_the_bounds(section, key, value):
    [found] = errors(laid_over_config({section: {key: value}}), SCHEMA, IMAGES)
    assert found.startswith(f"{section}.{key} is {value!r}, but must be ")


@pytest.mark.parametrize("section, key", WHOLE_NUMBER.items())
def test_whole_numbers_have_a_largest_value(section, key):
    [found] = errors(laid_over_config({section: {key: 2**63}}), SCHEMA, IMAGES)
    assert f"{section}.{key} is {2**63}, but " in found


def test_numbers_have_the_type_that_the_schema_declares():
    """YAML's 8.0 and 0 pass for a whole and for any number; the program's own functions tell them apart."""
    changes = {
        "seed": 7.0,
        "ddpm": {"T": 500.0, "batch_size": 8.0, "learning_rate": 1, "adam_decays": [0, 0.999]},
        "figures": {"forward_times": [0.0, 500]},
        "pde": {"amplitudes": [1, 2], "profile_times": [0, 4], "refinement": [16.0, 32]},
        "execution": {"save_minutes": 1},
    }
    settings = laid_over_config(changes)
    assert errors(settings, SCHEMA, IMAGES) == []
    declared = declare(settings, SCHEMA)
    assert declared == settings and declared is not settings
    kinds = {
        "seed": int, "ddpm.T": int, "ddpm.batch_size": int, "ddpm.learning_rate": float, "ddpm.adam_decays": float,
        "figures.forward_times": int, "pde.amplitudes": float, "pde.profile_times": float, "pde.refinement": int,
        "execution.save_minutes": float,
    }  # fmt: skip
    for name, kind in kinds.items():
        value = declared
        for key in name.split("."):
            value = value[key]
        assert {type(one) for one in (value if isinstance(value, list) else [value])} == {kind}, name


def test_another_source_of_images_needs_only_its_count():
    settings = laid_over_config({"data": {"source": "strokes"}})
    assert len(errors(settings, SCHEMA, IMAGES)) == 1
    assert errors(settings, SCHEMA, IMAGES | {"strokes": 60_000}) == []
    [found, *_] = errors(settings, SCHEMA, IMAGES | {"strokes": 90})
    assert found == "figures.training_images is 96, but there are 90 training images of strokes: use at most that"


def test_a_pattern_is_for_the_whole_text():
    schema = {"properties": {"name": {"description": "a name", "type": "string", "pattern": "^[a-z]+$"}}}
    assert schema_errors({"name": "abc"}, schema) == []
    assert schema_errors({"name": "abc\n"}, schema) == [r"name is 'abc\n', but must be a name"]


KEYS = [
    address
    for section, value in CONFIG.items()
    for address in ([(section, key) for key in value] if isinstance(value, dict) else [(section,)])
]
NAN, INF = float("nan"), float("inf")
NUMBERS = [NAN, INF, -INF, -1, 0, 0.0, 1, 2.5, 8.0, 7, 1e-320, 1e300, 2**31, 2**64, 10**400, -(10**400)]
TEXTS = ["", "x", "5", "1e-4", "{x}", "a\n", "\0", "../x", "é", "x" * 1000]
OTHERS = [None, True, [], [[]], {}, {"a": 1}, [1], [0, 0], [NAN, 1], [1, "1"], [0, 1e-300], [1, 2] * 40, [5, 5.0]]


@pytest.mark.parametrize("address", KEYS, ids=".".join)
def test_whatever_is_given_is_used_or_refused_in_sentences_that_name_a_setting(address):
    """About 1,600 odd inputs; none may raise, and what passes has the types that the schema declares."""
    for value in NUMBERS + TEXTS + OTHERS:
        settings = deepcopy(CONFIG)
        if len(address) == 2:
            settings[address[0]][address[1]] = value
        else:
            settings[address[0]] = value
        found = errors(settings, SCHEMA, IMAGES)
        assert all(re.match(r"\w+(\.\w+)*:? ", sentence) for sentence in found), (value, found)
        if not found:
            assert errors(declare(settings, SCHEMA), SCHEMA, IMAGES) == []
