"""The generic profile's status command, with a scheduler that answers, does not know the job, or is out of reach; the
groups of small rules; the environment that jobs unpack on their nodes.
"""

import os
import re
import subprocess

import pytest
import yaml
from conftest import ROOT, rule_blocks

ANSWERS = [
    ("echo JobId=7 JobState=COMPLETED Reason=None", "success"),
    ("echo JobId=7 JobState=RUNNING Reason=None", "running"),
    ("echo JobId=7 JobState=PENDING Reason=Resources", "running"),
    ("echo JobId=7 JobState=CANCELLED Reason=None", "failed"),
    ("echo JobId=7 JobState=TIMEOUT Reason=TimeLimit", "failed"),
    ("echo slurm_load_jobs error: Invalid job id specified >&2; exit 1", "failed"),
    ("echo slurm_load_jobs error: Unable to contact slurm controller >&2; exit 1", "running"),
    ("exit 127", "running"),
]


@pytest.mark.parametrize("folder", sorted((ROOT / "profiles").glob("*/")), ids=lambda folder: folder.name)
def test_an_older_snakemake_finds_the_profile_and_so_tells_that_it_is_too_old(folder):
    """Up to 9.10 it knows config.yaml alone, and ends before it has read the Snakefile where that is missing."""
    assert (folder / "config.yaml").is_file() and not (folder / "profile.yaml").exists()


@pytest.mark.parametrize("answer, status", ANSWERS)
def test_status_of_a_job_survives_an_outage(tmp_path, answer, status):
    scheduler = tmp_path / "scontrol"
    scheduler.write_text(f"#!/bin/sh\n{answer}\n")
    scheduler.chmod(0o755)
    done = subprocess.run(
        ["sh", str(ROOT / "profiles/generic/status.sh"), "7"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == status and done.returncode == 0


def test_two_jobs_that_start_at_once_unpack_the_environment_one_time(tmp_path):
    packed, disk = tmp_path / "packed", tmp_path / "disk"
    (packed / "bin").mkdir(parents=True)
    (packed / "bin/python").write_text("one")
    (tmp_path / ".venv").symlink_to(disk / "environment")
    subprocess.run(["tar", "-cf", "environment.tar", "-C", "packed", "."], cwd=tmp_path, check=True)
    command = ["sh", str(ROOT / "profiles/unpack.sh")]
    jobs = [subprocess.Popen(command, cwd=tmp_path) for _ in range(2)]
    assert [job.wait(timeout=60) for job in jobs] == [0, 0]
    assert (tmp_path / ".venv/bin/python").read_text() == "one"
    (disk / "environment/bin/python").write_text("used")
    assert subprocess.run(command, cwd=tmp_path).returncode == 0
    assert (disk / "environment/bin/python").read_text() == "used"


@pytest.mark.parametrize("profile", ["slurm", "generic"])
def test_every_rule_with_a_gpu_is_sent_where_gpus_are(profile):
    with_gpu = {re.match(r"rule (\w+)", block)[1] for _, block in rule_blocks() if "gpu=" in block}
    settings = yaml.safe_load((ROOT / f"profiles/{profile}/config.yaml").read_text())
    assert len(with_gpu) > 8 and with_gpu <= settings["set-threads"].keys()
    for name in with_gpu:
        asked = settings["set-resources"][name]
        assert asked["mem_mb"] >= 8000 and "attempt" in asked["runtime"]
        assert profile == "generic" or asked["slurm_partition"] == "gpu"


def test_small_rules_share_cluster_jobs_and_the_download_stays_where_the_network_is():
    """Only what needs a GPU is a job of its own, and what writes into the repository, which no run of `all` does."""
    fetching = {"download_images", "download_runtime"}
    alone = {"train_ddpm", "train_classifier", "generate_samples", "take_start"} | fetching
    alone |= {"denoise_gaussians", "denoise_one_gaussian", "denoise_training_image", "denoise_originals"}
    alone |= {"ship_weights", "write_card", "gallery", "gallery_beyond", "fetch"}
    alone |= {"explore_memory_network", "denoise_starts", "sample_in_steps", "return_digits", "beyond"}
    groups = {}
    for _, block in rule_blocks():
        name = re.match(r"rule (\w+)", block)
        group = re.search(r'group:\n +"(\w+)"', block)
        if group:
            groups.setdefault(group[1], set()).add(name and name[1])
        elif name:
            assert name[1] in alone, f"{name[1]} would wait in the queue by itself"
        assert not (group and "gpu=" in block)
        assert ("localrule: True" in block) == bool(name and name[1] in fetching)
    assert groups.keys() == {"images", "weights", "equations", "claims", "documents", "beyond"}
    for profile in ("slurm", "generic"):
        settings = yaml.safe_load((ROOT / f"profiles/{profile}/config.yaml").read_text())
        assert settings["group-components"].keys() <= groups.keys()
