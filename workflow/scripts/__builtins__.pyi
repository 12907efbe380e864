"""What Snakemake puts into each script that a rule runs, for the type checker."""

from typing import Any

snakemake: Any
