"""Speed, side by side with what others would use (`make bench`), and how long a run will take (`make estimate`)."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results" / "benchmarks"
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
from engine.environment import shield  # noqa: E402

shield(os.environ)
