import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import save_file

from diffusion import shipping
from job import job

output, params = snakemake.output, snakemake.params

with job(snakemake), TemporaryDirectory() as temporary:
    folder = shipping.folder_of_commit(params.commit, Path(), Path(temporary))
    files = sorted(folder.glob("ddpm-*.safetensors"))
    table = folder / "ddpm_history.csv"
    tensors, record = shipping.unpack(files, folder / "ddpm.json", table, folder / "SHA256SUMS", params.settings)
    Path(output.record).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(table, output.history)
    save_file(tensors, output.weights)
