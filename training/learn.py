"""Rows of lessons -> low-rank matrices: AdamW, the rate warmed up and let down in a cosine."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from training.qwen2 import Qwen2
from training.rows import Row, laid, read

if TYPE_CHECKING:
    from collections.abc import Sequence

WARM = 20
"""Steps until the rate is whole."""


def loss_of(model: Qwen2, row: Row) -> torch.Tensor:
    """Nats, summed over the answers' tokens as these count."""
    whole = laid(row)
    lesson = torch.tensor(whole.lesson)
    seen = ((lesson[:, None] == lesson[None]) | (lesson[None] == -1)).tril()
    mask = torch.zeros(seen.shape, dtype=torch.bfloat16).masked_fill(~seen, float("-inf"))
    tokens = torch.tensor(whole.tokens)
    out = model(tokens, torch.tensor(whole.places), mask)
    weights = torch.tensor(whole.counts[1:]) / 100
    where = weights.nonzero()[:, 0]  # a lesson's first token counts nothing: it follows another's
    logits = F.linear(out[where], model.output).float()
    losses = F.cross_entropy(logits, tokens[where + 1], reduction="none")
    return (losses * weights[where]).sum()


@torch.no_grad()
def mean_loss(model: Qwen2, rows: Sequence[Row]) -> float:
    return float(sum(loss_of(model, row) for row in rows)) / sum(row.counted for row in rows)


def learn(model: Qwen2, rows: Sequence[Row], arguments: argparse.Namespace) -> None:
    learnt = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(learnt, betas=(0.9, 0.98), weight_decay=0.01)
    steps = max(len(rows) // arguments.batch, 1)
    held, began = rows[: arguments.held], time.monotonic()
    rows = rows[arguments.held :]
    print(f"before: {mean_loss(model, held):.4f}", flush=True)
    for step in range(steps):
        fall = 0.1 + 0.45 * (1 + math.cos(math.pi * (step + 1) / steps))
        for group in optimizer.param_groups:
            group["lr"] = arguments.rate * min(1.0, (step + 1) / WARM) * fall
        batch = rows[step * arguments.batch : (step + 1) * arguments.batch]
        count = sum(row.counted for row in batch)
        for row in batch:
            (loss_of(model, row) / count).backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if (step + 1) % 25 == 0 or step + 1 == steps:
            said = f"{step + 1}/{steps}: {mean_loss(model, held):.4f}"
            print(f"{said}, {time.monotonic() - began:.0f} s", flush=True)
            kept = {k: v.detach() for k, v in model.named_parameters() if v.requires_grad}
            torch.save({"kept": kept, "alpha": arguments.alpha}, arguments.out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--model", type=Path, required=True)
    add("--rows", type=Path, default=Path("rows.jsonl"))
    add("--most", type=int, help="of the rows")
    add("--held", type=int, default=3, help="rows that are not learnt from: they tell the loss")
    add("--out", type=Path, default=Path("learnt.pt"))
    add("--rank", type=int, default=8)
    add("--alpha", type=float, default=16)
    add("--rate", type=float, default=4e-4)
    add("--batch", type=int, default=3, help="rows a step")
    add("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    model = Qwen2(arguments.model, rank=arguments.rank, alpha=arguments.alpha)
    for layer in model.layers:
        layer.forward = torch.compile(layer.forward, dynamic=False)
    learn(model, read(arguments.rows)[: arguments.most], arguments)


if __name__ == "__main__":
    main()
