"""The norm-preserving PDE (20)-(22) of section 7.

In: the settings alone.
Out: figures/fig7.npz, the solution, and pde/invariants.json, its norm and energy (solve_pde); pde/convergence.csv and
growth_rates.csv, the solver's errors and the measured growth rates (verify_pde).
"""


rule solve_pde:
    input:
        library=library("solve_pde.py"),
    output:
        solution="<results>/figures/fig7.npz",
        invariants="<results>/pde/invariants.json",
    log:
        "<logs>/solve_pde.log",
    benchmark:
        "<benchmarks>/solve_pde.tsv"
    group:
        "equations"
    conda:
        "../../envs/numerics.yaml"
    params:
        pde=select("pde", "length", "cells", "dt", "t_end", "amplitudes"),
        profile_times=config["pde"]["profile_times"],
    message:
        "Solve the norm-preserving PDE (20)-(22)"
    script:
        "../scripts/solve_pde.py"


rule verify_pde:
    input:
        library=library("verify_pde.py"),
    output:
        convergence="<results>/pde/convergence.csv",
        growth_rates="<results>/pde/growth_rates.csv",
    log:
        "<logs>/verify_pde.log",
    benchmark:
        "<benchmarks>/verify_pde.tsv"
    group:
        "equations"
    conda:
        "../../envs/numerics.yaml"
    params:
        pde=select("pde", "length", "cells", "dt", "refinement"),
    message:
        "Measure the PDE solver's errors, its orders, and growth rates near steady states"
    script:
        "../scripts/verify_pde.py"
