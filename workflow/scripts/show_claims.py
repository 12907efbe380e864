"""Print a table of claims (`make verify`, `make beyond`). Exit code 1 if one on algebra, or on this program, fails."""

import argparse
import shutil
import sys
from pathlib import Path

from engine.causes import loading

with loading():
    from claims.ledger import as_text, errors
    from engine.files import read_json, reading
    from engine.printing import told, until_read
    from publishing.numbers import read_claims


def show(file: Path, numbers: Path | None) -> int:
    """Print claims.json, and of `numbers` a line a chapter with its time; the exit code."""
    table = read_claims(file)
    with reading(file, "a table of claims"):
        text, failed = as_text(table, width=min(120, shutil.get_terminal_size().columns)), errors(table)
    lines = []
    if numbers:
        content = read_json(numbers)
        with reading(numbers, "the numbers of the chapters beyond the paper"):
            lines = ["", *map(str, content["lines"])]
    with until_read():
        print(text, *lines, sep="\n")
    if failed:
        print(f"error: algebra or the program is wrong: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="results/<preset>/claims/claims.json, or that of beyond/")
    parser.add_argument("--numbers", type=Path, help="results/<preset>/beyond/numbers.json")
    arguments = parser.parse_args()
    with told():
        sys.exit(show(arguments.file, arguments.numbers))
