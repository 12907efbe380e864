"""Section 5: the network eps_theta(x_t, t), 205 layers and 12,980,033 parameters at 64 channels.

The paper gives the two counts and the type ("residual and attention blocks in a U-Net type structure"); the layers
are those of the MathWorks tutorial that it names. A layer is a node of the graph that tracing the network gives, with
inputs, sums and concatenations, attention and the sinusoidal embedding being one each (`claims.network.layers`).
"""

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.errors import UserError
from engine.tensors import read_tensors


class GroupNorm(nn.GroupNorm):
    """Group normalisation. Without gradients a GPU does it in float32, for the same values: its kernel does not take
    images in bfloat16 with weights in float32.
    """

    def forward(self, h: Tensor) -> Tensor:
        if torch.is_grad_enabled() or not h.is_cuda:
            return super().forward(h)
        return F.group_norm(h.float(), self.num_groups, self.weight, self.bias, self.eps).to(h.dtype)


class SinusoidalEmbedding(nn.Module):
    """The step t, (n,), as (n, width) sines and cosines of t / 10000^(2i / width), i = 0..width/2 - 1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        frequency = torch.exp(-math.log(10_000) * torch.arange(width // 2) / (width // 2))
        self.register_buffer("frequency", frequency, persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        phase = t[:, None].float() * self.frequency.float()
        return torch.cat([phase.sin(), phase.cos()], dim=1)


class SelfAttention(nn.Module):
    """Single-head self-attention over positions, (n, width, positions) to the same, all four maps with bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, h: Tensor) -> Tensor:
        h = h.transpose(1, 2).contiguous()  # otherwise a CPU copies the weights for every image of the batch
        query, key, value = self.query_key_value(h).chunk(3, dim=2)
        if h.is_cuda:  # its fused kernels ask for a dimension of heads, and would else compute in float32
            mixed = F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None])[:, 0]
        else:  # on a CPU two plain products are faster than the fused kernel
            scores = (query / math.sqrt(query.shape[2])) @ key.transpose(1, 2)
            mixed = scores.softmax(dim=2) @ value
        return self.output(mixed).transpose(1, 2)


class AttentionBlock(nn.Module):
    """n = GroupNorm(h); n plus self-attention over the positions of n. Maps (n, width, size, size) to the same."""

    def __init__(self, width: int, size: int, groups: int) -> None:
        super().__init__()
        self.norm = GroupNorm(groups, width)
        self.flatten = nn.Flatten(start_dim=2)
        self.attention = SelfAttention(width)
        self.unflatten = nn.Unflatten(2, (size, size))

    def forward(self, h: Tensor) -> Tensor:
        n = self.norm(h)
        a = self.flatten(n)
        a = self.attention(a)
        a = self.unflatten(a)
        return n + a  # in this order the sum keeps the layout in memory of n


class AddEmbedding(nn.Module):
    """h, (n, width, h, w), plus a value for each channel, (n, width)."""

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        return h + e[:, :, None, None].to(h.dtype)


class ResidualBlock(nn.Module):
    """Two convolutions with the time embedding between them; the shortcut starts from the normalised input.

    Maps (n, width_in, h, w) and the embedding (n, embedding) to (n, width_out, h, w).
    """

    def __init__(self, width_in: int, width_out: int, embedding: int, groups: int) -> None:
        super().__init__()
        self.norm_1 = GroupNorm(groups, width_in)
        self.swish_1 = nn.SiLU()
        self.conv_1 = nn.Conv2d(width_in, width_out, 3, padding=1)
        self.norm_e = GroupNorm(groups, embedding)
        self.dense_e = nn.Linear(embedding, width_out)
        self.add_e = AddEmbedding()
        self.norm_2 = GroupNorm(groups, width_out)
        self.swish_2 = nn.SiLU()
        self.conv_2 = nn.Conv2d(width_out, width_out, 3, padding=1)
        self.shortcut = nn.Conv2d(width_in, width_out, 1)

    def forward(self, h: Tensor, embedding: Tensor) -> Tensor:
        n = self.norm_1(h)
        h = self.swish_1(n)
        h = self.conv_1(h)
        e = self.norm_e(embedding)
        e = self.dense_e(e)
        h = self.add_e(h, e)
        h = self.norm_2(h)
        h = self.swish_2(h)
        h = self.conv_2(h)
        s = self.shortcut(n)
        return h + s


class UNet(nn.Module):
    """eps_theta(x_t, t): predicts the noise in x_t, (n, 1, size, size), at steps t, (n,) integers in 1..T.

    `channels` is the width c of the first convolution, 64 in the paper; `image_size` is 32 in the paper. One step
    for all images may be given as t of shape (1,).
    Raises UserError if the image cannot be halved twice, or if the width is odd.
    """

    def __init__(self, channels: int = 64, image_size: int = 32) -> None:
        super().__init__()
        if image_size < 4 or image_size % 4:
            raise UserError(f"image size {image_size}: the network halves its images twice; use a multiple of 4")
        if channels < 2 or channels % 2:
            raise UserError(f"{channels} channels: they are normalised in pairs; use a multiple of 2")
        # The tutorial's 32 groups at 64 channels are pairs where the network is narrowest. A narrower network keeps
        # pairs: a group of one channel would lose what the time embedding adds to it.
        c, embedding, groups = channels, 4 * channels, channels // 2
        self.image_size = image_size
        half, quarter = image_size // 2, image_size // 4

        def residual(width_in: int, width_out: int) -> ResidualBlock:
            return ResidualBlock(width_in, width_out, embedding, groups)

        def attention(width: int, size: int) -> AttentionBlock:
            return AttentionBlock(width, size, groups)

        self.embed_t = nn.Sequential(
            SinusoidalEmbedding(c), nn.Linear(c, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )
        self.conv_in = nn.Conv2d(1, c, 3, padding=1)

        self.block_1 = residual(c, c)
        self.block_2 = residual(c, c)
        self.down_1 = nn.Conv2d(c, 2 * c, 3, stride=2, padding=1)
        self.block_3 = residual(2 * c, 2 * c)
        self.attention_3 = attention(2 * c, half)
        self.block_4 = residual(2 * c, 2 * c)
        self.attention_4 = attention(2 * c, half)
        self.down_2 = nn.Conv2d(2 * c, 4 * c, 3, stride=2, padding=1)
        self.block_5 = residual(4 * c, 4 * c)
        self.block_6 = residual(4 * c, 4 * c)

        self.block_7 = residual(4 * c, 4 * c)
        self.attention_7 = attention(4 * c, quarter)
        self.block_8 = residual(4 * c, 4 * c)
        self.attention_8 = attention(4 * c, quarter)

        self.block_9 = residual(8 * c, 4 * c)
        self.block_10 = residual(8 * c, 4 * c)
        self.up_1 = nn.ConvTranspose2d(4 * c, 2 * c, 3, stride=2, padding=1, output_padding=1)
        self.block_11 = residual(4 * c, 2 * c)
        self.attention_11 = attention(2 * c, half)
        self.block_12 = residual(4 * c, 2 * c)
        self.attention_12 = attention(2 * c, half)
        self.up_2 = nn.ConvTranspose2d(2 * c, c, 3, stride=2, padding=1, output_padding=1)
        self.block_13 = residual(2 * c, c)
        self.block_14 = residual(2 * c, c)

        self.norm_out = GroupNorm(groups, 2 * c)
        self.swish_out = nn.SiLU()
        self.conv_out = nn.Conv2d(2 * c, 1, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        e = self.embed_t(t)
        h_0 = self.conv_in(x)

        h_1 = self.block_1(h_0, e)
        h_2 = self.block_2(h_1, e)
        h = self.down_1(h_2)
        h_3 = self.block_3(h, e)
        h = self.attention_3(h_3)
        h_4 = self.block_4(h, e)
        h = self.attention_4(h_4)
        h = self.down_2(h)
        h_5 = self.block_5(h, e)
        h_6 = self.block_6(h_5, e)

        h = self.block_7(h_6, e)
        h = self.attention_7(h)
        h = self.block_8(h, e)
        h = self.attention_8(h)

        h = self.block_9(torch.cat([h, h_6], 1), e)
        h = self.block_10(torch.cat([h, h_5], 1), e)
        h = self.up_1(h)
        h = self.block_11(torch.cat([h, h_4], 1), e)
        h = self.attention_11(h)
        h = self.block_12(torch.cat([h, h_3], 1), e)
        h = self.attention_12(h)
        h = self.up_2(h)
        h = self.block_13(torch.cat([h, h_2], 1), e)
        h = self.block_14(torch.cat([h, h_1], 1), e)

        h = self.norm_out(torch.cat([h, h_0], 1))
        h = self.swish_out(h)
        return self.conv_out(h)

    @classmethod
    def load(cls, weights: Path | str, channels: int, image_size: int) -> "UNet":
        """A trained network from its weights, a safetensors file."""
        model = cls(channels, image_size)
        model.load_state_dict(read_tensors(weights))
        return model

    def for_sampling(self, dtype: torch.dtype) -> "UNet":
        """Set for evaluation without gradients: convolutions and attention in `dtype`, everything else in float32."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | SelfAttention):
                module.to(dtype)
        return self.eval().requires_grad_(False)
