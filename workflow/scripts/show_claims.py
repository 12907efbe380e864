"""Print the table of claims (`make verify`). Exit code 1 if one of algebra, or about this program, fails."""

import argparse
import shutil
import sys
from pathlib import Path

from claims.ledger import as_text, errors
from engine.files import read_json
from engine.printing import until_read


def show(file: Path) -> int:
    """Print claims.json; the exit code."""
    table = read_json(file)
    with until_read():
        print(as_text(table, width=min(120, shutil.get_terminal_size().columns)))
    if failed := errors(table):
        print(f"error: algebra or the program is wrong: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="results/<preset>/claims/claims.json")
    sys.exit(show(parser.parse_args().file))
