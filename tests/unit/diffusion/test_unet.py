"""Section 5: the network's size, and that it computes what it says."""

import pytest
import torch
from networks import small_network
from torch import nn

from claims.network import layers
from diffusion.unet import ResidualBlock, SelfAttention, SinusoidalEmbedding, UNet
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
