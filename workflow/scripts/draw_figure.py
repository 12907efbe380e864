from importlib import import_module

import numpy as np
import pandas as pd

from engine.job import job
from publishing.plots import save

params, output = snakemake.params, snakemake.output

with job(snakemake):
    file = snakemake.input.data
    data = pd.read_csv(file) if file.endswith(".csv") else dict(np.load(file))
    draw = getattr(import_module(params.module), params.figure)
    save(draw(data), output.pdf, output.png, params.note)
