import numpy as np

from diffusion.pde import figure_7
from engine.files import write_json
from engine.job import job

with job(snakemake):
    solution, invariants = figure_7(**snakemake.params.pde, profile_times=snakemake.params.profile_times)
    np.savez(snakemake.output.solution, **solution)
    write_json(snakemake.output.invariants, invariants)
