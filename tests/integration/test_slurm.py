"""The workflow on a real Slurm of one node, started here; skipped where Slurm is not installed."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not shutil.which("slurmctld"), reason="Slurm is not installed (Debian: slurmctld slurmd slurm-client)"
)

CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
MinJobAge=3600
KillWait=2
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=16000 Gres=gpu:2 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES State=UP
PartitionName=gpu Nodes={host} State=UP
"""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Slurm:
    """A one-node cluster in a folder of its own; its clients find it through wrappers, since jobs lose SLURM_CONF."""

    def __init__(self, folder: Path) -> None:
        self.folder, host = folder, socket.gethostname().split(".")[0]
        for part in ("state", "spool", "bin"):
            (folder / part).mkdir(parents=True)
        conf = CONF.format(folder=folder, host=host, controller=free_port(), node=free_port(), cpus=4)
        (folder / "slurm.conf").write_text(conf)
        (folder / "gres.conf").write_text(
            f"NodeName={host} Name=gpu File=/dev/null\nNodeName={host} Name=gpu File=/dev/zero\n"
        )
        for client in ("sbatch", "srun", "squeue", "scancel", "sinfo", "scontrol"):
            wrapper = folder / "bin" / client
            wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which(client)} "$@"\n')
            wrapper.chmod(0o755)
        self.environment = {
            "SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{folder}/bin:{os.environ['PATH']}"
        }  # fmt: skip
        self.daemons = [
            subprocess.Popen(
                [shutil.which(daemon), "-D", "-c", *more, "-f", str(folder / "slurm.conf")],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **self.environment},
            )
            for daemon, more in (("slurmctld", []), ("slurmd", ["-N", host]))
        ]  # fmt: skip
        for _ in range(150):
            if "idle" in self.client("sinfo", "-h", "-o", "%t"):
                return
            time.sleep(0.2)
        self.stop()
        raise RuntimeError((folder / "slurmctld.log").read_text()[-2000:] + (folder / "slurmd.log").read_text()[-2000:])

    def client(self, *command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **self.environment})
        return done.stdout

    def jobs(self) -> str:
        """Every job ever submitted, as the controller remembers it."""
        return self.client("scontrol", "show", "job", "--oneliner")

    def stop(self) -> None:
        self.client("scancel", "--user=root")
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in self.daemons:
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    cluster = Slurm(tmp_path_factory.mktemp("slurm"))
    yield cluster
    cluster.stop()


PROFILE = ("--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "1")


def test_a_preset_end_to_end_with_three_shards_and_gpus(slurm, tiny):
    done = tiny.snakemake("--configfile", "tiny.yaml", *PROFILE, "--latency-wait", "5", **slurm.environment)
    assert done.returncode == 0, done.output
    for n in range(1, 8):
        assert (tiny / f"results/tiny/figures/fig{n}.pdf").is_file()
    jobs = slurm.jobs().splitlines()
    print(f"{len(jobs)} Slurm jobs")
    assert len(jobs) == 34  # three shards, and one for each other rule but the download
    assert all("JobState=COMPLETED" in job for job in jobs)
    on_gpus = [job for job in jobs if re.search(r"Partition=gpu", job)]
    assert len(on_gpus) == 8 and all(re.search(r"gres[:/]+gpu|gpu:1", job) for job in on_gpus)


CANCELS_ITSELF = """
import os, subprocess, threading, time
from pathlib import Path

def cancel_this_job():
    while not (log.is_file() and "step 50 of" in log.read_text()):
        time.sleep(0.1)
    Path("cancelled").touch()
    subprocess.run(["scancel", os.environ["SLURM_JOB_ID"]])

log = Path(snakemake.log[0])
if not Path("cancelled").exists():
    threading.Thread(target=cancel_this_job, daemon=True).start()
"""


def test_a_job_that_cancels_itself_is_tried_again_and_training_goes_on(slurm, tiny):
    """At its first attempt the training has Slurm cancel it, as at a time limit: SIGTERM, then the end."""
    (tiny / "more.yaml").write_text("ddpm: {epochs: 1.0}\nexecution: {save_minutes: 100}")
    script = tiny / "workflow/scripts/train_ddpm.py"
    script.write_text(CANCELS_ITSELF + script.read_text())
    target = "results/tiny/models/ddpm.json"
    log = tiny / "results/tiny/logs/train_ddpm.log"
    done = tiny.snakemake(
        "--configfile", "tiny.yaml", "more.yaml", *PROFILE, "--latency-wait", "5", "--", target, **slurm.environment
    )
    assert done.returncode == 0, done.output
    assert (tiny / "cancelled").exists() and "JobState=CANCELLED" in slurm.jobs()
    assert re.search(r"continuing after step \d+ of 179", log.read_text())


def test_the_generic_profile_once(slurm, tiny):
    target = "results/tiny/figures/fig2.pdf"
    profile = ("--workflow-profile", "profiles/generic", "--latency-wait", "5")
    done = tiny.snakemake("--configfile", "tiny.yaml", *profile, "--", target, **slurm.environment)
    assert done.returncode == 0, done.output
    assert (tiny / target).is_file()
    assert len(re.findall(r"JobName=(?:prepare_images|noise_image|figure_2) ", slurm.jobs())) == 3
