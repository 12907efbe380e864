"""Section 5: the network's size, and that it computes what it says."""

import numpy as np
import pytest
import torch
from networks import small_network
from scipy import special
from torch import nn

from claims.network import layers
from diffusion.unet import AttentionBlock, ResidualBlock, SelfAttention, SinusoidalEmbedding, UNet
from engine.errors import UserError


def test_205_layers_and_12980033_parameters():
    network = UNet(channels=64, image_size=32)
    assert sum(p.numel() for p in network.parameters()) == 12_980_033
    nodes = layers(network)
    assert len(nodes) == 205
    assert {node.op for node in nodes} == {"placeholder", "call_module", "call_function"}
    modules = [dict(network.named_modules())[node.target] for node in nodes if node.op == "call_module"]
    assert sum(isinstance(layer, SelfAttention) for layer in modules) == 6
    assert sum(isinstance(layer, nn.ConvTranspose2d) for layer in modules) == 2


def test_every_parameter_gets_a_finite_gradient():
    network = small_network()
    x, t = torch.randn(2, 1, 8, 8), torch.tensor([1, 500])
    network(x, t).square().mean().backward()
    for name, p in network.named_parameters():
        assert p.grad is not None and bool(p.grad.isfinite().all()), name
        assert p.grad.abs().max() > 0, name


def test_output_has_the_images_shape_and_depends_on_t():
    network = small_network().eval()
    x = torch.randn(3, 1, 8, 8)
    with torch.no_grad():
        early, late = (network(x, torch.full((3,), t)) for t in (1, 500))
        assert early.shape == x.shape
        assert (early - late).abs().max() > 1e-3
        assert torch.allclose(early, network(x, torch.tensor([1])), atol=1e-6)  # one t for all


@pytest.mark.parametrize("channels", [32, 64])
def test_every_residual_block_sees_the_time(channels):
    network = UNet(channels=channels, image_size=8)
    for name, block in network.named_children():
        if isinstance(block, ResidualBlock):
            h = torch.randn(1, block.conv_1.in_channels, 4, 4)
            early, late = (block(h, network.embed_t(torch.tensor([t]))) for t in (1, 500))
            assert (early - late).norm() > 1e-2 * early.norm(), name


def test_images_of_a_batch_do_not_see_each_other():
    network, x = small_network().eval(), torch.randn(4, 1, 8, 8)
    t = torch.tensor([1, 50, 200, 500])
    with torch.no_grad():
        together = network(x, t)
        apart = torch.cat([network(x[i : i + 1], t[i : i + 1]) for i in range(4)])
    assert torch.allclose(together, apart, atol=1e-5)


def test_sinusoidal_embedding_in_closed_form():
    e = SinusoidalEmbedding(4)(torch.tensor([0, 3]))
    expected = torch.tensor([[0.0, 0.0, 1.0, 1.0], [3.0, 0.03, 3.0, 0.03]])
    expected[1, :2], expected[1, 2:] = expected[1, :2].sin(), expected[1, 2:].cos()
    assert torch.allclose(e, expected, atol=1e-6)


def test_attention_is_softmax_of_scaled_products():
    attention = SelfAttention(4)
    h = torch.randn(2, 4, 5)
    q, k, v = attention.query_key_value(h.transpose(1, 2)).chunk(3, dim=2)
    expected = attention.output(nn.functional.scaled_dot_product_attention(q, k, v)).transpose(1, 2)
    assert torch.allclose(attention(h), expected, atol=1e-6)


def normalised(h, norm):
    """Group normalisation of h, (n, width, ...), in numpy."""
    groups = h.reshape(len(h), norm.num_groups, -1)
    scaled = (groups - groups.mean(2, keepdims=True)) / np.sqrt(groups.var(2, keepdims=True) + norm.eps)
    shape = (1, -1, *[1] * (h.ndim - 2))
    return scaled.reshape(h.shape) * numbers(norm.weight).reshape(shape) + numbers(norm.bias).reshape(shape)


def convolved(h, convolution):
    """A convolution of odd size that keeps the image's size, in numpy."""
    weight, edge = numbers(convolution.weight), convolution.padding[0]
    padded = np.pad(h, ((0, 0), (0, 0), (edge, edge), (edge, edge)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))
    return np.einsum("nixyab,oiab->noxy", windows, weight) + numbers(convolution.bias)[:, None, None]


def swish(h):
    return h / (1 + np.exp(-h))


def numbers(tensor):
    return tensor.detach().double().numpy()


def with_random_weights(module):
    """All weights of a module drawn anew, so that none is 0 or 1."""
    source = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(0.5 * torch.randn(p.shape, generator=source))
    return module


def test_a_residual_block_by_hand():
    block, source = with_random_weights(ResidualBlock(4, 6, 8, groups=2)), torch.Generator().manual_seed(1)
    h, e = torch.randn(2, 4, 3, 3, generator=source), torch.randn(2, 8, generator=source)
    n = normalised(numbers(h), block.norm_1)
    embedded = normalised(numbers(e), block.norm_e) @ numbers(block.dense_e.weight).T + numbers(block.dense_e.bias)
    inside = convolved(swish(n), block.conv_1) + embedded[:, :, None, None]
    inside = convolved(swish(normalised(inside, block.norm_2)), block.conv_2)
    assert np.allclose(numbers(block(h, e)), inside + convolved(n, block.shortcut), atol=1e-4)


def test_an_attention_block_by_hand():
    """The sum starts from the normalised input n, and so does the attention over its nine positions."""
    block = with_random_weights(AttentionBlock(4, 3, groups=2))
    h = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    n = normalised(numbers(h), block.norm)
    positions = n.reshape(2, 4, 9).transpose(0, 2, 1)
    maps, output = block.attention.query_key_value, block.attention.output
    query, key, value = np.split(positions @ numbers(maps.weight).T + numbers(maps.bias), 3, axis=2)
    weights = special.softmax(query @ key.transpose(0, 2, 1) / 2, axis=2)
    mixed = weights @ value @ numbers(output.weight).T + numbers(output.bias)
    assert np.allclose(numbers(block(h)), n + mixed.transpose(0, 2, 1).reshape(2, 4, 3, 3), atol=1e-4)


# Each layer's input: what is concatenated, in this order. The skip of block i reaches block 15 - i.
GRAPH = {
    "block_1": ["conv_in"], "block_2": ["block_1"], "down_1": ["block_2"], "block_3": ["down_1"],
    "attention_3": ["block_3"], "block_4": ["attention_3"], "attention_4": ["block_4"], "down_2": ["attention_4"],
    "block_5": ["down_2"], "block_6": ["block_5"], "block_7": ["block_6"], "attention_7": ["block_7"],
    "block_8": ["attention_7"], "attention_8": ["block_8"], "block_9": ["attention_8", "block_6"],
    "block_10": ["block_9", "block_5"], "up_1": ["block_10"], "block_11": ["up_1", "block_4"],
    "attention_11": ["block_11"], "block_12": ["attention_11", "block_3"], "attention_12": ["block_12"],
    "up_2": ["attention_12"], "block_13": ["up_2", "block_2"], "block_14": ["block_13", "block_1"],
    "norm_out": ["block_14", "conv_in"], "swish_out": ["norm_out"], "conv_out": ["swish_out"],
}  # fmt: skip


def test_each_layer_is_fed_by_the_layers_of_the_graph():
    network, inputs, outputs = small_network(), {}, {}

    def remember(name):
        def hook(layer, arguments, output):
            inputs[name], outputs[name] = arguments[0], output

        return hook

    for name, layer in network.named_children():
        layer.register_forward_hook(remember(name))
    x, t = torch.randn(2, 1, 8, 8), torch.tensor([1, 500])
    with torch.no_grad():
        y = network(x, t)
    assert set(inputs) == {*GRAPH, "conv_in", "embed_t"}
    assert (
        torch.equal(inputs["conv_in"], x) and torch.equal(inputs["embed_t"], t) and torch.equal(outputs["conv_out"], y)
    )
    for name, sources in GRAPH.items():
        assert torch.equal(inputs[name], torch.cat([outputs[source] for source in sources], 1)), name


@pytest.mark.parametrize("channels, size, tolerance", [(32, 8, 0.02), (64, 32, 0.01)])
def test_bfloat16_stays_close_to_float32(channels, size, tolerance):
    """In relative L2, with the first weights; the unit roundoff of bfloat16 is 0.004."""
    torch.manual_seed(0)
    network = UNet(channels, size).eval()
    x, t = torch.randn(4, 1, size, size), torch.tensor([1, 100, 300, 500])
    with torch.no_grad():
        exact = network(x, t)
        with torch.autocast("cpu", torch.bfloat16):  # as in training
            trained = network(x, t).float()
        sampled = network.for_sampling(torch.bfloat16)(x.bfloat16(), t).float()
    for rounded in (trained, sampled):
        error = ((rounded - exact).norm() / exact.norm()).item()
        assert 0 < error < tolerance


@pytest.mark.parametrize("arguments", [(64, 30), (64, 2), (47, 32), (0, 32)])
def test_impossible_sizes_are_refused_in_a_sentence(arguments):
    with pytest.raises(UserError, match="use a multiple of"):
        UNet(*arguments)


def test_network_compiles_into_one_graph():
    """As it must on a GPU, where a break in the graph costs the speed; the tracing is the same on a CPU."""
    network, x, t = small_network(), torch.randn(2, 1, 8, 8), torch.tensor([1, 500])
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(compiled(x, t), network(x, t))
