"""The page that draws live: the trained network as ONNX, and the engine that runs it in a browser, in one file.

The page itself is templates/live.html, with its style in live.css and its scripts in live.js and live_worker.js.
"""

import base64
import gzip
import logging
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import external_data_helper, numpy_helper

from diffusion.forward import VarianceSchedule
from diffusion.unet import UNet

VERSION = "1.30.0"
"""Of onnxruntime-web, the engine."""
ARCHIVE = f"onnxruntime-web-{VERSION}.tgz"
INTEGRITY = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""The archive's SHA-512 in base64, as `npm view onnxruntime-web@1.30.0 dist.integrity` shows it; ..."""
SHA512 = base64.b64decode(INTEGRITY).hex()
"""... and in hexadecimal digits."""
REGISTRY = "https://registry.npmjs.org/onnxruntime-web/-"
ENGINE = {
    "wasm-module": "package/dist/ort.wasm.bundle.min.mjs",
    "wasm-engine": "package/dist/ort-wasm-simd-threaded.wasm",
    "webgpu-module": "package/dist/ort.webgpu.bundle.min.mjs",
    "webgpu-engine": "package/dist/ort-wasm-simd-threaded.asyncify.wasm",
}
"""What the page takes from the archive: a library and an engine for the processor, and another pair for a GPU, which
would do for both, but takes twice as long on a processor.
"""
SMALL = 1024
"""Tensors with fewer entries stay in the graph, in float32."""


def export(model: UNet) -> onnx.ModelProto:
    """The network as an ONNX graph with its weights: `x` (n, 1, size, size) and `t` (1,), both float32, to `eps`.

    n is free; t holds one step for all images.
    """
    model = model.eval().requires_grad_(False)
    x, t = torch.zeros(2, 1, model.image_size, model.image_size), torch.ones(1)
    logging.getLogger("onnxscript").setLevel(logging.WARNING)  # it tells of each of its own optimisations
    program = torch.onnx.export(
        model,
        (x, t),
        input_names=["x", "t"],
        output_names=["eps"],
        dynamic_shapes={"x": {0: torch.export.Dim("n")}, "t": None},
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    network = program.model_proto
    for part in (network.graph, *network.graph.node, *network.graph.value_info):
        del part.metadata_props[:]  # from which line of which file on this machine each node comes
    return network


def divided(network: onnx.ModelProto) -> tuple[bytes, NDArray[np.float32]]:
    """The graph, which expects its large tensors in a file `weights`, and what that file holds."""
    graph, tensors, offset = onnx.ModelProto(), [], 0
    graph.CopyFrom(network)
    for tensor in graph.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= SMALL:
            tensor.raw_data = values.tobytes()
            external_data_helper.set_external_data(tensor, "weights", offset, values.nbytes)
            tensor.ClearField("raw_data")
            tensors.append(values.ravel())
            offset += values.nbytes
    return graph.SerializeToString(deterministic=True), np.concatenate([np.zeros(0, np.float32), *tensors])


def rounded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """To bfloat16, the upper half of a float32, to nearest and of two as near ones to the even."""
    return torch.from_numpy(values).to(torch.bfloat16).float().numpy()


def packed(content: bytes) -> str:
    """Compressed by gzip, as base64 text."""
    return base64.b64encode(gzip.compress(content, mtime=0)).decode("ascii")


def planes(values: NDArray[np.float32]) -> bytes:
    """Numbers in bfloat16: first all high bytes (sign and exponent, which compress well), then all low ones."""
    halves = (rounded(values).view(np.uint32) >> 16).astype(">u2").view(np.uint8).reshape(-1, 2)
    return halves.T.tobytes()


def page_data(
    x_0: NDArray[np.float32], summary: Mapping[str, Any], schedule: VarianceSchedule, note: str, **about: str | int
) -> dict[str, Any]:
    """What the page's scripts know: the image to start from, x_0, (h, w), the schedule, the network by its training's
    summary and what else is told `about` it, and the `note` of a run on other images than the paper's.
    """
    told = {"parameters": f"{summary['parameters']:,}", "visits": f"{summary['image_visits']:,}", "runtime": VERSION}
    return {
        "note": note,
        "about": {**about, **told},
        "T": schedule.T,
        "alpha_bar": schedule.alpha_bar.tolist(),
        "size": x_0.shape[-1],
        "image": x_0.ravel().tolist(),
    }


def parts(network: Path | str, archive: Path | str) -> dict[str, str]:
    """What the page holds beside its text, by the id of the element: the engine, the graph and the weights."""
    graph, weights = divided(onnx.load(network))
    with tarfile.open(archive) as files:
        engine = {name: packed(_member(files, member)) for name, member in ENGINE.items()}
    return engine | {"network": packed(graph), "tensors": packed(planes(weights))}


def _member(files: tarfile.TarFile, name: str) -> bytes:
    member = files.extractfile(name)
    assert member is not None, f"{name} is no file"
    return member.read()
