import numpy as np

from diffusion.pde import Grid, combination, solve
from engine.files import write_json
from engine.job import job

pde = snakemake.params.pde

with job(snakemake):
    grid = Grid(pde["length"], pde["cells"])
    u_0 = combination(pde["amplitudes"], grid.x, grid.L)
    steps = round(pde["t_end"] / pde["dt"])
    solution = solve(u_0, grid, pde["dt"], steps, save_every=max(1, steps // 1000))
    np.savez(
        snakemake.output.solution,
        x=grid.x,
        t=solution.t,
        u=solution.u,
        mu=solution.mu,
        C=solution.C,
        amplitudes=grid.amplitudes(solution.u)[:, : len(pde["amplitudes"]) + 1],
        eigenvalues=grid.eigenvalues[: len(pde["amplitudes"]) + 1],
        profile_times=snakemake.params.profile_times,
    )
    invariants = {"C": solution.C, "norm_drift": solution.norm_drift, "mean_drift": solution.mean_drift, "steps": steps}
    write_json(snakemake.output.invariants, invariants)
