"""What Snakemake plans: the paper's run, its rules, and what reruns after an edit."""

import ast
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, planned, rule_blocks

RULES = {
    "download_mnist", "prepare_images", "train_ddpm", "train_classifier", "generate_samples", "categorise_samples",
    "choose_training_images", "noise_image", "denoise_gaussians", "denoise_one_gaussian", "denoise_training_image",
    "solve_pde", "verify_pde", "learning_curve", *(f"figure_{n}" for n in range(1, 8)),
    "gather_numbers", "typeset_companion",
    "check_algebra", "measure_forward", "measure_network", "measure_pde", "measure_samples", "measure_sde",
    "judge_claims",
    "fingerprint_data", "describe_run",
    "make_classroom",
}  # fmt: skip


def test_dry_run_of_config_yaml_plans_the_papers_run(checkout):
    done = checkout.snakemake("-n")
    assert done.returncode == 0, done.output
    assert planned(done.output) == dict.fromkeys(RULES, 1)
    assert "results/paper/figures/fig7.pdf" in done.output


UNPACKED = {"train_ddpm": 0, "train_classifier": 0, "unpack_ddpm": 1, "unpack_classifier": 1}


@pytest.mark.parametrize("preset, differs", [("laptop", {}), ("shipped", UNPACKED), ("demo", {"download_mnist": 0})])
def test_presets_are_the_same_workflow(checkout, preset, differs):
    checkout.bring_weights()
    done = checkout.snakemake("-n", "--configfile", f"presets/{preset}.yaml")
    assert done.returncode == 0, done.output
    expected = dict.fromkeys(RULES, 1) | differs
    assert planned(done.output) == {name: n for name, n in expected.items() if n}
    assert f"results/{preset}/figures/fig1.png" in done.output and "results/paper" not in done.output


def make(checkout, *arguments: str) -> str:
    """What `make` with these arguments plans in the checkout, with the Python of these tests."""
    shutil.copy(ROOT / "Makefile", checkout / "Makefile")
    (checkout / ".venv").symlink_to(sys.prefix)
    (checkout / "results").mkdir()
    command = ["make", "--old-file=.venv/workflow", *arguments, "ARGS=-n"]
    done = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_quick_look_has_fewer_samples_a_folder_of_its_own_and_the_mirror(checkout, tmp_path):
    checkout.bring_weights()
    output = make(checkout, "shipped", "SAMPLES=7", f"MNIST={tmp_path}")
    assert planned(output)["unpack_ddpm"] == 1 and "results/shipped-7/companion.pdf" in output
    assert "7 samples" in output and str(tmp_path) in output


def test_the_shipped_weights_can_be_trained_further(checkout):
    """By a preset of its own, from the weights that lie there: the folder is read before it is written anew."""
    checkout.bring_weights()
    jobs = planned(make(checkout, "weights"))
    assert {"take_start", "train_ddpm", "train_classifier", "ship_weights"} <= jobs.keys()
    assert not {"unpack_ddpm", "unpack_classifier"} & jobs.keys()


def test_variants_of_the_demo_are_planned_for_the_benchmark_of_quality(checkout):
    variants = sorted((ROOT / "benchmarks/variants").glob("*.yaml"))
    assert variants
    for file in variants:
        measures = f"results/{file.stem}/claims/samples.json"
        done = checkout.snakemake("-n", "--configfile", "presets/demo.yaml", str(file), "--", measures)
        assert done.returncode == 0 and planned(done.output)["measure_samples"] == 1, done.output


def test_shards_are_a_setting(checkout):
    (checkout / "shards.yaml").write_text("samples: {shards: 7}")
    done = checkout.snakemake("-n", "--configfile", "shards.yaml")
    assert planned(done.output)["generate_samples"] == 7


def test_every_rule_has_log_benchmark_message_environment_and_library():
    """Read off the rules' text, since a dry run does not show all of it."""
    for file, block in rule_blocks():
        wanted = ["message:", "log:", "benchmark:", "library=library("]
        if block.startswith("rule fetch"):  # a target, which runs nothing itself
            continue
        if block.startswith("rule"):
            wanted += ["conda:", "script:"]
        missing = [part for part in wanted if part not in block]
        assert not missing, f"{file}: {block.splitlines()[0]} lacks {missing}"
        assert not re.search(r"=config[,\n]", block), f"{block.splitlines()[0]} takes the whole config"


def test_every_library_module_is_used_by_a_rule_and_every_script_too():
    scripts = ROOT / "workflow/scripts"
    rules = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "workflow/rules").glob("*.smk"))
    imported = set()
    for file in scripts.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    for file in (scripts / "diffusion").glob("*.py"):
        assert file.stem == "__init__" or f"diffusion.{file.stem}" in imported, f"nothing uses {file.name}"
    for file in scripts.glob("*.py"):
        named = rules + (ROOT / "Makefile").read_text(encoding="utf-8")
        assert f"scripts/{file.name}" in named or file.stem in imported, f"nothing uses {file.name}"


def test_formats_and_lint_are_clean():
    for command in (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["snakefmt", "--check", "Snakefile", "workflow/rules"],
        ["pyrefly", "check", "--summary=none"],
        ["snakemake", "--lint"],
    ):
        done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, " ".join(command) + "\n" + done.stdout + done.stderr
