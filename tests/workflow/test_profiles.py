"""The generic profile's status command, with a scheduler that answers, does not know the job, or is out of reach."""

import os
import subprocess

import pytest
from conftest import ROOT

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
