"""Start Snakemake as `make` does: on all cores that this process may use, unless --cores is given, without what the
user's environment says to Python, and with a cache folder and a user's name where the system has none.
"""

import os
import sys
from pathlib import Path

from engine.environment import cores, provide, shield

if __name__ == "__main__":
    provide(os.environ, Path(".snakemake").absolute())
    shield(os.environ)
    os.execv(sys.executable, [sys.executable, "-m", "snakemake", "--cores", str(cores()), *sys.argv[1:]])
