import subprocess
import sys

import pytest

from engine import commands
from engine.commands import answer


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print(' NVIDIA H100 80GB HBM3, 580.159 ')", "NVIDIA H100 80GB HBM3, 580.159"),
        ("import sys; sys.stdout.buffer.write(b'caf\\xe9')", "caf\N{REPLACEMENT CHARACTER}"),
        ("print()", None),
        ("print('half'); raise SystemExit(9)", None),
    ],
)
def test_what_a_program_prints_if_it_succeeds(code, said):
    assert answer([sys.executable, "-c", code]) == said


def test_a_program_that_is_not_there_says_nothing():
    assert answer(["no-program-of-this-name"]) is None


def test_a_program_that_hangs_says_nothing(monkeypatch):
    def hangs(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(commands.subprocess, "run", hangs)
    assert answer(["nvidia-smi"]) is None
