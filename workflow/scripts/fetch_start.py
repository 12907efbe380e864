import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import save_file

from engine.files import write_json
from engine.job import job
from publishing import weights as shipping

output, params = snakemake.output, snakemake.params

with job(snakemake), TemporaryDirectory() as temporary:
    folder = shipping.folder_of_commit(params.commit, Path(), Path(temporary))
    files = sorted(folder.glob("ddpm-*.safetensors"))
    table = folder / "ddpm_history.csv"
    tensors, record = shipping.unpack(files, folder / "ddpm.json", table, folder / "SHA256SUMS", params.settings)
    write_json(output.record, record)
    shutil.copyfile(table, output.history)
    save_file(tensors, output.weights)
