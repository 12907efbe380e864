import json
from pathlib import Path

from diffusion.algebra import CHECKS, check
from job import job

with job(snakemake):
    records = {name: check(name) for name in CHECKS}
    Path(snakemake.output.measures).write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")
