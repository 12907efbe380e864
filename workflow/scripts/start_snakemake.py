"""Start Snakemake as `make` does: on all cores that this process may use, unless --cores is given, without what the
user's environment says to Python, with a cache folder and a user's name where the system has none, without the lock of
a run that was killed, and with all files of settings and all single settings, wherever among the arguments they stand.
"""

import os
import sys
import tempfile
from pathlib import Path

from engine.environment import arranged, cores, provide, shield
from engine.lock import note_start, remove_stale
from engine.printing import told

# Snakemake answers Ctrl-C while jobs run, but with a traceback while it is loaded or makes its plan.
SNAKEMAKE = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
from snakemake.cli import main
sys.argv[0] = "snakemake"
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    main()
except KeyboardInterrupt:
    print("stopped by Ctrl-C: run again to go on", file=sys.stderr)
    sys.exit(130)
"""

if __name__ == "__main__":
    with told():
        arguments = arranged(sys.argv[1:])
    folder = Path(".snakemake").absolute()
    provide(os.environ, folder)
    shield(os.environ)
    os.environ.pop("SNAKEMAKE_PROFILE", None)  # made for other workflows
    if remove_stale(folder):
        print("An earlier run was killed; what it left half-done is made again.", file=sys.stderr)
    if not {"-n", "--dry-run", "--dryrun"} & set(arguments):
        with told():
            note_start(folder, sys.argv)
    if any(map(str.isspace, tempfile.gettempdir())):  # where the solver of the usual scheduler does not find its files
        arguments = ["--scheduler", "greedy", *arguments]
    os.execv(sys.executable, [sys.executable, "-c", SNAKEMAKE, "--cores", str(cores()), *arguments])
