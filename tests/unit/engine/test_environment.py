"""What a job sees of the user's environment, and how many cores it may use."""

import errno
import getpass
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT

from engine import device, environment
from engine.environment import (
    ForShell,
    cores,
    provide,
    quotas,
    refusal,
    shield,
    wait_asleep,
)

HOSTILE = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "MATPLOTLIBRC": "/home/me/matplotlibrc",
    "PYTHONPATH": "/opt/ros/lib",
    "PYTHONWARNINGS": "error",
    "PYTHONSAFEPATH": "1",
    "PYTHONUSERBASE": "/home/me/other",
    "PIP_TARGET": "/home/me/packages",
    "PIP_CONSTRAINT": "/home/me/constraints.txt",
    "PIP_USER": "1",
    "OMP_PROC_BIND": "true",
    "RANK": "1",
    "LOCAL_WORLD_SIZE": "0",
    "TORCHELASTIC_RUN_ID": "none",
    "MASTER_PORT": "29511",
    "ROLE_RANK": "3",
    "SOURCE_DATE_EPOCH": "banana",
    "TORCH_LOGS": "garbage",
    "PYTORCH_JIT": "x",
    "PYTORCH_MATCHER_LOGLEVEL": "garbage",
    "SKLEARN_WORKING_MEMORY": "banana",
    "JOBLIB_START_METHOD": "zz",
    "NPY_DISABLE_CPU_FEATURES": "AVX2",
    "OMP_PLACES": "cores",
    "GOMP_CPU_AFFINITY": "0",
    "BASH_ENV": "/home/me/modules.sh",
    "TQDM_MININTERVAL": "often",
    "TORCHINDUCTOR_COMPILE_THREADS": "abc",
    "AOTINDUCTOR_REPRO_LEVEL": "x",
    "COMPILE_STROBELIGHT_SAMPLE_RATE": "x",
    "TORCH_SYMMMEM": "x",
    "LOKY_MAX_DEPTH": "x",
    "NUMPY_MADVISE_HUGEPAGE": "x",
}


def test_what_the_user_set_for_other_programs_does_not_reach_a_job():
    kept = {
        "HOME": "/home/me",
        "PATH": "/bin",
        "PIP_INDEX_URL": "https://mirror",
        "PIP_CERT": "/ca.pem",
        "TORCHINDUCTOR_CACHE_DIR": "/scratch/me",
        "TORCH_NCCL_BLOCKING_WAIT": "1",
    }
    given = HOSTILE | kept
    shield(given)
    assert given == kept | {
        "PIP_USER": "0",
        "MPLBACKEND": "agg",
        "MATPLOTLIBRC": os.devnull,
    }


def test_ranks_of_processes_that_were_launched_stay():
    given = HOSTILE | {environment.LAUNCHED: "1"}
    shield(given)
    assert given == HOSTILE | {environment.LAUNCHED: "1"}


def test_who_asks_for_active_waiting_gets_it():
    given = {"OMP_WAIT_POLICY": "ACTIVE"}
    wait_asleep(given)
    assert given["OMP_WAIT_POLICY"] == "ACTIVE"


@pytest.mark.skipif(sys.platform != "linux", reason="the library of OpenMP is another one there")
def test_openmp_waits_asleep_where_torch_is_loaded_afterwards():
    program = "import os; from engine.environment import wait_asleep; wait_asleep(os.environ); import torch"
    known = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(environment.__file__).parent.parent,
        env=known | {"OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
    )
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr, done.stderr
    assert "GOMP_SPINCOUNT = '0'" in done.stderr


@pytest.mark.parametrize("path", ["/a b/python", "/King's R&D (été)/python", "/plain/python", '/"$HOME"`id`\n/python'])
def test_a_path_is_quoted_where_it_is_formatted_and_nowhere_else(path):
    safe = ForShell(path)
    assert safe == path and Path(safe) == Path(path) and [*safe] == [*path]
    assert f"{safe} -m snakemake" == f"{shlex.quote(path)} -m snakemake"
    assert subprocess.check_output(f"printf %s {safe}", shell=True).decode() == path


def test_without_name_home_and_cache_these_are_given(tmp_path, monkeypatch):
    def nobody(*_):
        raise KeyError("uid not found: 4242")

    monkeypatch.setattr(getpass, "getuser", nobody)
    monkeypatch.setattr(environment.pwd, "getpwuid", nobody)
    given = {}
    provide(given, tmp_path)
    assert given["LOGNAME"] == f"user-{os.getuid()}" and given["HOME"] == str(tmp_path)


class Full:
    """A file on a disk without space: it can be made, and nothing written into it."""

    def __init__(self, **_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def write(self, _):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("place", ["home", "cache", "nowhere", "full"])
def test_a_cache_that_cannot_be_written_to_is_replaced(tmp_path, monkeypatch, place):
    (tmp_path / "file").touch()  # below which root too can make no folder
    given = {
        "home": {"HOME": str(tmp_path / "file")},
        "cache": {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "file/cache")},
        "nowhere": {"HOME": str(tmp_path / "file/missing/home")},
        "full": {"HOME": str(tmp_path)},
    }[place]
    if place == "full":
        monkeypatch.setattr(environment.tempfile, "TemporaryFile", Full)
    provide(given, tmp_path / "own")
    assert given["XDG_CACHE_HOME"] == str(tmp_path / "own/cache")
    assert given["MPLCONFIGDIR"] == str(tmp_path / "own/matplotlib")


def test_a_sound_environment_stays_as_it_is(tmp_path):
    given = {"HOME": str(tmp_path), "LOGNAME": "me"}
    provide(given, tmp_path / "own")
    added = {"PATH": os.defpath, "MPLCONFIGDIR": str(tmp_path / "own/matplotlib")}
    assert given == {"HOME": str(tmp_path), "LOGNAME": "me"} | added and not (tmp_path / "own").exists()


def test_what_cannot_work_is_refused_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal({}, tmp_path) == refusal({"PYTHONPATH": ""}, tmp_path) == ""
    assert "there is no program `which`" in refusal({"PATH": str(tmp_path)}, tmp_path)
    assert "PYTHONPATH is set (/opt/ros), so that" in refusal({"PYTHONPATH": "/opt/ros"}, tmp_path)
    for name in ("{x}", "}"):
        assert "has a brace in its name" in refusal({}, tmp_path / name)
    (tmp_path / "elsewhere").mkdir()
    assert "runs in its own folder" in refusal({}, tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to(tmp_path)
    assert refusal({}, tmp_path / "link") == ""


def group(folder: Path, **limits: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in limits.items():
        (folder / name.replace("__", ".")).write_text(value + "\n")
    return folder


def test_quotas_of_control_groups_of_both_versions_and_of_those_above(tmp_path):
    groups, root = tmp_path / "cgroup", tmp_path / "fs"
    groups.write_text("0::/user/job\n")
    group(root / "user/job", cpu__max="max 100000")
    group(root / "user", cpu__max="250000 100000")
    assert quotas(groups, root) == [2.5]
    groups.write_text("0::/\n")  # a container's view of itself
    group(root, cpu__max="100000 100000")
    assert quotas(groups, root) == [1.0]
    groups.write_text("5:memory:/job\n4:cpu,cpuacct:/docker/a:b\n3:cpuset:/x\n")
    group(root / "cpu,cpuacct/docker/a:b", **{"cpu.cfs_quota_us": "300000", "cpu.cfs_period_us": "100000"})
    group(root / "cpu,cpuacct", **{"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"})
    group(root / "memory/job", **{"cpu.cfs_quota_us": "1", "cpu.cfs_period_us": "100000"})
    assert quotas(groups, root) == [3.0]
    assert quotas(tmp_path / "missing", root) == []


def test_cores_are_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr(environment.os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setattr(environment, "quotas", lambda _: [])
    assert cores({}) == cores({"OMP_NUM_THREADS": "1"}) == cores({"OMP_NUM_THREADS": "64"}) == 6
    assert cores({"SLURM_CPUS_PER_TASK": "4"}) == cores({"SLURM_CPUS_ON_NODE": "4"}) == cores({"NSLOTS": "4"}) == 4
    assert cores({"NSLOTS": "9" * 5000}) == cores({"NSLOTS": "four"}) == cores({})
    assert cores({"PBS_NP": "4"}) == cores({"PBS_JOBID": "7.head", "NCPUS": "4"}) == 4 and cores({"NCPUS": "4"}) == 6
    assert cores({"SLURM_CPUS_PER_TASK": "4(x2)"}) == cores({"SLURM_CPUS_ON_NODE": "0"}) == 6
    monkeypatch.setattr(environment, "quotas", lambda _: [2.5, 4.0])
    assert cores({}) == 2
    monkeypatch.setattr(environment, "quotas", lambda _: [0.2])
    assert cores({}) == 1


def test_a_job_uses_no_more_threads_than_it_may(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(device, "cores", lambda: 2)
    try:
        for asked, used in ((64, 2), (2, 2), (1, 1)):
            assert device.use_threads(asked) == torch.get_num_threads() == used
            assert device.prepare(asked, "cpu", "float32").threads == used
            assert torch.get_num_threads() == 1  # for each part of the images
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
        device.use_threads(8)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("place", ["", "locks", "metadata", "log", "incomplete"])
def test_a_file_where_snakemakes_folder_must_be_is_named(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert refusal({}, tmp_path) == ""
    file = tmp_path / ".snakemake" / place
    file.parent.mkdir(exist_ok=True)
    file.symlink_to("/nowhere")
    assert refusal({}, tmp_path).startswith(f"{file} is a file, or a link to nothing, where Snakemake's own folder")


def test_a_cache_of_the_compiler_that_cannot_be_made_is_not_used(tmp_path):
    (tmp_path / "file").touch()
    for place, kept in ((tmp_path / "file/cache", False), (tmp_path / "cache", True)):
        given = {"HOME": str(tmp_path), "LOGNAME": "me", "TORCHINDUCTOR_CACHE_DIR": str(place), "PATH": ""}
        provide(given, tmp_path / "own")
        assert ("TORCHINDUCTOR_CACHE_DIR" in given) == kept and given["PATH"] == os.defpath


def test_packages_are_installed_by_pythons_own_library_alone():
    """Before they are there, nothing else can be imported."""
    code = "import sys; sys.path.insert(0, 'workflow/scripts'); import engine.environment, engine.installation"
    done = subprocess.run([sys.executable, "-S", "-E", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
