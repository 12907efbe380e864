"""Compare a run with the reference of its preset (`make compare`), or make it the reference (`--write`).

Exit code 1 if a number differs by more than its kind allows.
"""

import argparse
import sys
from pathlib import Path

from engine.errors import UserError
from engine.files import read_json, write_json
from engine.printing import until_read
from publishing.comparison import compare, quantities
from publishing.origin import commit, processor

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("run", type=Path, help="results/<preset>")
parser.add_argument("reference", type=Path, help="paper/reference/<preset>.json")
parser.add_argument("--write", action="store_true", help="write the reference from this run")
given = parser.parse_args()

numbers = read_json(given.run / "numbers.json")
here = quantities(numbers, read_json(given.run / "claims" / "samples.json"))
if given.write:
    made = {"processor": processor(), "device": numbers["training"]["device"], "commit": commit(Path())}
    write_json(given.reference, {"preset": numbers["preset"], "made": made, "quantities": here})
    sys.exit(0)
if not given.reference.is_file():
    sys.exit(f"error: there is no reference {given.reference}: only the presets in {given.reference.parent} have one")
try:
    reference = read_json(given.reference)
    lines = list(compare(here, reference["quantities"]))
except UserError as error:
    sys.exit(f"error: {error}")
differ = [line for line in lines if not line.agrees]
agreeing = f"{len(lines) - len(differ)} of {len(lines)} numbers agree with the reference"
with until_read():
    print(*lines, sep="\n")
    print(f"\n{agreeing}, which was made on {reference['made']['processor']}.")
sys.exit(1 if differ else 0)
