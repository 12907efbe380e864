"""The Makefile, with a Python in .venv that only tells how it was called; and the installation's settings of pip."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT

from engine import installation
from engine.environment import INDEX

TELL = f"""#!/bin/sh
exec {sys.executable} -c 'import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))' "$@"
"""


@pytest.fixture(params=["checkout", 'King\'s R&D (été) $HOME `id` "x"'])
def made(request, tmp_path):
    """Runs make in a checkout; the result has returncode, output, and of a call of Python arguments and environment."""
    folder = tmp_path / request.param
    for part in ("presets", "envs", ".venv/bin", "workflow/scripts"):
        (folder / part).mkdir(parents=True)
    for preset in ("demo", "laptop"):
        (folder / f"presets/{preset}.yaml").write_text(f"preset: {preset}\n")
    shutil.copy(ROOT / "Makefile", folder)
    (folder / ".venv/bin/python").write_text(TELL)
    (folder / ".venv/bin/python").chmod(0o755)
    (folder / "envs/workflow.txt").write_text("")
    (folder / ".venv/workflow").write_text("")

    def make(*arguments, **environment):
        outer = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MAKE"))}
        command = ["make", "--no-print-directory", *arguments]
        done = subprocess.run(command, cwd=folder, env=outer | environment, capture_output=True, text=True)
        done.output = done.stdout + done.stderr
        lines = [line for line in done.stdout.splitlines() if line.startswith("[[")]
        done.arguments, done.environment = json.loads(lines[0]) if lines else (None, None)
        return done

    make.folder = folder
    return make


@pytest.mark.parametrize("mirror", ["/a/King's data", 'https://x/?a=1&b="2"', "C:\\mnist", "$HOME/`id`", "/été {x}"])
def test_any_name_of_a_mirror_reaches_snakemake(made, mirror):
    for given in (made("laptop", "MNIST=" + mirror), made("laptop", MNIST=mirror)):
        assert given.returncode == 0, given.output
        setting = given.arguments[given.arguments.index("--config") + 1]
        assert yaml.safe_load(setting.removeprefix("execution=")) == {"mirrors": ["$MNIST"]}
        assert given.environment["MNIST"] == mirror


@pytest.mark.parametrize("preset", ["nothere", "", "demo laptop", "../demo", "demo.yaml"])
def test_an_unknown_preset_is_refused_in_a_sentence(made, preset):
    for target in ("verify", "report"):
        done = made(target, f"PRESET={preset}")
        assert done.returncode != 0 and "PRESET is one of paper" in done.output and done.arguments is None


@pytest.mark.parametrize("text", ["preset: mine", "seed: 1\npreset: 'mine'  # my own\r\n", 'preset:   "mine"\n'])
def test_a_preset_of_ones_own_is_taken(made, text):
    (made.folder / "presets/mine.yaml").write_text(text)
    assert made("verify", "PRESET=mine").arguments[-1] == "results/mine/claims/claims.json"
    (made.folder / "presets/paper.yaml").touch()
    done = made("verify")
    assert done.returncode and "presets/paper.yaml is not read" in done.output


def test_a_run_without_a_reference_is_not_started_for_comparison(made):
    done = made("compare", "PRESET=laptop")
    assert done.returncode and "the preset laptop has no reference" in done.output and done.arguments is None


def test_a_preset_that_a_shell_would_misread_is_refused(made):
    (made.folder / "presets/R&D.yaml").write_text("preset: R&D\n")
    done = made("verify", "PRESET=R&D")
    assert done.returncode and "the preset 'R&D' has a sign in its name" in done.output and done.arguments is None


@pytest.mark.parametrize("target", ["verify", "beyond", "compare"])
def test_of_a_dry_run_nothing_is_read(made, target):
    (made.folder / "paper/reference").mkdir(parents=True)
    (made.folder / "paper/reference/demo.json").touch()
    for arguments in (
        "-n",
        "--dry-run --quiet",
        "--until solve_pde",
        "-U solve_pde",
        "--unlock",
        "--summary",
        "--lint",
    ):
        done = made(target, f"ARGS={arguments}")
        assert done.returncode == 0 and done.stdout.count("[[") == 1 and ".py" in str(done.arguments)
    for arguments in ("", "-R noise_image", "-F -k", "--forcerun solve_pde", "--rerun-incomplete", "--nolock", "-j2"):
        assert made(target, f"ARGS={arguments}").stdout.count("[[") == 2


def test_a_report_is_on_a_finished_run(made):
    done = made("report")
    assert done.returncode == 2 and "results/demo holds no finished run" in done.stderr and not done.arguments
    (made.folder / "results/demo").mkdir(parents=True)
    (made.folder / "results/demo/ro-crate-metadata.json").touch()
    assert "--report" in made("report").arguments


def test_only_the_demo_is_removed(made):
    for name in ("demo", "laptop"):
        (made.folder / "results" / name).mkdir(parents=True)
    done = made("clean", "PRESET=laptop")
    assert done.returncode == 2 and "remove results/laptop by hand" in done.stderr
    assert made("clean").returncode == 0
    assert [folder.name for folder in (made.folder / "results").iterdir()] == ["laptop"]


@pytest.mark.parametrize("kind", ["file", "link to nothing", "link to a folder"])
def test_an_environment_that_is_a_link_is_made_where_it_leads(tmp_path, kind):
    """As profiles/README.md has it, to a disk of the node's own, which may be emptied."""
    for part in ("envs", "presets"):
        (tmp_path / part).mkdir()
    (tmp_path / "presets/demo.yaml").touch()
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "envs/workflow.txt").touch()
    (tmp_path / "envs/supported.py").touch()
    if kind == "file":
        (tmp_path / ".venv").touch()
    else:
        (tmp_path / ".venv").symlink_to(tmp_path / "an other place")
    if kind == "link to a folder":
        (tmp_path / "an other place").mkdir()
    command = ["make", f"PYTHON={sys.executable}", ".venv/workflow"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2  # at the latest at the installation, of which there is nothing here
    assert (".venv is a file, or a link to nothing: remove it" in done.stderr) is (kind != "link to a folder")
    assert (tmp_path / "an other place/bin/python").exists() is (kind == "link to a folder")


@pytest.mark.parametrize("name", ["nothere", "envs"])
def test_a_list_that_is_not_there_is_told(name):
    command = [sys.executable, "workflow/scripts/install_packages.py", name, "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, f"error: {name}.in: No such file or directory\n")


def test_blanks_around_a_preset_do_not_matter(made):
    done = made("verify", "PRESET= demo ")
    assert done.returncode == 0 and "results/demo/claims/claims.json" in done.arguments, done.output


def test_make_from_another_folder_is_told_where_to_start(made, tmp_path):
    command = ["make", "-f", f"{tmp_path.name}/../../other/Makefile", "demo"]
    (tmp_path / "other").mkdir()
    shutil.copy(made.folder / "Makefile", tmp_path / "other")
    (tmp_path / "here" / tmp_path.name).mkdir(parents=True)
    done = subprocess.run(command, cwd=tmp_path / "here", capture_output=True, text=True)
    assert done.returncode != 0 and "works in its own folder: make -C" in done.stderr and "no preset" not in done.stderr


@pytest.mark.parametrize("samples", ["abc", "0", "-3", "1.5", "010", "1e3", "5'; touch x'", "5 6", "$(id)", "50001"])
def test_a_bad_number_of_samples_is_refused_and_leaves_nothing(made, samples):
    before = sorted(made.folder.rglob("*"))
    done = made("demo", f"SAMPLES={samples}")
    assert done.returncode != 0 and "must be a number of samples" in done.output and done.arguments is None
    assert sorted(made.folder.rglob("*")) == before


def test_samples_work_without_a_results_folder(made):
    done = made("demo", "SAMPLES=7")
    assert done.returncode == 0, done.output
    written = yaml.safe_load((made.folder / "results/demo-7.yaml").read_text())
    assert written == {"preset": "demo-7", "samples": {"count": 7}}


def test_variables_of_python_reach_nothing(made):
    done = made("demo", PYTHONPATH="/opt/ros", PYTHONHOME="/nowhere", PYTHONWARNINGS="error", PYTHONSAFEPATH="1")
    assert done.returncode == 0 and not [name for name in done.environment if name.startswith("PYTHON")]


def test_cores_are_left_to_the_start_script_unless_given(made):
    assert "--cores" not in made("demo", OMP_NUM_THREADS="64").arguments
    assert made("demo", "CORES=3").arguments[1:3] == ["--cores", "3"]
    assert made("demo", CORES="all").arguments[1:3] == ["--cores", "all"]
    for cores in ("abc", "0", "-1", "2 3", "1.5", "all 2", "$(id)"):
        done = made("demo", f"CORES={cores}")
        assert done.returncode != 0 and "must be a number of cores" in done.output and done.arguments is None, cores


def test_a_folder_that_cannot_be_used_is_refused_before_anything_is_installed(tmp_path):
    for name in ("a:b", "{x}", "x}"):
        for part in ("envs", "presets"):
            shutil.copytree(ROOT / part, tmp_path / name / part)
        shutil.copy(ROOT / "Makefile", tmp_path / name)
        (tmp_path / name / "envs/workflow.txt").write_text("")
        command = ["make", "-C", tmp_path / name, ".venv/workflow", f"PYTHON={sys.executable}"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode != 0 and "a folder whose name has a brace or a colon" in done.stderr
        assert "Traceback" not in done.stderr and not (tmp_path / name / ".venv").exists()


def test_notebooks_open_nothing_and_the_lecture_opens_them(made):
    for name in ("envs/notebooks.txt", ".venv/notebooks"):
        (made.folder / name).write_text("")
    assert made("notebooks").arguments == ["-m", "notebooks.make"]
    assert made("lecture").arguments == ["-m", "jupyterlab", "notebooks"]


def test_help_lists_every_target(made):
    lines = made("help").stdout.splitlines()
    assert lines[0] == "make help      print this list" and all(len(line.split(None, 2)) == 3 for line in lines)
    assert {"demo", "verify", "bench", "clean"} <= {line.split()[1] for line in lines}


LISTING = """global.index-url='https://mirror/simple'
global.target='/elsewhere'
global.timeout='60'
install.user='true'
install.extra-index-url='\\nhttps://a\\nhttps://b'
install.no-binary=':all:'
:env:.timeout='180'
:env:.constraint='/c.txt'
download.index-url='https://no'
"""


def test_of_pips_settings_those_of_the_index_stay():
    assert installation.index_settings(LISTING) == {
        "PIP_INDEX_URL": "https://mirror/simple",
        "PIP_TIMEOUT": "180",
        "PIP_EXTRA_INDEX_URL": "\nhttps://a\nhttps://b",
    }


def test_pip_gets_no_setting_that_decides_where_packages_go(tmp_path, monkeypatch):
    """With the pip that is here, its configuration in a file and in the environment."""
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://mirror/simple\nquiet = 2\n[install]\nuser = true\ntarget = /elsewhere\n"
    )
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    for name in ("TARGET", "PREFIX", "ROOT", "CONSTRAINT", "REQUIREMENT"):
        monkeypatch.setenv(f"PIP_{name}", "/elsewhere")
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels")
    calls, run = [], subprocess.run

    def record(command, env, **options):
        calls.append((command, {name: value for name, value in env.items() if name.startswith("PIP_")}))
        return run(command, env=env, **options) if "config" in command else subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(installation.subprocess, "run", record)
    installation.install(tmp_path / "lock.txt")
    assert calls[-1][0][3:] == [
        "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(tmp_path / "lock.txt"),
    ]  # fmt: skip
    expected = {"CONFIG_FILE": os.devnull, "INDEX_URL": "https://mirror/simple", "FIND_LINKS": "/wheels"}
    given = {name.removeprefix("PIP_"): value for name, value in calls[-1][1].items()}
    assert {name: given[name] for name in expected} == expected and set(given) <= {*INDEX, "CONFIG_FILE"}


def test_what_is_missing_or_other_or_broken_is_told(tmp_path, monkeypatch):
    for name, code in (("sound", ""), ("broken", "raise RuntimeError('foreign')")):
        (tmp_path / f"{name}_package").mkdir()
        (tmp_path / f"{name}_package/__init__.py").write_text(code)
        info = tmp_path / f"{name}_package-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-package\nVersion: 1.0\n")
        (info / "RECORD").write_text(f"{name}_package/__init__.py,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "one.in").write_text("# comment\nsound-package==1.0\n")
    (tmp_path / "all.in").write_text("-r one.in\nSound_Package==1.1\nbroken-package==1.0\nno-such-package==2\n")
    assert installation.shortfalls(tmp_path / "one.in") == []
    assert installation.shortfalls(tmp_path / "all.in") == [
        "Sound_Package is installed in version 1.0 instead of 1.1",
        "broken-package cannot be imported (RuntimeError('foreign'))",
        "no-such-package is missing",
    ]


@pytest.mark.parametrize(
    "program",
    [["workflow/scripts/install_packages.py", "envs/numerics", "--check"], ["-c", "import benchmarks, matplotlib"]],
)
def test_a_backend_of_matplotlib_that_is_not_here_is_no_fault_of_the_installation_or_of_a_benchmark(program):
    environment = os.environ | {"MPLBACKEND": "nowhere"}
    done = subprocess.run([sys.executable, *program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    broken = subprocess.run([sys.executable, "-c", "import matplotlib"], env=environment, capture_output=True)
    assert broken.returncode != 0  # which the shield is for
