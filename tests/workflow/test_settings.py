"""Settings that cannot be used are refused before anything runs, each in a sentence that names the key."""

import pytest
import yaml
from conftest import ROOT

BAD = [
    ({"ddpm": {"T": 0}}, "ddpm.T is 0, but must be the number of steps of the forward process (2), at least 1"),
    ({"ddpm": {"beta_T": 1.5}}, "ddpm.beta_T is 1.5, but must be the last value of the variance schedule, between 0"),
    ({"ddpm": {"beta_1": 0}}, "ddpm.beta_1 is 0, but must be the first value"),
    ({"ddpm": {"beta_1": "1e-4"}}, "It was read as text: write 1.0e-4 for 1e-4"),
    ({"ddpm": {"chanels": 64}}, "ddpm.chanels is not a setting; did you mean 'channels'?"),
    ({"sampels": {"count": 3}}, "sampels is not a setting; did you mean 'samples'?"),
    ({"ddpm": {"adam_decays": [0.9, 1.0]}}, "ddpm.adam_decays.1 is 1.0, but must be Adam's two decay rates"),
    ({"ddpm": {"start": 1234567}}, "ddpm.start is 1234567, but must be the path of a folder of weights, or of a"),
    ({"ddpm": {"start_sha256": "12ab"}}, "ddpm.start_sha256 is '12ab', but must be the SHA-256 of that folder's file"),
    ({"ddpm": {"channels": 47}}, "ddpm.channels is 47, but must be the width"),
    ({"ddpm": 7}, "ddpm is 7, but it must be a block of settings"),
    ({"data": {"image_size": 30}}, "data.image_size is 30, but must be pixels along an edge; a multiple of 4"),
    ({"data": {"source": "cifar"}}, "data.source is 'cifar', but must be mnist, or digits"),
    ({"data": {"mirrors": "/data"}}, "data.mirrors is '/data', but must be a list of folders or URLs"),
    ({"samples": {"count": 0}}, "samples.count is 0, but must be images to generate for figure 4, at least 1"),
    ({"samples": {"count": 3, "shards": 4}}, "samples.shards exceeds samples.count"),
    (
        {"figures": {"backward_times": [700, 0]}},
        "figures.backward_times has [700], but the process ends at ddpm.T",
    ),
    ({"figures": {"backward_times": [500, 100]}}, "figures.backward_times lacks 0, the step at which an image is done"),
    ({"ddpm": {"gpus": 3}}, "ddpm.gpus is 3, which does not divide ddpm.batch_size"),
    ({"pde": {"profile_times": [99]}}, "pde.profile_times has [99], beyond pde.t_end"),
    ({"pde": {"amplitudes": [1, 0]}}, "pde.amplitudes ends in 0"),
    ({"compute": {"device": "gpu"}}, "compute.device is 'gpu', but must be auto for CUDA"),
    ({"preset": "a/b"}, "preset is 'a/b', but must be the folder of results/"),
]


@pytest.mark.parametrize("settings, sentence", BAD, ids=[sentence.split(",")[0] for _, sentence in BAD])
def test_bad_settings_are_refused_in_a_sentence(checkout, settings, sentence):
    (checkout / "bad.yaml").write_text(yaml.safe_dump(settings))
    done = checkout.snakemake("-n", "--configfile", "bad.yaml")
    assert done.returncode != 0
    assert sentence in done.output
    assert "Traceback" not in done.output
    assert not (checkout / "results").exists()


def test_every_setting_of_config_yaml_is_described_and_documented_on_its_line():
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    assert set(schema["properties"]) == set(config)
    for section, value in config.items():
        entry = schema["properties"][section]
        if isinstance(value, dict):
            assert set(entry["properties"]) == set(value) == set(entry["required"])
            assert all(one["description"] for one in entry["properties"].values())
        else:
            assert entry["description"]


def test_config_yaml_is_the_papers_experiment():
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    ddpm = config["ddpm"]
    assert (ddpm["T"], ddpm["beta_1"], ddpm["beta_T"], ddpm["channels"]) == (500, 1e-4, 0.02, 64)
    assert (ddpm["learning_rate"], ddpm["adam_decays"], ddpm["batch_size"]) == (5e-4, [0.9, 0.9999], 128)
    assert (ddpm["epochs"], config["samples"]["count"]) == (500, 500)
    assert (config["data"]["source"], config["data"]["image_size"]) == ("mnist", 32)
