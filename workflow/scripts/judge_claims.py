import logging
from pathlib import Path

import pandas as pd

from claims.ledger import counts_sentences, judge_all, read_ledger, training_sentence
from engine.files import read_json, write_json
from engine.job import job

files, output = snakemake.input, snakemake.output

with job(snakemake):
    records = {Path(file).stem: read_json(file) for file in files.measures}
    claims = read_ledger(files.ledger, files.form)
    training = training_sentence(records) if "network" in records else ""
    table = judge_all(claims, records, training=training, **snakemake.params.run)
    logging.info("%s", "; ".join(counts_sentences(table["counts"])))
    write_json(output.json, table)
    pd.DataFrame(table["claims"]).to_csv(output.csv, index=False)
