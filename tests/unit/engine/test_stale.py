"""Results of other settings are told where Snakemake does not know of them, and nowhere else."""

from base64 import urlsafe_b64encode
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import Params

from engine.job import job
from engine.stale import of_other_settings, said

METADATA = Path(".snakemake/metadata")


def rule(output, log, **params):
    """A rule as Snakemake has it while it reads the rules."""
    named = Params(fromdict=params)
    return SimpleNamespace(output=[output], log=[log], params=named)


@pytest.fixture
def train(tmp_path, monkeypatch):
    """A rule whose job has run with two epochs."""
    monkeypatch.chdir(tmp_path)
    made = rule("results/x/models/a.npz", "results/x/logs/train.log", training={"epochs": 2}, seed=1)
    for file in (*made.output, *made.log):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    with job(SimpleNamespace(rule="train", input=[], output=made.output, log=made.log, params=made.params)):
        Path(made.output[0]).touch()
    return made


def test_the_same_settings_are_no_others(train):
    assert of_other_settings([train]) == ""


@pytest.mark.parametrize("params", [{"training": {"epochs": 3}, "seed": 1}, {"training": {"epochs": 2}, "seed": 2}, {}])
def test_a_changed_setting_is_told(train, params):
    changed = rule(train.output[0], train.log[0], **params)
    assert of_other_settings([changed]).startswith("results/x/models/a.npz were made by other settings than these")
    assert "a.npz and 1 more were" in of_other_settings([changed, changed])


def test_what_snakemake_knows_of_is_left_to_it(train):
    changed = rule(train.output[0], train.log[0], seed=2)
    METADATA.mkdir(parents=True)
    (METADATA / urlsafe_b64encode(b"results/x/other").decode()).touch()
    (METADATA / "no base64").touch()
    assert of_other_settings([changed]) != ""
    name = urlsafe_b64encode(train.output[0].encode()).decode()
    (METADATA / f"@{name[:12]}").mkdir()
    (METADATA / f"@{name[:12]}" / name[12:]).touch()
    assert of_other_settings([changed]) == ""


def test_what_is_not_there_and_what_no_log_tells_of_is_let_be(train):
    changed = rule(train.output[0], train.log[0], seed=2)
    Path(train.log[0]).write_text("12:00:00 wrote it, SHA-256 of an earlier version")
    assert of_other_settings([changed]) == ""
    Path(train.log[0]).unlink()
    assert of_other_settings([changed]) == ""
    assert of_other_settings([rule("results/x/none.npz", train.log[0], seed=2)]) == ""
    assert of_other_settings([SimpleNamespace(output=train.output, log=[], params=Params())]) == ""


def test_each_file_of_a_pattern_has_its_own_log(train):
    for name, settings in (("1-of-2", {"seed": 5}), ("2-of-2", {"seed": 6})):
        Path(f"results/x/{name}.npz").touch()
        Path(f"results/x/logs/sample_{name}.log").write_text(f"12:00:00 {said(settings.items())}\n")
    now = rule(r"results/x/{scatteritem,\d+-of-\d+}.npz", r"results/x/logs/sample_{scatteritem,\d+-of-\d+}.log", seed=5)
    assert of_other_settings([now]).startswith("results/x/2-of-2.npz were made by other settings")


def test_a_pattern_may_have_several_wildcards(train):
    for eta, steps, settings in ((0, 10, {"seed": 5}), (1, 10, {"seed": 6}), (1, 200, {"seed": 5})):
        Path(f"results/x/eta{eta}_{steps}.npz").touch()
        Path(f"results/x/logs/sample_{steps}_{eta}.log").write_text(f"{said(settings.items())}\n")
    now = rule("results/x/eta{eta,[01]}_{steps,[0-9]+}.npz", "results/x/logs/sample_{steps}_{eta}.log", seed=5)
    assert of_other_settings([now]).startswith("results/x/eta1_10.npz were made by other settings")


def test_a_record_of_a_copy_names_another_file(train):
    """As after `cp -a results/x results/y`."""
    Path("results/x").rename("results/y")
    changed = rule("results/y/models/a.npz", "results/y/logs/train.log", seed=2)
    METADATA.mkdir(parents=True)
    (METADATA / urlsafe_b64encode(train.output[0].encode()).decode()).touch()
    assert of_other_settings([changed]).startswith("results/y/models/a.npz were made by other settings")
