"""Settings that cannot be used stop Snakemake before anything runs (the sentences: tests/unit/engine/test_settings.py);
and every setting is described.
"""

import pytest
import yaml
from conftest import ROOT

BAD = [
    ({"ddpm": {"T": 0}}, ["ddpm.T is 0, but must be the number of steps of the forward process (2), at least 1"]),
    ({"ddpm": {"beta_1": "1e-4"}}, ["It was read as text: write 1.0e-4 for 1e-4"]),
    ({"ddpm": 7}, ["ddpm is 7, but must be a block of settings"]),
    ({"pde": {"amplitudes": [1, 0]}}, ["pde.amplitudes ends in 0"]),
    (
        {"preset": "tiny\n", "agent": "{x}", "execution": {"save_minutes": float("nan")}},
        [
            r"preset is 'tiny\n', but must be",
            "agent is '{x}', but must be",
            "execution.save_minutes is nan, but must be",
        ],
    ),
    (
        {"samples": {"shards": 2}, "sampels": {"count": 3}},
        ["samples.shards has moved: write execution.shards", "sampels is not a known key; did you mean 'samples'?"],
    ),
]


@pytest.mark.parametrize("settings, sentences", BAD, ids=[" ".join(settings) for settings, _ in BAD])
def test_bad_settings_are_refused_in_a_sentence(checkout, settings, sentences):
    (checkout / "bad.yaml").write_text(yaml.safe_dump(settings))
    done = checkout.snakemake("-n", "--configfile", "bad.yaml")
    assert done.returncode != 0
    assert all(sentence in done.output for sentence in sentences)
    assert "Traceback" not in done.output
    assert not (checkout / "results").exists()


def test_every_setting_of_config_yaml_is_described_and_documented_on_its_line():
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    assert set(schema["properties"]) == set(config)
    blocks = [(schema["properties"][section], value) for section, value in config.items()]
    for entry, value in blocks:
        assert entry["description"]
        if isinstance(value, dict):
            assert set(entry["properties"]) == set(value) == set(entry["required"])
            blocks += [(entry["properties"][key], one) for key, one in value.items()]


def test_config_yaml_is_the_papers_experiment():
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    ddpm = config["ddpm"]
    assert (ddpm["T"], ddpm["beta_1"], ddpm["beta_T"], ddpm["channels"]) == (500, 1e-4, 0.02, 64)
    assert (ddpm["learning_rate"], ddpm["adam_decays"], ddpm["batch_size"]) == (5e-4, [0.9, 0.9999], 128)
    assert (ddpm["epochs"], config["samples"]["count"]) == (500, 500)
    assert (config["data"]["source"], config["data"]["image_size"]) == ("mnist", 32)
