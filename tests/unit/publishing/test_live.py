"""The network as ONNX, and as the page holds it. What the page does in a browser: tests/integration/test_live.py."""

import base64
import gzip
import json
import tarfile

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from conftest import ROOT

from diffusion.forward import VarianceSchedule
from diffusion.unet import UNet
from publishing import live


@pytest.fixture(scope="module")
def model() -> UNet:
    """With no two tensors alike, as after a training: the exporter keeps like ones once."""
    torch.manual_seed(0)
    model = UNet(channels=8, image_size=8)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.1 * torch.randn_like(weight)
    return model


@pytest.fixture(scope="module")
def network(model):
    return live.export(model)


def predictions(network: onnx.ModelProto | bytes, x: np.ndarray, t: int, options=None) -> np.ndarray:
    content = network if isinstance(network, bytes) else network.SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x, "t": np.array([t], np.float32)})[0]


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("t", [1, 2, 37, 250, 500])
def test_the_exported_network_predicts_what_pytorchs_does(model, network, n, t):
    """Both compute in float32, with sums in another order: a hundred units in the last place of the largest number."""
    x = torch.randn(n, 1, 8, 8, generator=torch.Generator().manual_seed(t))
    expected = model(x, torch.tensor([t])).numpy()
    assert np.abs(predictions(network, x.numpy(), t) - expected).max() < 1.2e-5 * np.abs(expected).max()


def test_the_step_and_every_weight_matter(model, network):
    """A graph that had lost its time embedding, or a folded one, would pass for one t only."""
    x = np.random.default_rng(1).normal(size=(1, 1, 8, 8)).astype(np.float32)
    assert np.abs(predictions(network, x, 1) - predictions(network, x, 400)).max() > 1e-3
    tensors = sum(onnx.numpy_helper.to_array(tensor).size for tensor in network.graph.initializer)
    assert tensors >= sum(weight.numel() for weight in model.parameters())


def test_the_graph_tells_nothing_of_the_machine_that_made_it(network):
    text = network.SerializeToString()
    assert b".py" not in text and str(ROOT).encode() not in text


def test_graph_and_weights_together_are_the_network(network, tmp_path, monkeypatch):
    graph, weights = live.divided(network)
    assert len(graph) < 0.5 * len(network.SerializeToString()) and weights.nbytes > len(graph)
    (tmp_path / "weights").write_bytes(weights.tobytes())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "graph.onnx").write_bytes(graph)
    whole = onnx.load(tmp_path / "graph.onnx")
    x = np.random.default_rng(2).normal(size=(2, 1, 8, 8)).astype(np.float32)
    assert (predictions(whole, x, 9) == predictions(network, x, 9)).all()


def test_the_rule_names_the_archive_whose_sum_is_known():
    assert f'"resources/{live.ARCHIVE}"' in (ROOT / "workflow/rules/live.smk").read_text(encoding="utf-8")


def test_weights_come_back_from_their_planes_rounded_to_bfloat16():
    values = np.random.default_rng(3).normal(size=1001).astype(np.float32) ** 9
    content = np.frombuffer(live.planes(values), np.uint8)
    high, low = content[:1001].astype(np.uint32), content[1001:].astype(np.uint32)
    back = (high << 24 | low << 16).view(np.float32)
    assert np.abs(back / values - 1).max() <= 2.0**-8  # half a unit of a significand of 8 bits, of which 7 are stored
    assert live.planes(back) == content.tobytes()


def test_the_page_gets_engine_graph_and_weights(network, tmp_path):
    onnx.save(network, tmp_path / "network.onnx")
    with tarfile.open(tmp_path / "archive.tgz", "w:gz") as archive:
        for name, member in live.ENGINE.items():
            (tmp_path / name).write_text(f"the {name}")
            archive.add(tmp_path / name, member)
    parts = live.parts(tmp_path / "network.onnx", tmp_path / "archive.tgz")
    content = {name: gzip.decompress(base64.b64decode(text)) for name, text in parts.items()}
    graph, weights = live.divided(network)
    engine = {name: f"the {name}".encode() for name in live.ENGINE}
    assert content == engine | {"network": graph, "tensors": live.planes(weights)}
    assert parts == live.parts(tmp_path / "network.onnx", tmp_path / "archive.tgz"), "the same page each time"


def test_the_pages_data_are_those_of_the_run():
    x_0, schedule = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3), VarianceSchedule.linear(4, 0.1, 0.4)
    data = live.page_data(x_0, {"parameters": 3254177, "image_visits": 80}, schedule, "a note", preset="mine", seed=7)
    about = {"preset": "mine", "seed": 7, "parameters": "3,254,177", "visits": "80", "runtime": live.VERSION}
    assert (data["note"], data["about"], data["T"], data["size"]) == ("a note", about, 4, 3)
    assert np.allclose(data["alpha_bar"], np.cumprod([1, 0.9, 0.8, 0.7, 0.6])) and np.allclose(
        data["image"], x_0.ravel()
    )
    json.dumps(data, allow_nan=False)
