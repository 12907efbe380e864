"""Where the workflow may stand and be started, and what else may lie there."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, Checkout, planned

from engine.environment import unwritable

STRAY = (
    "envs/._learn.yaml", "envs/learn copy.yaml", "envs/.DS_Store", "paper/#style.typ#", "paper/references.bib~",
    "workflow/scripts/diffusion/.pde.py.swp", "workflow/scripts/diffusion/pde.py.orig", "workflow/rules/pde (1).smk",
    "workflow/scripts/.ipynb_checkpoints/pde-checkpoint.py", "profiles/default/._config.yaml", "._Snakefile",
    "presets/._demo.yaml", "envs/learn-old.yaml",
)  # fmt: skip


@pytest.mark.parametrize("name", ["-King's R&D (été)", '"$HOME" `id`\n;|<> [x]* %20:#~!\\'])
def test_a_folder_of_any_name_with_python_inside_it(tmp_path, name):
    """The tests' own Python stands elsewhere; here it is reached, as that of `make` is, through the folder itself."""
    checkout = Checkout(tmp_path / name)
    (checkout / ".venv").symlink_to(sys.prefix)
    command = [".venv/bin/python", "-m", "snakemake", "--cores", "1", "--", "results/paper/figures/fig7.npz"]
    done = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True)
    assert done.returncode == 0 and (checkout / "results/paper/figures/fig7.npz").is_file(), done.stderr


def test_a_folder_that_snakemake_cannot_work_in_is_refused(tmp_path):
    done = Checkout(tmp_path / "{x}").snakemake("-n")
    assert done.returncode != 0 and "has a brace in its name" in done.output and "Traceback" not in done.output


def test_a_cluster_is_not_given_commands_that_it_cannot_run(tmp_path):
    checkout = Checkout(tmp_path / "R&D")
    done = checkout.snakemake("--workflow-profile", "profiles/generic", "--cluster-generic-submit-cmd", "touch sent")
    assert done.returncode != 0 and "a cluster's jobs cannot be started in" in done.output
    assert not (checkout / "sent").exists()


def test_an_apostrophe_is_refused_for_conda(tmp_path):
    done = Checkout(tmp_path / "King's").snakemake("-n", "--use-conda")
    assert done.returncode != 0 and "cannot use conda environments below" in done.output


def test_started_from_elsewhere_it_says_where_to_start(checkout, tmp_path):
    (tmp_path / "module.smk").write_text(
        f'module paper:\n    snakefile: "{checkout / "Snakefile"}"\n    config: {{}}\nuse rule * from paper\n'
    )
    (checkout / "inside.smk").write_text((tmp_path / "module.smk").read_text())
    elsewhere = "this workflow runs in its own folder"
    for folder, arguments, sentence in (
        (tmp_path, ["-s", str(checkout / "Snakefile")], elsewhere),
        (tmp_path, ["-s", "module.smk"], elsewhere),
        (checkout.folder, ["--directory", str(tmp_path)], elsewhere),
        (checkout.folder, ["-s", "inside.smk"], "config.yaml was not read, as in a module"),
    ):
        command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", *arguments]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode != 0 and sentence in done.stdout, done.stdout
        assert "Traceback" not in done.stdout and "required property" not in done.stdout
    (tmp_path / "link").symlink_to(checkout.folder)
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1"]
    assert subprocess.run(command, cwd=tmp_path / "link", capture_output=True).returncode == 0


def test_a_folder_whose_name_is_not_utf_8_is_refused(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1"]
    done = subprocess.run(command, cwd=Checkout(folder).folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode != 0 and b"is not UTF-8, which Snakemake cannot write: rename it" in done.stdout


@pytest.mark.parametrize("place", ["results", "results/paper"])
def test_results_that_cannot_be_a_folder_are_said(checkout, place):
    (checkout / place).parent.mkdir(exist_ok=True)
    (checkout / place).symlink_to("/scratch/that/is/not/there")
    done = checkout.snakemake("-n")
    assert done.returncode != 0 and f"{place} is a link to a folder that is not there" in done.output
    (checkout / place).unlink()
    (checkout / place).touch()
    done = checkout.snakemake("-n")
    assert done.returncode != 0 and f"{place} is a file, where what is made must go" in done.output


@pytest.mark.parametrize("text", ["seed: 1\n", "preset: other\n", "preset: minemine\n"])
def test_settings_whose_results_go_elsewhere_than_asked_are_told(checkout, text):
    """What `make verify PRESET=mine` asks for, with a preset that lacks its own name."""
    (checkout / "mine.yaml").write_text(text)
    done = checkout.snakemake("-n", "--configfile", "mine.yaml", "--", "results/mine/claims/claims.json")
    assert done.returncode and "results/mine/claims/claims.json is asked for, but by these settings" in done.output


@pytest.mark.parametrize("text", ["preset: mine", "\ufeffseed: 1\npreset : 'mine'  # my own\r\n", '{"preset": "mine"}'])
def test_settings_whose_results_go_where_asked_are_used(checkout, text):
    (checkout / "mine.yaml").write_text(text, encoding="utf-8")
    done = checkout.snakemake("-n", "--configfile", "mine.yaml", "--", "results/mine/claims/claims.json")
    assert done.returncode == 0, done.output


@pytest.mark.parametrize("place", ["results/paper/ro-crate-metadata.json", "results/paper/models/ddpm.safetensors"])
def test_a_folder_in_the_place_of_a_result_is_said(checkout, place):
    (checkout / place).mkdir(parents=True)
    done = checkout.snakemake("-n")
    assert done.returncode != 0 and f"{place} is a folder, where a file must be: move it away" in done.output


def test_options_may_name_folders_of_results_that_are_no_runs(checkout):
    done = checkout.snakemake("-n", "--conda-prefix", "results/conda/envs", "--", "results/paper/claims/algebra.json")
    assert done.returncode == 0, done.output


def test_a_finished_run_that_cannot_be_written_to_may_be_read(tiny):
    """As a teacher's, to which a student's results are a link; the tests may run as root, whom nothing is denied."""
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    target = "results/tiny/claims/algebra.json"
    assert tiny.snakemake("--configfile", "tiny.yaml", "--", target).returncode == 0
    script = 'mount --bind results results && mount -o remount,ro,bind results && exec "$@"'
    prefix = ("unshare", "--mount", "bash", "-c", script, "bash")
    for arguments in (["-n"], ["--list-rules"], ["--summary"], []):
        done = tiny.snakemake(*arguments, "--configfile", "tiny.yaml", "--", target, prefix=prefix)
        assert done.returncode == 0, done.output
    done = tiny.snakemake("--configfile", "tiny.yaml", "--", "results/tiny/data/images.npz", prefix=prefix)
    assert done.returncode != 0 and "results/tiny cannot be written to: make it writable" in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("place", ["metadata", "log", "started"])
def test_what_another_user_has_run_in_is_told(place, tmp_path, monkeypatch):
    (tmp_path / place).mkdir()
    assert unwritable(tmp_path) == ""
    monkeypatch.setattr("engine.environment.os.access", lambda folder, _: folder.name != place)
    assert unwritable(tmp_path).startswith(f"{tmp_path / place} cannot be written to, as where another user")


def test_without_slurm_its_profile_is_refused(checkout, tmp_path):
    """Its plugin would wait for ever."""
    (tmp_path / "bin").mkdir()
    for program in {
        file.name: file for folder in os.environ["PATH"].split(":") for file in Path(folder).glob("*")
    }.values():
        if program.name != "sbatch":
            (tmp_path / "bin" / program.name).symlink_to(program)
    command = ("--workflow-profile", "profiles/slurm", "--", "results/paper/claims/algebra.json")
    done = checkout.snakemake(*command, PATH=str(tmp_path / "bin"))
    assert done.returncode != 0 and "there is no program `sbatch`" in done.output
    assert checkout.snakemake("-n", *command, PATH=str(tmp_path / "bin")).returncode == 0


@pytest.mark.parametrize("content", ["", "a: [", "<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n"])
@pytest.mark.parametrize("name", ["figures.yaml", "beyond.yaml", "schemas/config.schema.yaml"])
def test_a_file_of_ours_that_a_merge_left_broken_is_named(checkout, name, content):
    (checkout / "workflow" / name).write_text(content)
    done = checkout.snakemake("-n")
    assert done.returncode != 0 and f"workflow/{name}" in done.output.split("WorkflowError")[-1]
    assert "Traceback" not in done.output


def test_results_of_other_settings_are_not_shown_as_those_of_these(tiny):
    target, base = "results/tiny/classroom/forward.npz", ("--configfile", "tiny.yaml")
    assert tiny.snakemake(*base, "--", target).returncode == 0
    shutil.rmtree(tiny / ".snakemake")
    assert planned(tiny.snakemake("-n", *base, "--", target).output) == {}
    other = (*base, "--config", "seed=2", "--", target)
    done = tiny.snakemake("-n", *other)
    assert done.returncode != 0 and "were made by other settings than these" in done.output
    for question in (["--unlock"], ["--list-rules"], ["--summary"]):
        assert tiny.snakemake(*question, *base, "--config", "seed=2").returncode == 0
    assert tiny.snakemake("--forceall", *other).returncode == 0
    assert planned(tiny.snakemake("-n", *other).output) == {}
    assert planned(tiny.snakemake("-n", *base, "--", target).output).get("noise_image") == 1


def test_questions_leave_nothing_behind(checkout):
    for question in (["--lint"], ["--list-rules"], ["-n"]):
        assert checkout.snakemake(*question).returncode == 0
    assert not (checkout / ".snakemake/started").exists()
    assert checkout.snakemake("--", "results/paper/claims/algebra.json").returncode == 0
    assert len(list((checkout / ".snakemake/started").iterdir())) == 1


def test_ctrl_c_that_is_ignored_in_the_background_stays_so(checkout):
    """A script's `make demo & make other` would end with a Ctrl-C that was meant for the other."""
    command = [sys.executable, "workflow/scripts/start_snakemake.py", "--", "results/paper/claims/algebra.json"]
    ignored = subprocess.Popen(
        command, cwd=checkout.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    while ignored.poll() is None:
        ignored.send_signal(signal.SIGINT)
        time.sleep(0.05)
    assert ignored.returncode == 0, ignored.stdout.read()


def test_a_profile_that_was_set_for_other_workflows_is_not_used(checkout):
    command = [sys.executable, "workflow/scripts/start_snakemake.py", "-n", "-q", "rules"]
    environment = {**os.environ, "SNAKEMAKE_PROFILE": "nothere"}
    done = subprocess.run(command, cwd=checkout.folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_weights_that_are_there_stay_where_others_cannot_be_shipped(checkout):
    """Snakemake removes what a job is to write before it starts; those of a long training may be there alone."""
    checkout.bring_weights()
    before = {file.name: file.read_bytes() for file in sorted((checkout / "weights").iterdir()) if file.is_file()}
    models = checkout / "results/paper/models"
    models.mkdir(parents=True)
    for name in ("ddpm.safetensors", "classifier.safetensors", "ddpm.json", "classifier.json"):
        (models / name).write_text("{}")
    for name in ("ddpm_history.csv", "classifier_confusion.csv"):
        (models / name).touch()
    shipping = ("--allowed-rules", "ship_weights", "--rerun-triggers", "mtime", "--", "ship_weights")
    done = checkout.snakemake(*shipping)
    assert done.returncode != 0 and "rule ship_weights" in done.output, done.output
    assert {file.name: file.read_bytes() for file in sorted((checkout / "weights").iterdir())} == before


def test_a_python_path_is_refused(checkout):
    (checkout / "foreign/engine").mkdir(parents=True)
    (checkout / "foreign/engine/__init__.py").write_text("raise RuntimeError('foreign')")
    done = checkout.snakemake("-n", PYTHONPATH=str(checkout / "foreign"))
    assert done.returncode != 0 and "PYTHONPATH is set" in done.output and "foreign'" not in done.output


def test_without_home_and_name_the_start_script_plans_a_run(checkout):
    """As in a container that runs under a number which the system does not know."""
    command = ["unshare", "--user", "--map-user=4242"]
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("user namespaces are not allowed here")
    known = ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in known}
    done = subprocess.run(
        [*command, sys.executable, "workflow/scripts/start_snakemake.py", "-n", "-q", "rules"],
        cwd=checkout.folder,
        env=environment | {"PYTHONPATH": "/nowhere"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


@pytest.mark.parametrize("seconds", [0.7, 1.2, 1.8, 2.5])
def test_ctrl_c_while_snakemake_starts_leaves_no_traceback(checkout, seconds):
    command = [sys.executable, "workflow/scripts/start_snakemake.py", "-n", "-q", "rules"]
    with subprocess.Popen(command, cwd=checkout.folder, stderr=subprocess.PIPE, text=True) as run:
        time.sleep(seconds)
        run.send_signal(signal.SIGINT)
        said = run.communicate()[1]
    assert run.returncode in (0, 130, -signal.SIGINT) and "Traceback" not in said, said


def sources(checkout: Checkout, *arguments: str) -> set[str]:
    """The workflow's own files, as the run's description takes them for input."""
    with (checkout / "Snakefile").open("a") as file:
        file.write('\nPath("sources").write_text("\\0".join(SOURCES))\n')
    done = checkout.snakemake("-n", *arguments)
    assert done.returncode == 0 and planned(done.output), done.output
    return set((checkout / "sources").read_text().split("\0"))


def test_stray_files_beside_ours_are_no_inputs_and_all_of_ours_are(checkout):
    for stray in STRAY:
        (checkout / stray).parent.mkdir(exist_ok=True)
        (checkout / stray).write_bytes(b"\xff\xfe\x00")
    checkout.bring_weights()
    (checkout / "weights/ddpm.json~").write_bytes(b"\xff")
    found = sources(checkout, "--configfile", "presets/shipped.yaml")
    assert found & {*STRAY, "weights/ddpm.json~"} <= {"envs/learn-old.yaml"}  # which could be ours, and does no harm
    listed = ["git", "ls-files", "-z", "Snakefile", "envs", "paper", "profiles/default", "weights", "workflow"]
    if (ROOT / ".git").exists():
        ours = {name for name in subprocess.check_output(listed, cwd=ROOT, text=True).split("\0") if name}
        compared_with_afterwards = {f"paper/reference/{preset}.json" for preset in ("demo", "shipped")}
        assert ours - {"weights/README.md"} - compared_with_afterwards <= found


@pytest.mark.parametrize("setting", ["core.autocrlf=true", "core.eol=crlf", "core.autocrlf=input"])
def test_a_clone_has_the_same_bytes_whatever_git_thinks_of_line_ends(tmp_path, setting):
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_INDEX_FILE"] = str(tmp_path / "index")
    subprocess.run(["git", "read-tree", "HEAD"], cwd=ROOT, env=environment, check=True)
    subprocess.run(
        ["git", "-c", setting, f"--work-tree={tmp_path}", "checkout-index", "-a"], cwd=ROOT, env=environment, check=True
    )
    for file in subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0"):
        if file and Path(file).suffix not in (".png", ".gif", ".safetensors"):
            assert b"\r\n" not in (tmp_path / file).read_bytes(), file
