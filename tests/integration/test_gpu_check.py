"""`make gpu-check` as a user calls it, on the CPU, two processes included."""

import json
import subprocess
import sys

from conftest import ROOT


def test_the_check_tests_itself_on_the_cpu(tmp_path):
    file = tmp_path / "check.json"
    stages = ["machine", "repeated", "processes", "real"]
    command = [sys.executable, "-m", "benchmarks.gpu_check", "--device", "cpu", "--output", file, "--stages", *stages]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test of the check itself" in done.stdout and "all stages are ok" in done.stdout
    found = json.loads(file.read_text())["stages"]
    assert list(found) == stages
    assert found["repeated"]["bitwise again"] and found["repeated"]["bitwise in two parts"]
