"""What was learnt -> a GGUF file as llama.cpp reads it (its convert_lora_to_gguf.py's form)."""

from __future__ import annotations

import argparse
from pathlib import Path

import gguf
import numpy as np
import torch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learnt", type=Path, required=True)
    parser.add_argument("--lora", type=Path, required=True)
    arguments = parser.parse_args()
    learnt = torch.load(arguments.learnt)
    out = gguf.GGUFWriter(arguments.lora, "qwen2")
    out.add_type("adapter")
    out.add_string("adapter.type", "lora")
    out.add_float32("adapter.lora.alpha", float(learnt["alpha"]))
    for name, matrix in learnt["kept"].items():
        _, layer, _, weight, side = name.split(".")  # layers.0.parts.attn_q.a
        out.add_tensor(
            f"blk.{layer}.{weight}.weight.lora_{side}", matrix.numpy().astype(np.float16)
        )
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


if __name__ == "__main__":
    main()
