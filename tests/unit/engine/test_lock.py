"""Snakemake's lock is removed where its run is certainly over, and nowhere else."""

import json
import os
import secrets
import subprocess
import sys
import time

import psutil
import pytest

from engine import lock
from engine.lock import PLANNING, note_start, remove_stale


@pytest.fixture
def folder(tmp_path):
    """Snakemake's folder, locked by a process that is gone."""
    folder = tmp_path / "King's R&D (été)" / ".snakemake"
    note_start(folder)
    leave_locks(folder)
    end(folder)
    return folder


def leave_locks(folder):
    (folder / "locks").mkdir(exist_ok=True)
    for name in ("0.input.lock", "0.output.lock"):
        (folder / "locks" / name).write_text("results/demo")


def notes(folder):
    return sorted((folder / "started").iterdir())


def change(note, **entries):
    """A note as another process would have written it, under another name."""
    content = json.loads(note.read_text()) | entries
    note.unlink()
    (changed := note.with_name(f"{secrets.token_hex(8)}.json")).write_text(json.dumps(content))
    return changed


def end(folder):
    """From now on this process has the number of one that is gone."""
    (this,) = [note for note in notes(folder) if json.loads(note.read_text())["pid"] == os.getpid()]
    change(this, created=0.0)


def test_the_lock_of_a_killed_run_is_removed_once(folder):
    assert remove_stale(folder) and not list((folder / "locks").iterdir())
    assert not remove_stale(folder)


def test_a_run_that_goes_on_keeps_its_lock(folder):
    note_start(folder)
    assert not remove_stale(folder) and len(list((folder / "locks").iterdir())) == 2


def test_a_start_is_noted_once_and_what_is_over_forgotten(folder):
    note_start(folder)
    note_start(folder)
    (this,) = notes(folder)
    assert json.loads(this.read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("gone", ["this", "other"])
def test_of_two_runs_that_planned_at_once_the_one_that_goes_on_keeps_its_lock(tmp_path, gone):
    """Snakemake locks seconds after its start: until then both have no lock."""
    folder = tmp_path / ".snakemake"
    program = (
        "import sys; sys.path[:] = sys.argv[2:]; from pathlib import Path; from engine.lock import note_start; "
        "note_start(Path(sys.argv[1])); print('noted', flush=True); sys.stdin.readline()"
    )
    note_start(folder)
    command = [sys.executable, "-c", program, str(folder), *sys.path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "noted\n"
        leave_locks(folder)
        if gone == "this":
            end(folder)
        else:
            other.communicate("\n")
        assert len(notes(folder)) == 2 and not remove_stale(folder)
    if gone == "other":
        end(folder)
    assert remove_stale(folder)


@pytest.mark.parametrize(
    "entries",
    [{"host": "another"}, {"processes": "pid:[7]"}, {"all_jobs_here": False}, {"pid": None}, {"created": "x"}],
)
def test_a_run_that_is_not_known_to_be_over_keeps_its_lock(folder, entries):
    change(notes(folder)[0], **entries)
    assert not remove_stale(folder) and len(list((folder / "locks").iterdir())) == 2
    note_start(folder)
    assert len(notes(folder)) == 2  # it may go on


def test_what_was_left_before_the_machine_was_started_anew_is_over(folder):
    note_start(folder)
    change(notes(folder)[0], boot="another", processes="pid:[7]")
    assert remove_stale(folder)


def test_a_clock_that_is_set_ends_no_run(folder, monkeypatch):
    note_start(folder)
    before, create_time = psutil.boot_time(), psutil.Process.create_time
    monkeypatch.setattr(psutil, "boot_time", lambda: before + 7)
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: create_time(process) + 7)
    assert not remove_stale(folder)


@pytest.mark.parametrize("damage", [None, b"", b"[]", b"{}", b"[7]", b"null", b'{"pid": Infinity}', b"[" * 100_000])
def test_without_a_sound_note_the_lock_stays(folder, damage):
    (note,) = notes(folder)
    note.write_bytes(damage) if damage is not None else note.unlink()
    assert not remove_stale(folder) and len(list((folder / "locks").iterdir())) == 2


@pytest.mark.parametrize("entries", [{"host": "another"}, {"all_jobs_here": False}, {"created": "x"}])
def test_what_has_no_lock_after_an_hour_is_forgotten(folder, entries):
    old = change(notes(folder)[0], **entries)
    os.utime(old, (time.time() - PLANNING - 1,) * 2)
    note_start(folder)
    assert old.exists()
    for locked in (folder / "locks").iterdir():
        locked.unlink()
    note_start(folder)
    assert not old.exists()


def test_a_run_that_plans_for_long_is_not_forgotten(folder):
    note_start(folder)
    this = change(notes(folder)[0])
    for locked in (folder / "locks").iterdir():
        locked.unlink()
    os.utime(this, (time.time() - PLANNING - 1,) * 2)
    note_start(folder)
    assert this.exists()


def test_jobs_on_other_machines_keep_the_lock(folder):
    note_start(folder)
    note_start(folder, all_jobs_here=False)
    end(folder)
    assert not remove_stale(folder)


def test_a_system_that_tells_less_is_enough(folder, monkeypatch):
    """As macOS, which has neither numbers of starts nor containers of this kind."""
    monkeypatch.setattr(psutil, "LINUX", False)
    monkeypatch.setattr(lock, "_text", lambda _: "")
    for note in notes(folder):
        note.unlink()
    note_start(folder)
    assert not remove_stale(folder)
    end(folder)
    assert remove_stale(folder)


def test_a_job_that_outlives_its_run_keeps_the_lock(folder):
    script = folder / "scripts" / "tmp.train_ddpm.py"
    script.parent.mkdir()
    script.write_text("import time; print('up', flush=True); time.sleep(60)")
    job = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE)
    job.stdout.readline()
    try:
        assert not remove_stale(folder)
    finally:
        job.kill()
        job.wait()
    time.sleep(0.1)
    assert remove_stale(folder)
