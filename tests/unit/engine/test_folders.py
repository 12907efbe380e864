"""Where results go: a sentence if they cannot."""

from pathlib import Path

import pytest

from engine.folders import of_another_run, unusable, unwritable

RESULTS = [f"results/mine/{name}" for name in ("ro-crate-metadata.json", "figures/fig4.pdf", "logs/train_ddpm.log")]


@pytest.fixture
def of_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path("results/mine")


def test_a_new_checkout_and_a_finished_run_are_fine(of_run):
    assert unusable(of_run, RESULTS) == unwritable(of_run, RESULTS) == ""
    for file in map(Path, RESULTS):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert unusable(of_run, RESULTS) == unwritable(of_run, RESULTS) == ""


def test_what_a_user_keeps_beside_the_results_is_the_users(of_run):
    """Emacs marks a file with unsaved changes by a link to nothing."""
    for name in ("backup.json", "figures/notes.pdf", "logs/old.log", ".vault.csv"):
        (of_run / name).mkdir(parents=True)
    (of_run / "figures/.#fig4.pdf").symlink_to("user@host.42")
    (of_run / "other.csv").symlink_to(".git/annex/objects/x")
    assert unusable(of_run, RESULTS) == ""


@pytest.mark.parametrize(
    "place", ["resources", "results", "results/mine", "results/mine/logs", "results/mine/benchmarks"]
)
@pytest.mark.parametrize(
    ("make", "what"), [(Path.touch, "a file"), (lambda place: place.symlink_to("none"), "a link to")]
)
def test_what_is_no_folder_is_named(of_run, place, make, what):
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    make(Path(place))
    assert unusable(of_run, RESULTS).startswith(f"{place} is {what}")


@pytest.mark.parametrize("result", RESULTS)
def test_what_is_in_the_place_of_a_result_is_named(of_run, result):
    Path(result).mkdir(parents=True)
    assert unusable(of_run, RESULTS) == f"{result} is a folder, where a file must be: move it away"
    Path(result).rmdir()
    Path(result).symlink_to("gone")
    assert unusable(of_run, RESULTS).startswith(f"{result} is a link to a file that is not there: bring that back")
    (Path(result).parent / "gone").touch()
    assert unusable(of_run, RESULTS) == ""


@pytest.mark.parametrize("target", ["results/other/claims/claims.json", "./results/mine2/figures/fig7.pdf", "{}/a.csv"])
def test_a_result_of_another_run_is_told(of_run, target):
    target = target.format(of_run.parent.absolute() / "other")
    assert of_another_run(of_run, ["all", target]).startswith(f"{target} is asked for, but by these settings")


def test_rules_results_of_the_run_and_other_files_may_be_asked_for(of_run):
    own = str(of_run.absolute() / "figures/fig7.pdf")
    assert of_another_run(of_run, ["all", "results/mine/claims/claims.json", own, "docs/README.md", "results"]) == ""


@pytest.mark.parametrize("name", ["logs", "figures"])
def test_a_folder_without_permission_is_named(of_run, monkeypatch, name):
    (of_run / name).mkdir(parents=True)
    monkeypatch.setattr("engine.folders.os.access", lambda folder, _: folder.name != name)
    assert unwritable(of_run, RESULTS).startswith(f"the folder {(of_run / name).resolve()} cannot be written to")
    assert unwritable(of_run, ["docs/a.png"]) == ""  # of another place, which this run may not touch
    monkeypatch.setattr("engine.folders.os.access", lambda folder, _: False)
    assert unwritable(Path("results/new"), []).startswith(
        f"the folder {Path('results').resolve()} cannot be written to"
    )
