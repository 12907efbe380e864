"""Where results go: a sentence if they cannot."""

from pathlib import Path

import pytest

from engine.folders import refusal


@pytest.fixture
def of_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path("results/mine")


def test_a_new_checkout_and_a_finished_run_are_fine(of_run):
    assert refusal(of_run, ["all", "results/mine/claims/claims.json", "--configfile", "results/x/y.yaml"]) == ""
    for folder in ("models/ddpm_states", "logs", "benchmarks", "samples/shards"):
        (of_run / folder).mkdir(parents=True)
    assert refusal(of_run) == ""


@pytest.mark.parametrize(
    "place", ["resources", "results", "results/mine", "results/mine/logs", "results/mine/benchmarks"]
)
@pytest.mark.parametrize(
    ("make", "what"), [(Path.touch, "a file"), (lambda place: place.symlink_to("none"), "a link to")]
)
def test_what_is_no_folder_is_named(of_run, place, make, what):
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    make(Path(place))
    assert refusal(of_run).startswith(f"{place} is {what}")


@pytest.mark.parametrize("name", ["ro-crate-metadata.json", "figures/fig4.pdf", "models/ddpm.safetensors"])
def test_a_folder_in_the_place_of_a_file_is_named(of_run, name):
    (of_run / name).mkdir(parents=True)
    assert refusal(of_run) == f"{of_run / name} is a folder, where a file must be: remove it"


@pytest.mark.parametrize("target", ["results/other/claims/claims.json", "results/mine2/figures/fig7.pdf"])
def test_a_file_of_another_preset_is_told(of_run, target):
    assert refusal(of_run, ["-n", "--report", target]).startswith(f"{target} is asked for, but by these settings")


def test_a_link_to_nothing_is_named(of_run):
    (of_run / "figures").mkdir(parents=True)
    (of_run / "figures/fig7.pdf").symlink_to("gone.pdf")
    assert refusal(of_run) == f"{of_run}/figures/fig7.pdf is a link to a file that is not there: remove it"
    (of_run / "figures/gone.pdf").touch()
    assert refusal(of_run) == ""


def test_a_folder_without_permission_is_named(of_run, monkeypatch):
    (of_run / "logs").mkdir(parents=True)
    monkeypatch.setattr("engine.folders.os.access", lambda folder, _: folder.name != "logs")
    assert refusal(of_run).startswith(f"the folder {(of_run / 'logs').resolve()} cannot be written to")
