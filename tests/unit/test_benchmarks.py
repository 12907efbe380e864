"""What the benchmarks and the estimate compute, apart from the times."""

import argparse
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT
from torch import nn

from benchmarks.estimate import estimate, jobs, script
from benchmarks.measuring import Apart, answer_of, doubts, refuse_if_busy, whole
from benchmarks.minutes import imports, rules
from benchmarks.ours import Ours, count_flops
from benchmarks.pde import Equations, our_methods
from benchmarks.precision import verdict
from benchmarks.quality import quality
from benchmarks.settings import settings
from diffusion.pde import Grid, combination, multiplier
from diffusion.unet import SelfAttention
from engine.errors import UserError
from engine.files import write_json

QUIET = {"the ceiling": [100.0, 98.0, 104.0]}


def test_a_quiet_machine_is_trusted():
    assert doubts(0.01, QUIET) == []
    refuse_if_busy(0.01, QUIET)


@pytest.mark.parametrize(
    "others, yardsticks, sentence",
    [
        (0.2, QUIET, "others used 20% of the processors"),
        (0.0, {"the ceiling": [100.0, 70.0, 101.0]}, "the ceiling moved between 70 and 101"),
    ],
)
def test_a_busy_machine_is_refused_in_a_sentence(others, yardsticks, sentence):
    with pytest.raises(SystemExit, match=f"too busy: {sentence}") as refusal:
        refuse_if_busy(others, yardsticks)
    assert isinstance(refusal.value.code, str)  # Python prints it and exits with 1


class Counter:
    def __init__(self, start):
        self.value = start

    def add(self, number):
        self.value += number
        return self.value


def test_contestants_keep_their_state_in_a_process_of_their_own():
    one, other = Apart(Counter, 1), Apart(Counter, 10)
    assert [one("add", 1), other("add", 1), one("add", 1)] == [2, 11, 3]


def test_operations_of_a_convolution_and_of_attention_in_closed_form():
    convolution, x = nn.Conv2d(3, 5, 3, padding=1, bias=False), torch.zeros(2, 3, 8, 8)
    assert count_flops(lambda: convolution(x)) == 2 * (2 * 5 * 8 * 8) * (3 * 3 * 3)
    width, positions = 4, 6
    maps = 2 * positions * width * 4 * width  # query, key, value, output
    products = 2 * 2 * positions * positions * width  # scores, and what they weigh
    assert count_flops(lambda: SelfAttention(width)(torch.zeros(1, width, positions))) == maps + products


def test_operations_of_the_papers_network():
    about = Ours("cpu", "float32", torch.get_num_threads()).describe()
    assert about["parameters"] == 12_980_033
    assert about["forward_flops"] == pytest.approx(3.23e9, rel=2e-3)
    assert about["training_flops"] == pytest.approx(3 * about["forward_flops"], rel=0.01)


def test_peers_of_the_pde_solve_our_discretisation():
    grid = Grid(2.0, 50)
    u = combination(np.array([0.5, -0.3, 0.8]), grid.x, grid.L)
    equations = Equations(grid)
    assert np.allclose(equations.rate(0.0, u), grid.laplacian(u) + multiplier(u, grid) * u, rtol=1e-10)
    assert np.allclose(equations.jacobian(0.0, u) @ u, equations.rate(0.0, u), rtol=1e-10)


def test_our_ways_to_solve_the_pde_agree():
    grid = Grid(2.0, 50)
    u = combination(np.array([0.5, -0.3, 0.8]), grid.x, grid.L)
    sixth, second, exact = (method.solve(40) for method in our_methods(grid, u, 0.1))
    assert np.allclose(sixth, exact, rtol=1e-8) and np.allclose(second, exact, atol=1e-3)
    assert not np.allclose(second, exact, rtol=1e-8)


def test_settings_of_a_preset_are_laid_over_config_yaml(tmp_path):
    assert settings("paper")["ddpm"]["channels"] == 64
    laptop = settings("laptop")
    assert (laptop["ddpm"]["channels"], laptop["ddpm"]["T"]) == (32, 500)
    (tmp_path / "mine.yaml").write_text("preset: mine\nddpm: {channels: 8.0}\n")
    assert settings(str(tmp_path / "mine.yaml"))["ddpm"] == settings("paper")["ddpm"] | {"channels": 8}
    with pytest.raises(SystemExit, match="no preset labtop: name one of demo, laptop, paper"):
        settings("labtop")
    for text, said in (("a: [", "line 1"), ("- 1", "holds no settings"), ("ddpm: 5", "ddpm is 5, but"), ("T: 5", "T")):
        (tmp_path / "mine.yaml").write_text(text)
        with pytest.raises(SystemExit, match=said):
            settings(str(tmp_path / "mine.yaml"))


def test_estimate_of_the_demo_grows_with_its_work():
    config = settings("demo") | {"compute": {"device": "cpu", "precision": "float32"}}
    config["execution"] |= {"batch_size": 10, "threads": 2}
    _, parts = estimate(config, threads=2, at_least=0.0)
    assert all(seconds > 0 for seconds in parts.values())
    training, generating = [seconds for name, seconds in parts.items() if "train the network" in name or "500" in name]
    assert training > 60 and generating > 10  # minutes on any machine of today without a GPU


@pytest.mark.parametrize("preset, more", [("demo", {"shards": 3}), ("shipped", {})])
def test_jobs_are_those_of_the_workflow_and_each_has_a_script(preset, more):
    config = settings(preset)
    config["execution"] |= more
    counts = jobs(config)
    assert counts["generate_samples"] == config["execution"]["shards"]
    assert {"shipped": "unpack_ddpm", "demo": "train_ddpm"}[preset] in counts
    assert not {"all", "download_images"} & counts.keys()
    assert all(script(rule).is_file() for rule in counts)
    drawn = {rule for rule in counts if script(rule).name == "draw_figure.py"}
    assert drawn == {*(f"figure_{n}" for n in range(1, 8)), "learning_curve"}


def test_where_the_minutes_went(tmp_path):
    for job, seconds in {"train": 90.0, "shards/1-of-1": 30.0}.items():
        file = tmp_path / f"{job}.tsv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"s\tmax_rss\tcpu_time\n{seconds}\t100\t{2 * seconds}\n")
    table = rules(tmp_path)
    assert table["job"].tolist() == ["train", "shards/1-of-1"]
    assert table["share"].tolist() == ["75.0%", "25.0%"]
    with pytest.raises(SystemExit, match="no benchmark files"):
        rules(tmp_path / "shards" / "none")


@pytest.mark.parametrize(
    "content", [b"", b"s\tmax_rss\tcpu_time\n", b"\xff\xfe", b"a\tb\n1\t2\n", b"s\tmax_rss\tcpu_time\nlong\t1\t2\n"]
)
def test_what_is_no_benchmark_file_is_named(tmp_path, content):
    (tmp_path / "train.tsv").write_bytes(content)
    with pytest.raises(UserError, match=r"train\.tsv is damaged, or is not a benchmark file"):
        rules(tmp_path)


@pytest.mark.parametrize("damaged", ["models/ddpm.json", "samples/summary.json", "claims/samples.json"])
def test_a_run_whose_quality_cannot_be_told_is_named(tmp_path, damaged):
    records = {
        "models/ddpm.json": {"parameters": 7, "image_visits": 24, "batch_size": 8, "seconds": 60},
        "samples/summary.json": {"recognised": 88, "samples": 100, "mean_confidence": 0.9},
        "claims/samples.json": {"frechet": {"distance": 1.0, "floor": 0.5}},
    }
    for name, record in records.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_json(tmp_path / name, record)
    assert quality(tmp_path)["recognised"] == 0.88
    write_json(tmp_path / damaged, {})
    with pytest.raises(UserError, match=f"^{tmp_path} is damaged"):
        quality(tmp_path)


def test_too_few_samples_for_a_distance_are_told(tmp_path):
    for name, record in {
        "models/ddpm.json": {"parameters": 7, "image_visits": 24, "batch_size": 8, "seconds": 60},
        "samples/summary.json": {"recognised": 8, "samples": 10, "mean_confidence": 0.9},
        "claims/samples.json": {"frechet": {"to_missing_digit": None}},
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_json(tmp_path / name, record)
    with pytest.raises(UserError, match="too few samples"):
        quality(tmp_path)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "nan", "1e9", "1001", "", "ten", "\N{SUPERSCRIPT TWO}"])
def test_numbers_of_the_command_line_are_checked(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is no whole number from 1 to 1,000"):
        whole(1, 1000)(text)


def test_whole_numbers_of_the_command_line():
    assert [whole(0, 1000)(text) for text in ("0", "7", "1000")] == [0, 7, 1000]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("loads --seconds nan", "'nan' is no whole number"), ("loads --loads -1", "'-1' is no whole number"),
        ("loads --rounds 0", "'0' is no whole number"), ("precision --samples 0", "'0' is no whole number"),
        ("estimate --threads 0", "'0' is no whole number"), ("quality README.md", "finish that run first"),
        ("quality nowhere", "finish that run first"), ("gpu_check --device cpu --output benchmarks", "benchmarks"),
        ("gpu_check --device cpu --output README.md/x", "README.md"),
        ("estimate --threads 1 {tmp}/gpu.yaml", "finds no CUDA device"),
    ],
)  # fmt: skip
def test_what_a_benchmark_cannot_do_it_says_in_a_sentence(tmp_path, arguments, said):
    (tmp_path / "gpu.yaml").write_text("compute: {device: cuda}\n")
    program, *rest = (argument.format(tmp=tmp_path) for argument in arguments.split())
    if "gpu.yaml" in rest[-1] and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    command = [sys.executable, "-m", f"benchmarks.{program}", *rest]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode and "Traceback" not in done.stderr and said in done.stderr.splitlines()[-1]


def test_a_program_that_fails_ends_this_one_with_its_own_sentence():
    assert answer_of([sys.executable, "-c", "print(7)"]) == "7\n"
    with pytest.raises(SystemExit, match=r"^the reason$"):
        answer_of([sys.executable, "-c", "import sys; print('more', file=sys.stderr); sys.exit('the reason')"])
    with pytest.raises(SystemExit, match=r"failed: -9$"):
        answer_of([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])


def test_imports_of_a_script_run_alone():
    script = ROOT / "workflow" / "scripts" / "draw_figure.py"
    program = imports(script) + "\nimport sys\nassert 'matplotlib' in sys.modules and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], cwd=script.parent, check=True)


def test_verdict_on_two_precisions():
    x = torch.zeros(2, 1, 4, 4)
    exact = torch.tensor([[0.95, 0.05], [0.2, 0.8]])
    found = verdict(x, x + 0.1, exact, torch.tensor([[0.85, 0.15], [0.6, 0.4]]), 0.9)
    assert (found["recognised, float32"], found["recognised, bfloat16"], found["same label"]) == (0.5, 0.0, 0.5)
    assert found["mean difference of a sample's confidence"] == pytest.approx(0.15)
    assert found["mean difference of a pixel, of 2"] == pytest.approx(0.1)
