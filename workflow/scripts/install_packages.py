"""Install a lock, as envs/workflow, into the environment of this Python (`make`). It ends with exit code 0 only if all
that the short list names can be imported in the pinned version.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from engine.environment import shield
from engine.installation import install, shortfalls
from engine.printing import told

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("list", type=Path, help="envs/workflow, for instance: there are a .in and a .txt of that name")
    parser.add_argument("--check", action="store_true", help="only look whether all is there")
    given = parser.parse_args()
    if not given.check:
        install(given.list.with_suffix(".txt"))
        # In a fresh process, which sees what was installed just now.
        sys.exit(subprocess.run([sys.executable, __file__, str(given.list), "--check"]).returncode)
    shield(os.environ)  # what a package makes of the user's settings, as matplotlib of MPLBACKEND, is no fault of it
    with told():
        sentences = shortfalls(given.list.with_suffix(".in"))
    if sentences:
        sys.exit(f"error: the packages of {given.list}.in are not all there: {'; '.join(sentences)}")
