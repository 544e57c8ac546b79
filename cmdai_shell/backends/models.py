"""Which of a server's models to ask, and how large it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LARGE_BILLIONS = 7.0
MOST_MODELS = 2_000

_SIZE = re.compile(r"(?<![a-z0-9.])(?:(\d{1,3})x)?(\d{1,4}(?:\.\d+)?)b(?![a-z0-9])", re.I)
""""Qwen2.5-Coder-7B-Instruct", "qwen2.5-coder:1.5b", "Mixtral-8x7B"; of "30B-A3B" the first."""
_HOSTED = re.compile(r"(?<![a-z])(?:gpt-[3-9]|o[1-9](?![a-z0-9])|claude|gemini)", re.I)
"""Models of hosted APIs, whose names tell no size."""
_NO_CHAT = re.compile(r"embed|rerank|whisper|tts|guard|(?<![a-z])bge|(?<![a-z])clip", re.I)
_LONGEST_NAME = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model as its server lists it. ``owner`` is ``owned_by``; ``root`` what an alias stands
    for (vLLM); ``billions`` its parameters, where the server tells (llama.cpp, Ollama)."""

    id: str
    owner: str = ""
    root: str = ""
    billions: float | None = None

    @property
    def is_large(self) -> bool:
        """It follows many instructions at once. Unknown counts as small: a small model fails with
        a large model's prompt, a large one does well with a small model's."""
        size = self.billions or size_of(self.id) or size_of(self.root.rpartition("/")[2])
        return size >= LARGE_BILLIONS if size else bool(_HOSTED.search(self.id))


def size_of(name: str) -> float | None:
    """Billions of parameters that a name tells; of experts, all of them."""
    found = _SIZE.search(name)
    return int(found[1] or 1) * float(found[2]) if found else None


def listed(document: Any) -> tuple[Model, ...]:
    """The models of ``GET /v1/models`` (OpenAI API reference; vLLM adds ``root``, llama.cpp adds
    ``meta.n_params``). What is of another shape is left out."""
    data = document.get("data") if isinstance(document, dict) else document
    rows = data if isinstance(data, list) else []
    return tuple(_model(row) for row in rows[:MOST_MODELS] if _is_model(row))


def _is_model(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("id"), str) and bool(row["id"])


def _model(row: dict[str, Any]) -> Model:
    meta = row.get("meta")
    count = meta.get("n_params") if isinstance(meta, dict) else None
    known = isinstance(count, int | float) and not isinstance(count, bool)
    return Model(
        id=clean(row["id"]),
        owner=clean(str(row.get("owned_by") or "")),
        root=clean(str(row.get("root") or "")),
        billions=count / 1e9 if known and count else None,
    )


def clean(name: str) -> str:
    """A server's word for something, as it may be shown."""
    return visible(name[:_LONGEST_NAME]).replace("\n", " ").strip()


def choose(wanted: str, models: Sequence[Model]) -> Model | None:
    """The one that is wanted: by its exact name, whatever its capitals, by what it is an alias of,
    or the shortest name with this in it. Nothing wanted: the first that can chat."""
    if not wanted:
        return next((m for m in models if not _NO_CHAT.search(m.id)), models[0] if models else None)
    for model in models:
        if model.id == wanted:
            return model
    small = wanted.casefold()
    same = [m for m in models if small == m.id.casefold()]
    root = [m for m in models if small == m.root.casefold()]
    partial = sorted((m for m in models if small in m.id.casefold()), key=lambda m: len(m.id))
    return next(iter((*same, *root, *partial)), None)


def names(models: Iterable[Model], most: int = 5) -> str:
    """For a sentence: "a, b and 3 more"."""
    ids = [model.id for model in models]
    shown = ", ".join(ids[:most])
    return f"{shown} and {len(ids) - most} more" if len(ids) > most else shown or "none"
