import shutil
from datetime import UTC, datetime
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from engine.files import read_json, write_json
from engine.job import job
from publishing import origin
from publishing import weights as shipping

inputs, output, params = snakemake.input, snakemake.output, snakemake.params


def read(file: str) -> dict:
    return read_json(file)


with job(snakemake):
    for part, file in zip(shipping.split(load_file(inputs.ddpm), len(output.ddpm)), output.ddpm, strict=True):
        save_file({name: value.to(torch.bfloat16) for name, value in part.items()}, file)
        shipping.refuse_large(file)
    shutil.copyfile(inputs.classifier, output.classifier[0])
    history = {
        "preset": snakemake.config["preset"],
        "seed": params.seed,
        "processor": origin.processor(),
        "finished": datetime.fromtimestamp(Path(inputs.ddpm).stat().st_mtime, UTC).date().isoformat(),
        "commit": origin.commit(Path(), apart="weights"),
    }
    earlier = [inputs.start, []]  # the record of the training that the network's went on from
    for summary, settings, before, file in zip(inputs.summaries, params.settings, earlier, output.records, strict=True):
        content = {"settings": settings, "summary": read(summary), "origin": history}
        if before:
            content["start"] = read(before[0])
        write_json(file, content)
    for table, file in zip(inputs.tables, output.tables, strict=True):
        shutil.copyfile(table, file)
    shipped = [*output.ddpm, *output.classifier, *output.records, *output.tables]
    Path(output.sums).write_text(shipping.checksums(shipped), encoding="utf-8")
