"""Learn an adapter from the recipes: ``python -m training.train prepare|learn|write``."""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from pathlib import Path

LENGTH = 1200
"""Tokens of one step's row: a prefix, and behind it as many lessons as fit."""


def prepare(arguments: argparse.Namespace) -> None:
    """Lessons -> rows of tokens, in a file (with the product's own tokenizer: llama.cpp)."""
    from cmdai_shell.backends.embedded.llama import Llama
    from training.lessons import PLACES, lessons, opening, written

    llama = Llama(str(arguments.model), threads=1, context_tokens=512, template="chatml")
    openings = [opening(llama, place) for place in range(len(PLACES))]
    rows: list[dict[str, object]] = []
    filling: dict[int, list[tuple[list[int], list[int]]]] = {}
    count = 0
    for lesson in lessons(arguments.seed, arguments.epochs):
        one = written(llama, lesson.turns)
        mine = filling.setdefault(lesson.place, [])
        if len(openings[lesson.place]) + sum(len(t) for t, _ in mine) + len(one[0]) > LENGTH:
            rows.append({"opening": openings[lesson.place], "lessons": mine})
            mine = filling[lesson.place] = []
        mine.append(one)
        count += 1
    rows += [
        {"opening": openings[place], "lessons": left} for place, left in filling.items() if left
    ]
    with arguments.rows.open("w") as out:
        for row in rows:
            out.write(json.dumps(row) + "\n")
    tokens = sum(len(t) for row in rows for t, _ in row["lessons"])
    print(f"{count} lessons, {len(rows)} rows, {tokens} tokens behind the prefixes")


def learn(arguments: argparse.Namespace) -> None:
    import torch
    from torch.nn import functional as F

    from training.qwen2 import Qwen2

    torch.manual_seed(arguments.seed)
    matrices = tuple(arguments.matrices.split(","))
    model = Qwen2(arguments.model, rank=arguments.rank, alpha=arguments.alpha, matrices=matrices)
    for layer in model.layers:
        layer.forward = torch.compile(layer.forward, dynamic=False)
    learnt = [p for p in model.parameters() if p.requires_grad]
    print(sum(p.numel() for p in learnt), "parameters", flush=True)
    rows = [json.loads(line) for line in arguments.rows.open()]
    held = rows[: arguments.held]
    rows = rows[arguments.held : arguments.rows_most or None]
    step = torch.optim.AdamW(learnt, lr=arguments.rate, betas=(0.9, 0.98), weight_decay=0.01)
    batches = max(len(rows) // arguments.batch, 1)
    began = time.monotonic()

    def loss_of(row: dict) -> tuple[torch.Tensor, float]:
        tokens = list(row["opening"])
        start = len(tokens)
        places, group, counts = list(range(start)), [-1] * start, [0] * start
        for number, (own, weights) in enumerate(row["lessons"]):
            tokens += own
            places += range(start, start + len(own))
            group += [number] * len(own)
            counts += weights
        padding = LENGTH - len(tokens)  # one length for all: compiled once
        tokens, places = tokens + [0] * padding, places + [0] * padding
        group, counts = group + [-2] * padding, counts + [0] * padding
        of = torch.tensor(group)
        seen = ((of[:, None] == of[None]) | (of[None] == -1)).tril()
        mask = torch.zeros(LENGTH, LENGTH, dtype=torch.bfloat16).masked_fill(~seen, float("-inf"))
        all_tokens = torch.tensor(tokens)
        out = model(all_tokens, torch.tensor(places), mask)
        weights = torch.tensor(counts[1:], dtype=torch.float32) / 100
        # the token before a lesson's first is another lesson's: a lesson's first counts nothing
        where = weights.nonzero()[:, 0]
        logits = F.linear(out[where], model.output).float()
        losses = F.cross_entropy(logits, all_tokens[where + 1], reduction="none")
        return (losses * weights[where]).sum(), float(weights.sum())

    def check() -> float:
        with torch.no_grad():
            pairs = [loss_of(row) for row in held]
        return float(sum(loss for loss, _ in pairs)) / sum(count for _, count in pairs)

    print(f"before: {check():.4f}", flush=True)
    total = done = 0.0
    for batch in range(batches):
        part = (batch + 1) / batches
        warm = min(1.0, (batch + 1) / 20)
        for group in step.param_groups:
            group["lr"] = arguments.rate * warm * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * part)))
        chosen = rows[batch * arguments.batch : (batch + 1) * arguments.batch]
        whole = sum(sum(map(sum, (w for _, w in row["lessons"]))) for row in chosen) / 100
        for row in chosen:
            loss, count = loss_of(row)
            (loss / whole).backward()
            total, done = total + float(loss.detach()), done + count
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        step.step()
        step.zero_grad()
        if (batch + 1) % 10 == 0:
            print(
                f"{batch + 1}/{batches} loss {total / done:.4f} {time.monotonic() - began:.0f} s",
                flush=True,
            )
            total = done = 0.0
        if (batch + 1) % 50 == 0 or batch + 1 == batches:
            print(f"held: {check():.4f}", flush=True)
            save(model, arguments)


def save(model: object, arguments: argparse.Namespace) -> None:
    import torch

    kept = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
    torch.save({"kept": kept, "rank": arguments.rank, "alpha": arguments.alpha}, arguments.out)


def write(arguments: argparse.Namespace) -> None:
    """An adapter as llama.cpp reads it."""
    import gguf
    import numpy
    import torch

    found = torch.load(arguments.out)
    out = gguf.GGUFWriter(arguments.adapter, "qwen2")
    out.add_type("adapter")
    out.add_string("adapter.type", "lora")
    out.add_float32("adapter.lora.alpha", float(found["alpha"]))
    for name, tensor in found["kept"].items():
        _, layer, _, matrix, side = name.split(".")
        data = tensor.numpy().astype(numpy.float16)
        out.add_tensor(f"blk.{layer}.{matrix}.weight.lora_{side}", data)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    print(arguments.adapter.stat().st_size)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("prepare", "learn", "write"))
    add = parser.add_argument
    add("--model", type=Path, required=True)
    add("--rows", type=Path, default=Path("rows.jsonl"))
    add("--out", type=Path, default=Path("adapter.pt"))
    add("--adapter", type=Path, default=Path("adapter.gguf"))
    add("--epochs", type=int, default=1)
    add("--seed", type=int, default=1)
    add("--rank", type=int, default=8)
    add("--alpha", type=float, default=16)
    add("--rate", type=float, default=4e-4)
    add("--batch", type=int, default=4)
    add("--held", type=int, default=6)
    add("--rows-most", type=int, default=0)
    add("--matrices", default="attn_q,attn_k,attn_v,attn_output,ffn_gate,ffn_up,ffn_down")
    arguments = parser.parse_args()
    {"prepare": prepare, "learn": learn, "write": write}[arguments.what](arguments)


if __name__ == "__main__":
    main()
