import numpy as np

from diffusion.pde import figure_7
from engine.files import write_json
from engine.job import job

with job(snakemake):
    solution, invariants = figure_7(**snakemake.params.pde)
    np.savez(snakemake.output.solution, **solution, profile_times=snakemake.params.profile_times)
    write_json(snakemake.output.invariants, invariants)
