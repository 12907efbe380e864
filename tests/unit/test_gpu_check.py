"""`make gpu-check` on a machine without a GPU: its stages at tiny sizes, its time limits, and what it may import."""

import gzip
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT

from benchmarks import gpu_check
from benchmarks.gpu_check import LIMITS, STAGES, Exact, Record, Sizes, check, projection, read_mnist, run_stage, strokes
from engine.device import CPU

TINY = Sizes(
    channels=32, image_size=8, batch_size=4, exact=2, matrix=64, steps=2, batches=(2,), samples=2, T=3, real_steps=4
)


@pytest.fixture
def record(tmp_path, monkeypatch):
    for name in ("benchmark", "allow_tf32", "deterministic"):
        monkeypatch.setattr(torch.backends.cudnn, name, getattr(torch.backends.cudnn, name))  # to be put back
    return Record(tmp_path / "record.json")


@pytest.mark.parametrize("name", ["machine", "ceilings", "numbers", "compiled", "eager", "sampling", "repeated"])
def test_a_stage_runs_on_the_cpu_and_is_within_its_bounds(name, record):
    STAGES[name](CPU, TINY, record)
    assert record == json.loads(record.file.read_text())
    checks = {key: value for key, value in record.items() if isinstance(value, dict)}
    assert not {key: value for key, value in checks.items() if not value["ok"]}
    assert checks or name in ("machine", "ceilings", "compiled", "eager")


def test_a_wrong_weight_is_out_of_bounds(record, monkeypatch):
    class Wrong(Exact):
        def __init__(self, model):
            super().__init__(model)
            model.conv_out.weight.data *= 1.001

    monkeypatch.setattr(gpu_check, "Exact", Wrong)
    STAGES["numbers"](CPU, TINY, record)
    assert not record["network, float32"]["ok"]


def test_the_loss_must_be_in_its_band(record, monkeypatch):
    monkeypatch.setattr(gpu_check, "BANDS", {("strokes", 8): (0.0, 0.01)})
    STAGES["real"](CPU, TINY, record)
    assert not record["mean loss of the last quarter"]["ok"]
    assert len(record["mean loss of each quarter"]) == 4 and not record["compiled"]


def test_time_for_the_order_of_images_is_that_of_copies_and_transposing_kernels():
    copy = "void at::native::elementwise_kernel<128, 4, at::native::direct_copy_kernel_cuda(at::TensorIteratorBase&)>"
    times = {"triton_red_fused_native_group_norm_69": 5.0, "sm90_xmma_fprop_implicit_gemm_nhwckrsc_nhwc": 2.0}
    assert gpu_check.transposing(times) == 0
    times |= {copy: 2.0, "cudnn::engines_precompiled::nchwToNhwcKernel<float>": 1.0}
    assert gpu_check.transposing(times) == 0.3
    assert gpu_check.transposing(times | {"## Call CompiledFxGraph ##": 10.0, "Optimizer.step#Adam.step": 1.0}) == 0.3
    assert gpu_check.transposing({}) == 0


def test_a_stage_that_takes_too_long_is_stopped_and_keeps_what_it_had(tmp_path):
    (tmp_path / "machine.json").write_text('{"torch": "2.15"}')
    found = run_stage("machine", ["--device", "cpu"], 0.2, tmp_path)
    assert found["verdict"] == "stopped at its limit of 0 s" and found["torch"] == "2.15"


def test_a_stage_that_fails_says_why_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    answers = {
        "machine": {"verdict": "ok", "wall seconds": 1.0, "torch": "2.15"},
        "ceilings": {"verdict": "failed: CUDA error", "wall seconds": 1.0, "log": "CUDA error"},
        "compiled": {"verdict": "ok", "images/s": 14_300.0, "seconds to compile": 60.0},
        "sampling": {"verdict": "ok", "seconds for all samples": 10.0},
    }
    file, seen = tmp_path / "out" / "check.json", []

    def run(name, arguments, seconds, folder):
        seen.append(len(json.loads(file.read_text())["stages"]) if file.exists() else 0)
        return answers[name]

    monkeypatch.setattr(gpu_check, "run_stage", run)
    result = check(list(answers), [], file)
    assert seen == [0, 1, 2, 3] and json.loads(file.read_text()) == result
    assert "ceilings: failed: CUDA error" in capsys.readouterr().out
    assert result["projection"]["training, min"] == pytest.approx(234_375 * 128 / 14_300 / 60 + 1)
    assert projection({"machine": {}}) == {}


def test_the_whole_check_has_ten_minutes(tmp_path, monkeypatch):
    assert set(LIMITS) == set(STAGES)
    now, given = 0.0, {}

    def run(name, arguments, seconds, folder):
        nonlocal now
        given[name] = seconds
        now += LIMITS[name]
        return {"verdict": "ok"}

    monkeypatch.setattr(gpu_check.time, "monotonic", lambda: now)
    monkeypatch.setattr(gpu_check, "run_stage", run)
    result = check(list(STAGES), [], tmp_path / "check.json")
    assert all(seconds <= LIMITS[name] for name, seconds in given.items())
    assert "not run: the 600 s" in result["stages"]["real"]["verdict"]


def test_nothing_is_imported_but_pytorch_numpy_pandas_and_safetensors():
    others = [
        "tqdm",
        "sklearn",
        "torchvision",
        "snakemake",
        "scipy",
        "matplotlib",
        "yaml",
        "psutil",
        "jsonschema",
        "PIL",
    ]
    program = f"import sys; sys.modules.update(dict.fromkeys({others})); import benchmarks.gpu_check"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_drawn_images_are_digits_in_size_and_ink():
    images = strokes(50, 32)
    assert images.shape == (50, 1, 32, 32) and images.dtype == torch.uint8
    assert torch.equal(images, strokes(50, 32)) and 0.03 < images.float().mean() / 255 < 0.3
    assert len({image.numpy().tobytes() for image in images}) == 50


def test_mnist_is_read_from_its_archive(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    file = tmp_path / "images.gz"
    file.write_bytes(gzip.compress(bytes(16) + pixels.tobytes()))
    assert torch.equal(read_mnist(file, 28), torch.from_numpy(pixels)[:, None])
    assert read_mnist(file, 32).shape == (3, 1, 32, 32)
