"""How a job ends: with one sentence on what the user can correct, and no secret in any line."""

import errno
import logging
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from engine import disk
from engine.files import write_atomically, write_json
from engine.job import job


@pytest.fixture(autouse=True)
def logging_as_before():
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    yield
    logging.captureWarnings(False)
    root.handlers[:], root.level, logging.raiseExceptions = before


@pytest.fixture
def snakemake(tmp_path):
    (tmp_path / "figures").mkdir()
    return SimpleNamespace(rule="draw", input=[], output=[f"{tmp_path}/figures/a.json"], log=[f"{tmp_path}/log"])


def ends(snakemake, work) -> str:
    """The log of a job that fails in its work."""
    with pytest.raises(SystemExit) as end, job(snakemake):
        work()
    assert end.value.code not in (0, None)
    return Path(snakemake.log[0]).read_text(encoding="utf-8")


def to_a_full_disk(file: Path) -> None:
    file.symlink_to("/dev/full")


def image(file: str) -> None:
    Image.fromarray(np.zeros((500, 500), np.uint8)).save(file, format="PNG")


def plain(file: str) -> None:
    Path(file).write_text("x" * 10**5)


@pytest.mark.parametrize("write", [plain, image, lambda file: write_json(file, list(range(10**4)))])
def test_a_full_disk_is_told_with_its_place(snakemake, write):
    file = Path(snakemake.output[0])
    to_a_full_disk(file)
    log = ends(snakemake, lambda: write(str(file)))
    assert f"error: rule draw stopped ({file.parent}): the disk is full: free some space" in log
    assert "Traceback" not in log


def test_an_error_without_a_number_is_a_full_disk_if_it_is_full(snakemake, monkeypatch):
    def fail():
        raise OSError("encoder error -2 when writing image file")

    assert "Traceback" in ends(snakemake, fail)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=4096))
    assert "the disk is full" in ends(snakemake, fail)


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.ESTALE])
def test_other_errors_of_a_disk_have_their_sentence_too(snakemake, number):
    def fail():
        raise OSError(number, "the system's words", "/data/x")

    log = ends(snakemake, fail)
    assert "error: rule draw stopped (/data/x): " in log and "Traceback" not in log


def test_a_file_beyond_the_limit_is_told_and_nothing_is_left(snakemake, tmp_path):
    file = tmp_path / "figures/state.safetensors"
    file.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(SystemExit), job(snakemake):
        resource.setrlimit(resource.RLIMIT_FSIZE, (10**5, before[1]))
        try:
            write_atomically(file, bytes(10**6))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    log = Path(snakemake.log[0]).read_text()
    assert f"stopped ({file}): the file is larger than a limit (ulimit -f)" in log
    assert list(file.parent.iterdir()) == [file] and file.read_bytes() == b"old"


def test_what_a_killed_write_left_is_removed_by_the_next(tmp_path):
    code = """if True:
        import os, signal, engine.files
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        engine.files.write_atomically("a.json", b"new")"""
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(ROOT / "workflow/scripts")})
    assert run.returncode < 0 and len(list(tmp_path.iterdir())) == 1
    write_atomically(tmp_path / "a.json", b"newer")
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_no_line_of_a_log_shows_a_password(snakemake, capsys):
    def fail():
        logging.warning("moved to %s", "ftp://zoe:t0psecret@host/m?key=t0psecret")
        raise RuntimeError("http://zoe:t0psecret@host/m")

    log = ends(snakemake, fail)
    assert "ftp://***@host/m?***" in log and "Traceback" in log
    assert "t0psecret" not in log + "".join(capsys.readouterr())
