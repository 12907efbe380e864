"""How a job ends: a sentence for what is not the program's fault, a traceback for what is, and no secret in a line."""

import errno
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image

from engine import disk, interrupts
from engine.errors import UserError
from engine.files import sha256, write_atomically
from engine.interrupts import asked_to_stop
from engine.job import altered, job, written
from engine.tensors import write_tensors


@pytest.fixture(autouse=True)
def _logging_and_signals_as_before():
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    answer = signal.signal(signal.SIGINT, signal.default_int_handler)  # which tests started with `nohup ... &` lack
    yield
    signal.signal(signal.SIGINT, answer)
    logging.captureWarnings(False)
    root.handlers[:], root.level, logging.raiseExceptions = before


class Rule:
    """A rule with one input and one output, as its script sees it, in a folder."""

    def __init__(self, folder: Path) -> None:
        (folder / "logs").mkdir(exist_ok=True)
        self.log = folder / "logs" / "second.log"
        self.input, self.output = str(folder / "in.npz"), str(folder / "out.npz")
        self.folder = folder

    def first(self):
        """The rule that makes the input."""
        log = [str(self.folder / "logs/first.log")]
        with job(SimpleNamespace(rule="first", log=log, input=[], output=[self.input])):
            np.savez(self.input, a=np.arange(1000))

    def run(self, work) -> str:
        """The code with which the second rule ends, and what its log says."""
        signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a process of its own
        snakemake = SimpleNamespace(rule="second", log=[str(self.log)], input=[self.input], output=[self.output])
        with pytest.raises(SystemExit) as end, job(snakemake):
            work()
        assert end.value.code not in (0, None)
        return self.log.read_text()


@pytest.fixture
def rule(tmp_path) -> Rule:
    return Rule(tmp_path)


def raises(error):
    def work():
        raise error

    return work


def allocate():
    torch.empty(2**60, dtype=torch.uint8)


def of_numpy():
    np.zeros((2**50,))


CORRECTABLE = [
    (raises(UserError("Set it to 3.")), "error: Set it to 3."),
    (raises(OSError(errno.ENOSPC, "No space left", "/x")), "rule second stopped (/x): the disk is full"),
    (raises(OSError(errno.EDQUOT, "Quota")), "): the disk quota is used up"),
    (raises(MemoryError()), "rule second ran out of memory"),
    (raises(OSError(errno.ENOMEM, "Cannot allocate memory")), "rule second ran out of memory"),
    (raises(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")), "rule second ran out of memory"),
    (raises(RuntimeError("can't start new thread")), "rule second cannot start a thread: raise the limit of processes"),
    (raises(RuntimeError("std::bad_alloc")), "rule second ran out of memory"),
    (allocate, "rule second ran out of memory"),
    (of_numpy, "rule second ran out of memory"),
    (raises(KeyboardInterrupt()), "rule second was stopped by Ctrl-C: run again to go on"),
    (lambda: signal.pthread_kill(threading.get_ident(), signal.SIGINT), "rule second was stopped by Ctrl-C"),
]


@pytest.mark.parametrize("work, sentence", CORRECTABLE)
def test_what_is_not_the_programs_fault_is_one_sentence(rule, work, sentence):
    rule.first()
    said = rule.run(work)
    assert sentence in said and "Traceback" not in said


def test_ctrl_c_that_came_while_a_script_was_importing_is_answered(rule):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    assert "stopped by Ctrl-C" in rule.run(lambda: None)


def test_an_impatient_user_gets_one_sentence(rule):
    def work():
        with pytest.raises(KeyboardInterrupt):
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)  # while the first is answered
        raise KeyboardInterrupt

    said = rule.run(work)
    assert said.count("stopped by Ctrl-C") == 1 and "Traceback" not in said


def test_ctrl_c_works_again_after_a_while(monkeypatch):
    """One may have been lost in an `except` of a library."""
    monkeypatch.setattr(interrupts, "PATIENCE", 0.05)
    interrupts.stop_once()
    for pause, answered in ((0, True), (0, False), (0.1, True)):
        time.sleep(pause)
        with pytest.raises(KeyboardInterrupt) if answered else nullcontext():
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)


def test_ctrl_c_does_not_undo_a_job_that_is_done(rule):
    rule.first()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    assert "wrote" in (rule.folder / "logs/first.log").read_text()


def test_inputs_that_no_log_vouches_for_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made, log = Path("results/demo/shard.npz"), Path("results/demo/logs/second.log")
    log.parent.mkdir(parents=True)
    np.savez(made, a=np.arange(3))
    Path("x.py").touch()
    snakemake = SimpleNamespace(rule="second", log=[str(log)], input=[str(made), "x.py"], output=["out"])
    said = ends(snakemake, lambda: np.load(made)["images"])
    assert "KeyError: 'images is not a file in the archive'" in said and "Traceback" not in said
    assert said.endswith(f"wrote them: {made}. Move them elsewhere, and run again to make them anew\n")


@pytest.mark.parametrize("name", ["train_copy.log", "a.log"])
def test_a_copy_of_an_older_log_makes_no_file_an_altered_one(tmp_path, name):
    (tmp_path / "model").write_text("new")
    for log, content in {"train.log": b"new", name: b"old"}.items():
        (tmp_path / log).write_text(f"12:00:00 wrote {tmp_path}/model, SHA-256 {sha256(content)}\n")
    file = f"{tmp_path}/model"
    assert altered([file], written(tmp_path)) == []
    (tmp_path / "model").write_text("neither")
    assert altered([file], written(tmp_path)) == [file]


def test_a_full_disk_may_hide_behind_another_error(snakemake):
    def close():
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        finally:
            raise ValueError("inconsistent stream state")

    assert "the disk is full" in ends(snakemake, close)


def test_the_end_of_a_terminal_asks_to_stop_unless_it_is_ignored(monkeypatch):
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        for ignored in (True, False):
            signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
            stop = asked_to_stop()
            signal.pthread_kill(threading.get_ident(), signal.SIGHUP)
            assert stop() is not ignored
    finally:
        for number, answer in before.items():
            signal.signal(number, answer)


def test_a_bug_keeps_its_traceback(rule):
    rule.first()
    said = rule.run(raises(KeyError("b")))
    assert "unexpected error" in said and "Traceback" in said


def truncate(file):
    file.write_bytes(file.read_bytes()[:-100])


def alter(file):
    content = bytearray(file.read_bytes())
    content[300] ^= 1
    file.write_bytes(content)


def empty(file):
    file.write_bytes(b"")


def replace_by_text(file):
    file.write_text("no archive")


def replace_by_another(file):
    np.savez(file, b=np.arange(3))


def replace_by_an_archive_of_something_else(file):
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", b"nothing")


DAMAGES = [truncate, alter, empty, replace_by_text, replace_by_another, replace_by_an_archive_of_something_else]


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_input_that_was_damaged_since_is_told_with_its_name(rule, damage):
    """Whatever the script stumbles over, one sentence names the file that is not what the rule before wrote."""
    rule.first()
    damage(Path(rule.input))

    def work():
        with np.load(rule.input) as arrays:
            arrays["a"].sum()

    said = rule.run(work)
    assert f"rule second cannot use {rule.input}" in said and "Traceback" not in said and "delete it" in said


def test_an_input_that_is_gone_is_told_as_such(rule):
    rule.first()

    def work():
        Path(rule.input).unlink()
        np.load(rule.input)

    said = rule.run(work)
    assert f"rule second cannot find {rule.input} any more" in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("name", "age", "blamed"),
    [
        ("data/images.npz", 60, True), ("data/images.npz", -60, False), ("figures/fig7.pdf", 60, False),
        ("../../docs/card.json", 60, False),
    ],
)  # fmt: skip
def test_only_what_the_inputs_may_come_from_is_blamed_beside_them(tmp_path, monkeypatch, name, age, blamed):
    """A bug is none of the fault of a figure that was altered by hand, or of a gallery of another commit."""
    monkeypatch.chdir(tmp_path)
    source, made = Path(os.path.normpath(f"results/demo/{name}")), Path("results/demo/shard.npz")
    for file in (source, made, Path("results/demo/logs/x.log")):
        file.parent.mkdir(parents=True, exist_ok=True)
    for file in (source, made):
        with job(SimpleNamespace(rule="r", log=[f"results/demo/logs/{file.name}.log"], input=[], output=[str(file)])):
            np.savez(file.open("wb"), a=np.arange(3))
    source.write_bytes(b"altered")
    os.utime(source, (time.time() - age,) * 2)
    second = SimpleNamespace(rule="second", log=["results/demo/logs/second.log"], input=[str(made)], output=["out"])
    said = ends(second, raises(KeyError("b")))
    assert (f"cannot use {source} (KeyError: 'b')" in said) is blamed
    assert ("unexpected error" in said) is not blamed


UNREADABLE = [
    *((".npz", damage) for damage in (truncate, alter, empty, replace_by_text)),
    *((ending, damage) for ending in (".safetensors", ".json") for damage in (truncate, empty, replace_by_text)),
    (".csv", empty),
    (".tsv", empty),
]


@pytest.mark.parametrize("ending, damage", UNREADABLE)
def test_a_damaged_input_is_named_without_the_logs_of_earlier_rules_too(tmp_path, ending, damage):
    """Of what its name's ending says it is; no ending says what a table or a file of weights must hold."""
    file = tmp_path / f"in{ending}"
    if ending == ".npz":
        np.savez(file, a=np.arange(1000))
    elif ending == ".safetensors":
        write_tensors(file, {"a": torch.arange(1000.0)})
    else:
        file.write_text("a,b\n1,2\n" if ending in (".csv", ".tsv") else json.dumps({"a": "x" * 400}))
    rule = Rule(tmp_path)
    rule.input = str(file)
    assert "unexpected error" in rule.run(raises(KeyError("b")))  # sound, and so a bug
    damage(file)
    said = rule.run(raises(KeyError("b")))
    assert f"rule second cannot use {file} (" in said and "delete it, and run again" in said and "Traceback" not in said


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
@pytest.mark.parametrize("ending", [".npz", ".csv"])
def test_an_input_with_a_number_that_is_not_finite_is_refused_before_the_work(tmp_path, ending, value):
    """Whoever put it there: figures would be drawn, and claims judged, without a word."""
    rule, file = Rule(tmp_path), tmp_path / f"in{ending}"
    rule.input = str(file)
    if ending == ".npz":
        np.savez(file, index=np.arange(3), a=np.array([1.0, float(value)]), naive=np.array(np.inf))
    else:
        file.write_text(f"name,order,error\nnan-like,,1.0\ninfinite,2.0,{value}\n")
    said = rule.run(raises(AssertionError("the work must not start")))
    number = value if ending == ".csv" else str(float(value))
    assert f"error: {file} holds {number} in {'its array a' if ending == '.npz' else 'column error'}" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("name", "content"), [("a.csv", "step,loss\n"), ("a.json", "{}\n"), ("a.json", "[]")])
def test_an_input_that_holds_nothing_is_refused_before_the_work(tmp_path, name, content):
    rule = Rule(tmp_path)
    rule.input = str(tmp_path / name)
    (tmp_path / name).write_text(content)
    said = rule.run(raises(AssertionError("the work must not start")))
    assert f"error: {tmp_path / name} holds {'no row' if name == 'a.csv' else 'nothing'}, by which nothing may" in said


@pytest.mark.parametrize(("name", "content"), [("a.csv", "step,loss\n"), ("a.json", "[]")])
def test_an_input_that_a_rule_wrote_without_content_is_used_until_it_is_altered(tmp_path, name, content):
    """As the history of the weights that a training starts from, where none is known."""
    rule, file = Rule(tmp_path), tmp_path / name
    rule.input = str(file)
    for at_first, ends_well in ((content, True), ("step,loss\n1,0.5\n", False)):
        with job(SimpleNamespace(rule="first", log=[f"{tmp_path}/logs/first.log"], input=[], output=[str(file)])):
            file.write_text(at_first)
        file.write_text(content)
        work = SimpleNamespace(rule="second", log=[str(rule.log)], input=[str(file)], output=[])
        with nullcontext() if ends_well else pytest.raises(SystemExit), job(work):
            pass
        assert ("nothing may be drawn" in rule.log.read_text()) is not ends_well


def test_what_may_be_infinite_and_empty_cells_are_no_reason_to_stop(tmp_path):
    """A folder, text and a damaged file are left to their readers."""
    np.savez(tmp_path / "a.npz", naive=np.array([np.inf]), seconds=np.array(np.nan), index=np.arange(3))
    (tmp_path / "b.csv").write_text("name,order\ninformation,\n")
    (tmp_path / "c.npz").write_bytes(b"damaged")
    (tmp_path / "d.csv").mkdir()
    inputs = [str(file) for file in sorted(tmp_path.iterdir())]
    (tmp_path / "logs").mkdir()
    with job(SimpleNamespace(rule="one", log=[str(tmp_path / "logs/one.log")], input=inputs, output=[])):
        pass


def test_a_file_that_was_replaced_on_purpose_may_be_used_and_is_named(rule):
    """A table that was cut at the end of a line is of this kind too: nothing in it says that it was longer."""
    rule.first()
    np.savez(rule.input, a=np.arange(3))
    snakemake = SimpleNamespace(rule="second", log=[str(rule.log)], input=[rule.input], output=[rule.output])
    with job(snakemake), np.load(rule.input) as arrays:
        np.savez(rule.output, a=arrays["a"])
    said = rule.log.read_text()
    assert f"wrote {rule.output}, SHA-256 " in said
    assert f"{rule.input} is not what an earlier rule wrote there" in said


def test_an_input_as_it_was_written_is_not_spoken_of(rule):
    rule.first()
    snakemake = SimpleNamespace(rule="second", log=[str(rule.log)], input=[rule.input], output=[rule.output])
    with job(snakemake):
        np.savez(rule.output, a=np.arange(2))
    assert "earlier rule" not in rule.log.read_text()


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


def test_a_log_that_cannot_be_opened_is_told_too(snakemake, monkeypatch, capsys):
    def full(file, **_):
        raise OSError(errno.ENOSPC, "No space left on device", file)

    monkeypatch.setattr(logging, "FileHandler", full)
    with pytest.raises(SystemExit), job(snakemake):
        raise AssertionError("the work must not start")
    said = capsys.readouterr().err
    assert f"({snakemake.log[0]}): the disk is full" in said and "Traceback" not in said


def test_a_folder_among_the_logs_is_no_log(snakemake, tmp_path):
    (tmp_path / "old.log").mkdir()
    assert "unexpected" in ends(snakemake, raises(KeyError("b")))


@pytest.mark.parametrize("write", [plain, image])
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
    (left,) = tmp_path.iterdir()
    assert run.returncode < 0
    write_atomically(tmp_path / "a.json", b"newer")
    assert left.exists()  # another process may be writing it
    os.utime(left, (time.time() - 100,) * 2)
    write_atomically(tmp_path / "a.json", b"newest")
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_no_line_of_a_log_shows_a_password(snakemake, capsys):
    def fail():
        logging.warning("moved to %s", "ftp://zoe:t0psecret@host/m?key=t0psecret")
        raise RuntimeError("http://zoe:t0psecret@host/m")

    log = ends(snakemake, fail)
    assert "ftp://***@host/m?***" in log and "Traceback" in log
    assert "t0psecret" not in log + "".join(capsys.readouterr())
