"""What stands between the jobs and the environment that Snakemake was started in.

In: the folder, the environment variables, the path of Python.
Out: a refusal in one sentence where this cannot work; else `SCRIPTS`, from which rule files import, and an environment
for every job, on this machine or on a cluster's, that holds nothing of the user's that could change it.
"""

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from engine import environment

if sentence := environment.refusal(os.environ, Path(workflow.basedir)):
    raise WorkflowError(sentence)
environment.provide(os.environ, Path(".snakemake").resolve())
environment.shield(os.environ)
# Snakemake writes this path into its commands as it is; in a folder as "King's R&D" a shell would not understand it.
sys.executable = environment.ForShell(sys.executable)
