import numpy as np
import pandas as pd

from claims.pde import measure
from engine.files import read_json, write_json
from engine.job import job

files = snakemake.input

with job(snakemake):
    convergence, growth_rates = pd.read_csv(files.convergence), pd.read_csv(files.growth_rates)
    with np.load(files.solution) as solution:
        records = measure(read_json(files.invariants), convergence, growth_rates, solution)
    write_json(snakemake.output.measures, records)
