"""Start Snakemake as `make` does: on all cores that this process may use, unless --cores is given, without what the
user's environment says to Python, with a cache folder and a user's name where the system has none, without the lock of
a run that was killed, and with all files of settings and all single settings, wherever among the arguments they stand.
"""

import os
import sys
import tempfile
from pathlib import Path

from engine.causes import loading, too_few_files

with loading():
    from engine.arguments import arranged, is_dry
    from engine.environment import cores, provide, refusal
    from engine.errors import UserError
    from engine.lock import note_start, remove_stale
    from engine.printing import told

# Snakemake answers Ctrl-C while jobs run, but with a traceback while it is loaded or makes its plan.
SNAKEMAKE = """
import signal, sys
ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # as in the background of a script
if not ignored:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
sys.path.append(sys.argv.pop(1))
from engine.causes import loading
with loading():
    from snakemake.cli import main
sys.argv[0] = "snakemake"
if not ignored:
    signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    main()
except KeyboardInterrupt:
    print("stopped by Ctrl-C: run again to go on", file=sys.stderr)
    sys.exit(130)
"""

if __name__ == "__main__":
    for descriptor in (0, 1, 2):  # one that is closed, as by 2>&-, would be taken by the next file that is opened
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    folder = Path(".snakemake").absolute()
    with told():
        if sentence := too_few_files():
            raise UserError(sentence)
        arguments = arranged(sys.argv[1:])
        provide(os.environ, folder)
        if sentence := refusal(os.environ, Path(__file__).resolve().parents[2]):
            raise UserError(sentence)
        os.environ.pop("SNAKEMAKE_PROFILE", None)  # made for other workflows
        if remove_stale(folder):
            print("An earlier run was killed; what it left half-done is made again.", file=sys.stderr)
        if not is_dry(arguments):
            note_start(folder)  # here, since a disk that is full or read-only is told in a sentence
        # Where /tmp is full, Python takes another folder. The solver of the usual scheduler must be told, and does not
        # find its files where there is a blank.
        if (place := tempfile.gettempdir()) != os.environ.get("TMPDIR", "/tmp"):
            os.environ["TMPDIR"] = place
        if any(map(str.isspace, place)):
            arguments = ["--scheduler", "greedy", *arguments]
    os.execv(
        sys.executable,
        [sys.executable, "-c", SNAKEMAKE, str(Path(__file__).parent), "--cores", str(cores()), *arguments],
    )
