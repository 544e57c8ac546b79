"""Recipes -> rows of lessons in a file, by the product's own prompt, search and tokenizer."""

from __future__ import annotations

import argparse
from pathlib import Path

from cmdai_shell.backends.embedded.llama import Llama
from training.lessons import PLACES, lessons, opening, written
from training.rows import packed, write


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="weights, for their tokenizer")
    parser.add_argument("--rows", type=Path, default=Path("rows.jsonl"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=1, help="how often each recipe is asked for")
    arguments = parser.parse_args()
    llama = Llama(str(arguments.model), threads=1, context_tokens=512, template="chatml")
    openings = [opening(llama, place) for place in range(len(PLACES))]
    asked = lessons(arguments.seed, arguments.epochs)
    rows = [*packed(((one.place, written(llama, one.turns)) for one in asked), openings)]
    write(arguments.rows, rows)
    print(f"{sum(len(row.lessons) for row in rows)} lessons in {len(rows)} rows")


if __name__ == "__main__":
    main()
