"""The commit that a run records: of its own checkout, whatever git's variables say."""

import os
import subprocess

import pytest

from publishing import origin
from publishing.origin import commit


def git(folder, *arguments):
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    for name in ("checkout", "other"):
        (tmp_path / name).mkdir()
        git(tmp_path / name, "init", "-q")
        git(tmp_path / name, "commit", "-q", "--allow-empty", "-m", name)
    return tmp_path / "checkout"


@pytest.mark.parametrize(
    "variables",
    [
        {"GIT_DIR": "{other}/.git"},
        {"GIT_DIR": "{other}/.git", "GIT_WORK_TREE": "{other}", "GIT_INDEX_FILE": "{other}/.git/index"},
        {"GIT_DIR": "/nowhere"},
        {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "nonsense", "GIT_CONFIG_VALUE_0": "x"},
        {"GIT_NAMESPACE": "x", "GIT_LITERAL_PATHSPECS": "1"},
        {"GIT_CEILING_DIRECTORIES": "", "GIT_TRACE": "1", "GIT_OBJECT_DIRECTORY": "/nowhere"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_gits_variables_are_not_asked(checkout, monkeypatch, variables):
    expected = commit(checkout, apart="weights")
    assert expected and len(expected) == 40
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(other=checkout.parent / "other"))
    assert commit(checkout, apart="weights") == expected


def test_a_git_that_hangs_is_told(checkout, monkeypatch, caplog):
    def hangs(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(origin.subprocess, "run", hangs)
    assert commit(checkout) is None and "timed out after 60 seconds" in caplog.text


def test_a_checkout_that_git_refuses_is_told(checkout, monkeypatch, caplog):
    (checkout / ".git/HEAD").write_text("damaged\n")
    assert commit(checkout) is None
    assert "is not recorded, since git does not tell it: fatal:" in caplog.text
    caplog.clear()
    monkeypatch.setenv("PATH", "/nowhere")
    assert commit(checkout) is None and "No such file" in caplog.text


def test_a_folder_that_is_no_checkout_needs_no_warning(tmp_path, caplog):
    assert commit(tmp_path) is None and not caplog.text


def test_another_repository_further_up_is_not_taken(checkout):
    inside = checkout / "a:b" / "unpacked"  # git reads a ceiling with a colon in it as two
    inside.mkdir(parents=True)
    assert commit(inside) is None


def test_a_changed_file_may_have_a_name_of_another_encoding(checkout):
    odd = checkout / os.fsdecode(b"caf\xe9")
    odd.write_text("1")
    git(checkout, "config", "core.quotePath", "false")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "odd")
    odd.unlink()
    assert commit(checkout).endswith(".dirty")
