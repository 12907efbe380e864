import numpy as np
import pandas as pd

from engine.job import job
from publishing import plots

params, output = snakemake.params, snakemake.output

with job(snakemake):
    file = snakemake.input.data
    data = pd.read_csv(file) if file.endswith(".csv") else dict(np.load(file))
    draw = getattr(plots, params.figure)
    plots.save(draw(data), output.pdf, output.png, params.note)
