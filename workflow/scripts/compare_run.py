"""Compare a run with the reference of its preset (`make compare`), or make it the reference (`--write`).

Exit code 1 if a number differs by more than its kind allows.
"""

import argparse
import sys
from pathlib import Path

from engine.causes import loading

with loading():
    from engine.printing import told, until_read
    from publishing.comparison import beside_reference, write_reference

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("run", type=Path, help="results/<preset>")
parser.add_argument("reference", type=Path, help="paper/reference/<preset>.json")
parser.add_argument("--write", action="store_true", help="write the reference from this run")
given = parser.parse_args()

with told():
    if given.write:
        write_reference(given.run, given.reference)
        sys.exit(0)
    lines, sentence = beside_reference(given.run, given.reference)
    with until_read():
        print(*lines, f"\n{sentence}", sep="\n")
    sys.exit(0 if all(line.agrees for line in lines) else 1)
