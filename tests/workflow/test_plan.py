"""What Snakemake plans: the paper's run, its rules, and what reruns after an edit."""

import ast
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT, planned, rule_blocks

from publishing import beyond, plots

RULES = {
    "download_images", "prepare_images", "train_ddpm", "train_classifier", "generate_samples", "categorise_samples",
    "choose_training_images", "noise_image", "denoise_gaussians", "denoise_one_gaussian", "denoise_training_image",
    "denoise_originals",
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


@pytest.mark.parametrize("preset, differs", [("laptop", {}), ("shipped", UNPACKED), ("demo", {"download_images": 0})])
def test_presets_are_the_same_workflow(checkout, preset, differs):
    checkout.bring_weights()
    done = checkout.snakemake("-n", "--configfile", f"presets/{preset}.yaml")
    assert done.returncode == 0, done.output
    expected = dict.fromkeys(RULES, 1) | differs
    assert planned(done.output) == {name: n for name, n in expected.items() if n}
    assert f"results/{preset}/figures/fig1.png" in done.output and "results/paper" not in done.output


def test_the_live_page_needs_a_network_and_an_engine_and_no_sample(checkout):
    done = checkout.snakemake("-n", "--", "results/paper/live.html")
    assert done.returncode == 0, done.output
    own = {"download_runtime", "export_network", "make_live"}
    assert planned(done.output).keys() == own | {"download_images", "prepare_images", "train_ddpm", "noise_image"}


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
    output = make(checkout, "shipped", "SAMPLES=7", f"MNIST=https://zoe:t0psecret@host{tmp_path}")
    assert planned(output)["unpack_ddpm"] == 1 and "results/shipped-7/companion.pdf" in output
    assert "7 samples" in output
    assert '"mirrors": ["$MNIST"]' in output and "t0psecret" not in output


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
    (checkout / "shards.yaml").write_text("execution: {shards: 7}")
    done = checkout.snakemake("-n", "--configfile", "shards.yaml")
    assert planned(done.output)["generate_samples"] == 7


def test_the_rule_files_may_be_included_in_any_order(checkout):
    """After the settings and what all share. The plans: a run, one with shipped weights, the training of those."""
    checkout.bring_weights()
    snakefile = checkout / "Snakefile"
    text = snakefile.read_text()
    first, files = text.split("# The rules, in any order.\n")
    files, last = files.split("\n\n", 1)
    assert first.count("include:") == 3 and files.count("\n") == files.count("include:") - 1 and "include" not in last
    train = ("--configfile", "presets/weights.yaml", "--", "ship_weights")
    for arguments in ((), ("--configfile", "presets/shipped.yaml"), train):
        plans = []
        for order in (1, -1):
            snakefile.write_text(first + "\n".join(files.split("\n")[::order]) + "\n\n" + last)
            done = checkout.snakemake("-n", *arguments)
            assert done.returncode == 0, done.output
            plans.append(planned(done.output))
        assert plans[0] == plans[1] != {}


def test_every_rule_file_opens_with_what_comes_in_and_what_goes_out():
    for file in (ROOT / "workflow/rules").glob("*.smk"):
        docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8").split('"""\n')[0] + '"""\n'))
        assert re.search(r"\n\nIn: .+\nOut: ", docstring, re.S), file.name


def test_what_changes_no_result_is_no_reason_to_run_again():
    """Nothing of `execution` is among a rule's params, nor in a group of settings that they take."""
    for file in (ROOT / "workflow/rules").glob("*.smk"):
        for line in re.findall(r".*execution.*", file.read_text(encoding="utf-8")):
            used = re.search(r'config\["execution"\]\["(\w+)"\]', line)
            assert not used or line.split(used[0])[0].strip() in {"threads:", "gpu=", "samples="}, (
                f"{file.name}: {line}"
            )
            assert "select(" not in line, f"{file.name}: {line}"


def test_the_table_of_figures_has_what_the_rules_the_report_and_the_gallery_need():
    figures = yaml.safe_load((ROOT / "workflow/figures.yaml").read_text(encoding="utf-8"))
    assert list(figures) == [*(f"fig{n}" for n in range(1, 8)), "learning_curve"]
    for name, figure in figures.items():
        assert {"rule", "data", "function", "category", "label", "shows", "message", "caption"} == figure.keys()
        assert figure["rule"] == name.replace("fig", "figure_") and all(isinstance(one, str) for one in figure.values())
        assert callable(getattr(plots, figure["function"]))
        assert (ROOT / f"workflow/report/{name}.rst").is_file()


def test_the_chapters_beyond_the_paper_are_a_target_of_their_own_without_training(checkout):
    done = checkout.snakemake("-n", "--configfile", "presets/demo.yaml", "--", "beyond")
    plan = planned(done.output)
    assert {"explore_forcing", "judge_beyond", "gather_beyond", "typeset_beyond"} <= plan.keys()
    assert not plan.keys() & {"train_ddpm", "unpack_ddpm", "train_classifier", "download_images", "judge_claims"}


def test_each_figure_beyond_the_paper_has_a_chapter_a_function_and_a_caption():
    figures = yaml.safe_load((ROOT / "workflow/beyond.yaml").read_text(encoding="utf-8"))
    for name, figure in figures.items():
        assert {"rule", "data", "function", "category", "label", "shows", "message", "caption"} == figure.keys() - {
            "images"
        }
        assert figure["rule"] == f"draw_{name}" and callable(getattr(beyond, figure["function"]))
        assert (ROOT / f"workflow/report/{name}.rst").is_file()
        assert any(name.startswith(chapter.stem) for chapter in (ROOT / "paper/beyond").glob("*.typ"))


def test_every_rule_has_log_benchmark_message_environment_and_library():
    """Read off the rules' text, since a dry run does not show all of it."""
    for file, block in rule_blocks():
        wanted = ["message:", "log:", "benchmark:", "library=library("]
        if block.startswith(("rule fetch", "rule beyond:")):  # targets, which run nothing themselves
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
    for room in ("diffusion", "beyond"):
        for file in (scripts / room).glob("*.py"):
            assert file.stem == "__init__" or f"{room}.{file.stem}" in imported, f"nothing uses {file.name}"
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
