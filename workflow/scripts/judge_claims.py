import json
import logging
from pathlib import Path

import pandas as pd

from diffusion.ledger import judge_all, read_ledger
from job import job

files, output = snakemake.input, snakemake.output

with job(snakemake):
    records = {Path(file).stem: json.loads(Path(file).read_text(encoding="utf-8")) for file in files.measures}
    claims = read_ledger(files.ledger, files.form)
    training = (
        "The network has {parameters:,} parameters; it saw {image_visits:,} images in {minutes:.0f} min on {device}."
    ).format_map(records["network"]["training"])
    table = judge_all(claims, records, training=training, **snakemake.params.run)
    logging.info("%s", ", ".join(f"{n} {verdict}" for verdict, n in table["counts"].items()))
    Path(output.json).write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    pd.DataFrame(table["claims"]).to_csv(output.csv, index=False)
