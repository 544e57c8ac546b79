"""Qwen2 in PyTorch with the weights of a GGUF file, and low-rank matrices beside them to be learnt.

The weights stay as llama.cpp has them (Q4_K_M, unpacked): what is learnt fits just those.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import gguf
import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from pathlib import Path

MATRICES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


class Adapted(nn.Module):
    """``x W + (alpha / rank) x A B``: W as it is, A and B learnt (LoRA, arXiv 2106.09685)."""

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None, rank: int, scale: float
    ) -> None:
        super().__init__()
        out_size, in_size = weight.shape
        self.weight, self.bias, self.scale = weight, bias, scale
        self.a = nn.Parameter(torch.randn(rank, in_size) / math.sqrt(in_size)) if rank else None
        self.b = nn.Parameter(torch.zeros(out_size, rank)) if rank else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.linear(x, self.weight, self.bias)
        if self.a is None or self.b is None:
            return y
        low = F.linear(x, self.a.to(x.dtype))
        return y + F.linear(low, (self.b * self.scale).to(x.dtype))


class Layer(nn.Module):
    def __init__(
        self, parts: dict[str, Adapted], norms: tuple[torch.Tensor, torch.Tensor], shape: Shape
    ) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.norms, self.shape = norms, shape

    def forward(
        self, x: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor], mask: torch.Tensor
    ) -> torch.Tensor:
        parts, shape = self.parts, self.shape
        y = normed(x, self.norms[0], shape.epsilon)
        size = len(y)
        q = turned(parts["attn_q"](y).view(size, shape.heads, -1).transpose(0, 1), turn)
        k = turned(parts["attn_k"](y).view(size, shape.kv_heads, -1).transpose(0, 1), turn)
        v = parts["attn_v"](y).view(size, shape.kv_heads, -1).transpose(0, 1)
        share = shape.heads // shape.kv_heads
        k, v = k.repeat_interleave(share, 0), v.repeat_interleave(share, 0)
        seen = F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=mask)[0]
        x = x + parts["attn_output"](seen.transpose(0, 1).reshape(size, -1))
        y = normed(x, self.norms[1], shape.epsilon)
        return x + parts["ffn_down"](F.silu(parts["ffn_gate"](y)) * parts["ffn_up"](y))


class Shape:
    """The sizes that a GGUF file's head tells."""

    def __init__(self, reader: gguf.GGUFReader) -> None:
        def field(name: str) -> float:
            return reader.fields[f"qwen2.{name}"].contents()

        self.layers = int(field("block_count"))
        self.heads = int(field("attention.head_count"))
        self.kv_heads = int(field("attention.head_count_kv"))
        self.epsilon = float(field("attention.layer_norm_rms_epsilon"))
        self.base = float(field("rope.freq_base"))
        self.width = int(field("embedding_length"))


class Qwen2(nn.Module):
    """``matrices`` are those that learn; of each the low rank is ``rank``."""

    def __init__(
        self, path: Path, *, rank: int, alpha: float, matrices: tuple[str, ...] = MATRICES
    ) -> None:
        super().__init__()
        reader = gguf.GGUFReader(path)
        shape = self.shape = Shape(reader)
        packed = {tensor.name: tensor for tensor in reader.tensors}

        def unpacked(name: str) -> torch.Tensor:
            found = packed[name]
            data = torch.from_numpy(gguf.dequantize(found.data, found.tensor_type).copy())
            return data.to(torch.bfloat16)

        self.embedding = unpacked("token_embd.weight")
        self.output = unpacked("output.weight") if "output.weight" in packed else self.embedding
        self.norm = unpacked("output_norm.weight")
        layers = []
        for number in range(shape.layers):
            parts = {}
            for name in MATRICES:
                where = f"blk.{number}.{name}"
                bias = unpacked(f"{where}.bias") if f"{where}.bias" in packed else None
                parts[name] = Adapted(
                    unpacked(f"{where}.weight"),
                    bias,
                    rank if name in matrices else 0,
                    alpha / max(rank, 1),
                )
            norms = (
                unpacked(f"blk.{number}.attn_norm.weight"),
                unpacked(f"blk.{number}.ffn_norm.weight"),
            )
            layers.append(Layer(parts, norms, shape))
        self.layers = nn.ModuleList(layers)

    def forward(
        self, tokens: torch.Tensor, places: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """What comes out above the last layer, for each token; ``mask`` tells who sees whom."""
        size = self.shape.width // self.shape.heads
        speeds = self.shape.base ** (-torch.arange(0, size, 2) / size)
        angles = places[:, None] * speeds[None]
        turn = (angles.cos().repeat(1, 2), angles.sin().repeat(1, 2))
        x = self.embedding[tokens]
        for layer in self.layers:
            x = layer(x, turn, mask)
        return normed(x, self.norm, self.shape.epsilon)


def normed(x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    wide = x.float()
    wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon)
    return wide.to(x.dtype) * weight


def turned(x: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Rotary position embedding, the halves of a head turned against each other (NeoX)."""
    cosine, sine = turn
    half = x.shape[-1] // 2
    other = torch.cat((-x[..., half:], x[..., :half]), -1)
    return (x.float() * cosine + other.float() * sine).to(x.dtype)
