"""Snakemake's lock is removed where its run is certainly over, and nowhere else."""

import json
import math
import subprocess
import sys
import time

import psutil
import pytest

from engine.lock import is_noted, note_elsewhere, note_start, remove_stale


@pytest.fixture
def folder(tmp_path):
    """Snakemake's folder, locked by a process that is gone."""
    folder = tmp_path / "King's R&D (été)" / ".snakemake"
    (folder / "locks").mkdir(parents=True)
    for name in ("0.input.lock", "0.output.lock"):
        (folder / "locks" / name).write_text("results/demo")
    note_start(folder, ["start_snakemake.py", "--configfile", "presets/demo.yaml"])
    change(folder, created=psutil.Process().create_time() - 100)  # this process has the number of one that is gone
    return folder


def change(folder, which=-1, **entries):
    file = folder / "started.json"
    starts = json.loads(file.read_text())
    starts[which] |= entries
    file.write_text(json.dumps(starts))


def test_the_lock_of_a_killed_run_is_removed_once(folder):
    assert remove_stale(folder) and not list((folder / "locks").iterdir())
    assert not remove_stale(folder)


def test_a_run_that_goes_on_keeps_its_lock(folder):
    note_start(folder, [])
    assert not remove_stale(folder) and len(list((folder / "locks").iterdir())) == 2


def test_the_lock_of_a_run_that_goes_on_is_kept_when_a_later_one_is_over(folder):
    """Of two runs at once, of other results; the second was started last, and is gone."""
    (folder / "started.json").unlink()
    note_start(folder, [])
    note_start(folder, [])
    change(folder, created=0.0)
    assert not remove_stale(folder)
    change(folder, 0, created=0.0)  # now the first is gone too
    assert remove_stale(folder)


def test_what_is_over_is_forgotten_at_the_next_start(folder):
    note_start(folder, [])
    assert len(json.loads((folder / "started.json").read_text())) == 1
    change(folder, host="another")  # it may go on there
    note_start(folder, [])
    assert len(json.loads((folder / "started.json").read_text())) == 2
    for lock in (folder / "locks").iterdir():
        lock.unlink()
    note_start(folder, [])  # without a lock nobody does
    assert len(json.loads((folder / "started.json").read_text())) == 1


def test_the_note_of_an_earlier_version_is_understood(folder):
    file = folder / "started.json"
    file.write_text(json.dumps(json.loads(file.read_text())[0]))
    assert remove_stale(folder)


@pytest.mark.parametrize(
    "entries", [{"host": "another"}, {"all_jobs_here": False}, {"pid": None}, {"pid": math.inf}, {"created": "x"}]
)
def test_a_run_that_is_not_known_to_be_over_keeps_its_lock(folder, entries):
    change(folder, **entries)
    assert not remove_stale(folder) and len(list((folder / "locks").iterdir())) == 2


@pytest.mark.parametrize("text", [None, "", "[]", "{}", "[7]", "[{}]", "null", "[" * 100_000])
def test_without_a_sound_record_the_lock_stays(folder, text):
    (folder / "started.json").unlink()
    if text is not None:
        (folder / "started.json").write_text(text)
    assert not remove_stale(folder) and len(list((folder / "locks").iterdir())) == 2


def test_jobs_on_other_machines_keep_the_lock(folder):
    note_start(folder, ["start_snakemake.py"])
    assert is_noted(folder)
    note_elsewhere(folder)
    change(folder, created=0.0)
    assert not is_noted(folder) and not remove_stale(folder)


def test_without_hooks_nothing_notes_where_jobs_run(folder):
    note_start(folder, ["start_snakemake.py", "--no-hooks"])
    change(folder, created=0.0)
    assert not remove_stale(folder)


@pytest.mark.parametrize("text", [None, "[{}]", '[{"pid": Infinity, "created": 1}]', "[" * 100_000])
def test_a_damaged_note_is_made_anew(folder, text):
    (folder / "started.json").unlink()
    if text is not None:
        (folder / "started.json").write_text(text)
    assert not is_noted(folder)
    note_start(folder, ["start_snakemake.py"])
    assert is_noted(folder)


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
