"""How a script ends: with one sentence for what is not the program's fault, and with a traceback for what is."""

import errno
import logging
import signal
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine.errors import UserError
from engine.job import job


@pytest.fixture(autouse=True)
def _logging_as_before():
    before = logging.getLogger().handlers[:], logging.raiseExceptions
    yield
    logging.getLogger().handlers[:], logging.raiseExceptions = before
    logging.captureWarnings(False)


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
    (raises(OSError(errno.EDQUOT, "Quota")), "rule second stopped: the disk quota is used up"),
    (raises(MemoryError()), "rule second ran out of memory"),
    (raises(OSError(errno.ENOMEM, "Cannot allocate memory")), "rule second ran out of memory"),
    (raises(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")), "rule second ran out of memory"),
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


def remove(file):
    file.unlink()


DAMAGES = [truncate, alter, empty, replace_by_text, replace_by_another, replace_by_an_archive_of_something_else, remove]


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


def test_a_file_that_was_replaced_on_purpose_may_be_used(rule):
    rule.first()
    np.savez(rule.input, a=np.arange(3))
    snakemake = SimpleNamespace(rule="second", log=[str(rule.log)], input=[rule.input], output=[rule.output])
    with job(snakemake), np.load(rule.input) as arrays:
        np.savez(rule.output, a=arrays["a"])
    assert f"wrote {rule.output}, SHA-256 " in rule.log.read_text()
