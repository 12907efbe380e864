from pathlib import Path

import typst

from engine.job import job

with job(snakemake):
    # Paths that begin with / are relative to the root, which is the checkout.
    inputs = {
        "numbers": f"/{snakemake.input.numbers}",
        "original": f"/{snakemake.input.original}",
        "captions": f"/{snakemake.input.captions}",
        "figures": f"/{Path(snakemake.input.figures[0]).parent.as_posix()}",
    }
    document = typst.compile(snakemake.input.text, root=".", ignore_system_fonts=True, sys_inputs=inputs)
    Path(snakemake.output.pdf).write_bytes(document)
