"""What stands between the jobs and the environment that Snakemake was started in.

In: the folder, the environment variables, the path of Python.
Out: a refusal in one sentence where this cannot work; else `SCRIPTS`, from which rule files import, and an environment
for every job, on this machine or on a cluster's, that holds nothing of the user's that could change it.
"""

import os
import re
import shutil
import sys
from pathlib import Path

from snakemake.cli import get_argument_parser
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

STARTERS = ("snakemake", "__main__")
# Options with which Snakemake writes nothing.
QUESTIONS = (
    "dryrun",
    "lint",
    "list_rules",
    "list_target_rules",
    "summary",
    "detailed_summary",
    "dag",
    "rulegraph",
    "filegraph",
    "d3dag",
    "list_changes",
    "list_input_changes",
    "list_params_changes",
    "list_untracked",
    "print_compilation",
)
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent.parent
SCRIPTS = ROOT / "workflow" / "scripts"
if not SCRIPTS.is_dir():
    raise WorkflowError(
        f"the workflow of {ROOT} cannot be run from afar, as a module: clone it and run it in its folder"
    )
sys.path.insert(0, str(SCRIPTS))

from engine import causes, disk, environment, folders, interrupts, lock, settings_files, stale
from engine.privacy import public_value

files_of_settings = ["config.yaml", *workflow.overwrite_configfiles]
if sentence := environment.refusal(os.environ, ROOT) or settings_files.unreadable(files_of_settings):
    raise WorkflowError(sentence)
environment.provide(os.environ, Path(".snakemake").resolve())
environment.shield(os.environ)
environment.wait_asleep(os.environ)
if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
    if "'" in str(folder := workflow.deployment_settings.conda_prefix or Path.cwd()):
        raise WorkflowError(
            f"Snakemake cannot use conda environments below {folder}, since it has an apostrophe in its name: name a "
            "folder without one with --conda-prefix, or use `make`"
        )
    os.environ.update(PYTHONNOUSERSITE="1")  # an environment has all it needs, and ~/.local could hold other versions
interrupts.stop_once()  # Snakemake's answer to Ctrl-C, interrupted by another one, would be tracebacks
# Snakemake writes its command into its own log, and a mirror given with --config may have a password in it.
sys.argv[1:] = map(public_value, sys.argv[1:])
# Snakemake writes this path into its commands as it is; in a folder as "King's R&D" a shell would not understand it.
sys.executable = environment.ForShell(sys.executable)


# What Snakemake was asked, which it keeps to itself while it reads this.
asked = get_argument_parser().parse_known_args(sys.argv[1:] if Path(sys.argv[0]).stem in STARTERS else [])[0]

# A run that is killed leaves its lock, which `make` removes where that is safe.
asks = any(vars(asked)[question] for question in QUESTIONS)
if workflow.is_main_process and not asks:
    if sentence := environment.unwritable(Path(".snakemake")):
        raise WorkflowError(sentence)
    try:
        lock.note_start(Path(".snakemake"), all_jobs_here=not asked.no_hooks)
    except OSError as error:
        raise WorkflowError(f"{error.filename}: {disk.remedy(error) or error.strerror}")


onstart:
    if workflow.non_local_exec:
        lock.note_start(Path(".snakemake"), all_jobs_here=False)
    if sentence := folders.unwritable(of_run, made):
        raise WorkflowError(sentence)
    if workflow.executor_plugin.name == "slurm" and not shutil.which("sbatch"):
        raise WorkflowError(
            "this profile sends jobs to Slurm, but there is no program `sbatch`: start this where Slurm is (after "
            "`module load slurm`, if your cluster has it so), or without --workflow-profile"
        )
    if workflow.non_local_exec and not re.fullmatch(r"[\w@%+=:,./-]+", f"{ROOT}{sys.executable}"):
        raise WorkflowError(
            f"a cluster's jobs cannot be started in {ROOT} with {str(sys.executable)}, since a shell reads some of these "
            "signs otherwise: work in a folder whose path has only letters, digits and . _ -"
        )


onerror:
    told = "".join(Path(file).read_text(encoding="utf-8", errors="replace") for file in log)
    for sentence in causes.of_silence(told):
        logger.error(sentence)
