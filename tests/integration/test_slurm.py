"""The workflow on a real Slurm of one node, started here; skipped where Slurm is not installed.

Two more nodes, of one GPU each, are known to the controller alone: nothing ever runs there.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from conftest import ROOT

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
KillWait=60
AuthInfo=cred_expire=5
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=32000 Gres=gpu:small:2 Features=new State=UNKNOWN
NodeName=one,other NodeAddr=127.0.0.1 CPUs=8 RealMemory=32000 Gres=gpu:small:1 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES State=UP
PartitionName=gpu Nodes={host} State=UP
PartitionName=urgent Nodes={host} State=UP PriorityTier=10
PartitionName=apart Nodes=one,other State=UP
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
        conf = CONF.format(folder=folder, host=host, controller=free_port(), node=free_port())
        (folder / "slurm.conf").write_text(conf)
        (folder / "gres.conf").write_text(
            f"NodeName={host} Name=gpu Type=small File=/dev/null\nNodeName={host} Name=gpu Type=small File=/dev/zero\n"
            "NodeName=one,other Name=gpu Type=small File=/dev/null\n"
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
    started = time.monotonic()
    done = tiny.snakemake("--configfile", "tiny.yaml", *PROFILE, "--latency-wait", "5", **slurm.environment)
    assert done.returncode == 0, done.output
    seconds = time.monotonic() - started
    for n in range(1, 8):
        assert (tiny / f"results/tiny/figures/fig{n}.pdf").is_file()
    jobs = slurm.jobs().splitlines()
    print(f"{len(jobs)} Slurm jobs in {seconds:.0f} s")
    # Two trainings, three shards, three denoised figures, the returned originals, and the four groups of small rules.
    assert len(jobs) == 13
    assert len(re.findall(r"Comment=rule_(?:images|equations|claims|documents)_", slurm.jobs())) == 4
    assert all("JobState=COMPLETED" in job for job in jobs)
    on_gpus = [job for job in jobs if re.search(r"Partition=gpu", job)]
    assert len(on_gpus) == 9 and all(re.search(r"gres[:/]+gpu|gpu:1", job) for job in on_gpus)


INTERRUPTS_ITSELF = """
import os, subprocess, threading, time
from pathlib import Path

def once(name, line, *command):
    while not (log.is_file() and line in log.read_text()):
        time.sleep(0.1)
    Path(name).touch()
    subprocess.run(command)

log = Path(snakemake.log[0])
all_gpus = ["--partition=urgent", "--nodes=1", "--gpus=2", "--mem=100", "--output=/dev/null", "--wrap=true"]
for interruption in (
    ("preempted", "step 50 of", "sbatch", *all_gpus),
    ("cancelled", "step 100 of", "scancel", os.environ["SLURM_JOB_ID"]),
):
    if not Path(interruption[0]).exists():
        threading.Thread(target=once, args=interruption, daemon=True).start()
        break
"""


def test_a_training_that_is_preempted_and_then_cancelled_goes_on_each_time(slurm, tiny):
    """First an urgent job takes its GPU, and Slurm puts it back into the queue. Then it has Slurm cancel it, as at a
    time limit, and Snakemake tries it again."""
    (tiny / "more.yaml").write_text("ddpm: {epochs: 0.12, batch_size: 1}\nexecution: {save_minutes: 100}")
    script = tiny / "workflow/scripts/train_ddpm.py"
    script.write_text(INTERRUPTS_ITSELF + script.read_text())
    target = "results/tiny/models/ddpm.json"
    log = tiny / "results/tiny/logs/train_ddpm.log"
    done = tiny.snakemake(
        "--configfile", "tiny.yaml", "more.yaml", *PROFILE, "--latency-wait", "5", "--", target, **slurm.environment
    )
    assert done.returncode == 0, done.output
    assert (tiny / "preempted").exists() and (tiny / "cancelled").exists()
    (cancelled,) = [job for job in slurm.jobs().splitlines() if "JobState=CANCELLED" in job]
    assert "Restarts=1" in cancelled
    assert re.search(r"continuing after step 1\d\d of 172", log.read_text())


def with_edits(checkout, edits: dict[str, str]) -> tuple[str, ...]:
    """The Slurm profile as someone has set it for their site."""
    file = checkout / "profiles/slurm/config.yaml"
    text = (ROOT / "profiles/slurm/config.yaml").read_text()
    for line, edited in edits.items():
        assert text.count(line) == 1
        text = text.replace(line, edited)
    file.write_text(text)
    return (*PROFILE, "--latency-wait", "5")


GRES = {"# gpu: 0": "gpu: 0", '# gres: "gpu:1"': 'gres: "gpu:2"', "# cpus_per_task: ": "cpus_per_task: "}


@pytest.mark.parametrize(
    "edits, asked", [({}, "--cpus-per-gpu=4 --gpus=2"), (GRES, "--cpus-per-task=4 --gres=gpu:2")], ids=["gpus", "gres"]
)
def test_gpus_that_train_together_are_asked_for_on_one_node(slurm, tiny, edits, asked):
    """Two nodes of one GPU each will not do, and Slurm says so at once. Unless asked for one node it takes both."""
    (tiny / "two.yaml").write_text("execution: {gpus: 2}")
    images = tiny / "results/tiny/data/images.npz"
    images.parent.mkdir(parents=True)
    images.touch()  # not to be read, since the training never starts
    profile = with_edits(tiny, edits | {"slurm_partition: gpu ": "slurm_partition: apart "})
    target = "results/tiny/models/ddpm.json"
    command = ("--configfile", "tiny.yaml", "two.yaml", *profile, "--retries", "0", "--", target)
    limit = ("timeout", "--foreground", "300")  # a job that is not refused would wait forever
    done = tiny.snakemake(*command, prefix=limit, **slurm.environment)
    assert done.returncode != 0 and "Requested node configuration is not available" in done.output, done.output
    (call,) = re.findall(r"sbatch --parsable .*? -D", done.output)
    (gpus,) = re.findall(r" -D \S+ +(--\w+=\S+)", done.output)
    assert "--nodes=1" in call and all(part in f"{call} {gpus}" for part in asked.split()), done.output
    spread = slurm.client("sbatch", "--parsable", "--partition=apart", "--gpus=2", "--mem=100", "--wrap=true").strip()
    assert "NumNodes=2 " in slurm.client("scontrol", "show", "job", "--oneliner", spread)
    slurm.client("scancel", spread)


def test_sites_that_want_gpus_asked_for_otherwise(slurm, tiny):
    """Those that know only --gres; those that want a type of GPU, a feature of the node and a quality of service."""
    target = "results/tiny/models/classifier.json"
    command = ("--configfile", "tiny.yaml", "--forcerun", "train_classifier")
    assert tiny.snakemake("--configfile", "tiny.yaml", "--", "results/tiny/data/images.npz").returncode == 0
    for edits, asked in (
        (GRES | {'# gres: "gpu:1"': 'gres: "gpu:1"'}, r"CPUs/Task=4 .*TresPerNode=gres:gpu:1\b"),
        (
            {
                "# gpu_model: h100": "gpu_model: small",
                "# constraint: h100": "constraint: new",
                "# qos: ": "qos: ",
            },
            r"Features=new .*TresPerJob=gres:gpu:small:1\b",
        ),
    ):
        done = tiny.snakemake(*command, *with_edits(tiny, edits), "--", target, **slurm.environment)
        assert done.returncode == 0, done.output
        job = slurm.jobs().splitlines()[-1]
        assert "Comment=rule_train_classifier" in job and re.search(asked, job), job


def test_the_generic_profile_once(slurm, tiny):
    target = "results/tiny/figures/fig2.pdf"
    profile = ("--workflow-profile", "profiles/generic", "--latency-wait", "5")
    done = tiny.snakemake("--configfile", "tiny.yaml", *profile, "--", target, **slurm.environment)
    assert done.returncode == 0, done.output
    assert (tiny / target).is_file()
    assert len(re.findall(r"JobName=GROUP ", slurm.jobs())) == 2  # the images; the documents, here a figure
