from claims.pde import convergence_table, growth_rate_table
from engine.job import job

pde, output = snakemake.params.pde, snakemake.output

with job(snakemake):
    convergence_table(pde["length"], pde["refinement"]).to_csv(output.convergence, index=False)
    growth_rate_table(pde["length"], pde["cells"], pde["dt"]).to_csv(output.growth_rates, index=False)
