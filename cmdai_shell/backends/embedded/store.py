"""The models on this machine: ``<data folder>/models/<id>/``, the weights and a ``manifest.json``.

Looking is cheap (names and sizes); digests are taken when a model is pulled, imported or verified.
"""

from __future__ import annotations

import difflib
import fcntl
import os
import re
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec

from cmdai_shell.backends.embedded.catalog import ModelFile, catalog, default_here
from cmdai_shell.backends.embedded.partial import (
    Partial,
    Progress,
    Quiet,
    chunks,
    digest,
    megabytes,
)
from cmdai_shell.errors import ModelUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cmdai_shell.backends.embedded.catalog import CatalogEntry

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_QUIET = Quiet()


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What was true when the model was put here."""

    id: str
    file: str
    sha256: str
    size: int
    template: str
    licence: str
    origin: str
    """``hub``, ``index`` or ``import``."""


class Store:
    """``data_dir`` as ``config.paths.data_dir()`` gives it; made when first written to."""

    def __init__(
        self, data_dir: Path, *, default: Callable[[], tuple[str, str]] = default_here
    ) -> None:
        self.folder = data_dir / "models"
        self._choose_default = default
        self._default: str = ""

    def installed(self) -> list[ModelFile]:
        """Whole models by id; one whose file is missing or of another size is not whole."""
        found = (self._read(path) for path in sorted(self.folder.glob("*/manifest.json")))
        return [model for model in found if model and _is_whole(model)]

    def get(self, model_id: str) -> ModelFile | None:
        model = self._read(self.folder / model_id / "manifest.json")
        return model if model and _is_whole(model) else None

    def chosen(self, wanted: str) -> ModelFile:
        """The model of that id; for ``auto`` the machine's default, else any that is here.

        What ``auto`` means is decided once for each Store, so that a model is not swapped for
        another when memory fills. Raises ModelUnavailable, with the command that helps.
        """
        return self._named(wanted) if wanted != "auto" else self._automatic()

    def fetched(self, entry: CatalogEntry) -> int:
        """Bytes of a model that are here, whole or begun."""
        home = self.folder / entry.id
        for name in (entry.file, f"{entry.file}.part"):
            with suppress(OSError):
                return (home / name).stat().st_size
        return 0

    def add(self, partial: Partial, manifest: Manifest) -> ModelFile:
        """Take over a finished file. The caller has checked its digest."""
        home = self.folder / manifest.id
        home.mkdir(parents=True, exist_ok=True)
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
        (home / "manifest.json").unlink(missing_ok=True)
        partial.seal(home / manifest.file)
        new = home / "manifest.json.part"
        new.write_bytes(text + b"\n")
        new.replace(home / "manifest.json")
        for stale in home.glob("*.gguf"):
            if stale.name != manifest.file:
                stale.unlink()
        return _model(home, manifest)

    def import_file(
        self, source: Path, model_id: str = "", *, progress: Progress = _QUIET
    ) -> ModelFile:
        """Copy a GGUF file in; ``source`` stays. A known digest gives the catalog's id.

        Raises ModelUnavailable for a file that is no GGUF, is unknown and has no ``model_id``, or
        that is not what the catalog means by that id.
        """
        if model_id and not _ID.fullmatch(model_id):
            raise ModelUnavailable(
                f"{model_id!r} cannot name a model", "use small letters, digits, '.', '_' and '-'"
            )
        size = _gguf_size(source)
        self.check_room(size)
        with self.lock("import", progress), self._scratch(size, progress) as partial:
            for chunk in chunks(source):
                partial.write(chunk)
            if partial.missing:
                raise ModelUnavailable(f"{source} became shorter while it was copied")
            manifest = _identify(source, model_id, size=size, sha256=partial.sha256())
            with self.lock(manifest.id, progress):
                return self.add(partial, manifest)

    def remove(self, model_id: str) -> int:
        """Delete a model and what was pulled of it; the bytes that became free.

        Raises ModelUnavailable when there is nothing of that id, or it is being pulled.
        """
        home = self.folder / model_id
        if not _ID.fullmatch(model_id) or not home.is_dir():
            raise ModelUnavailable(f"no model {model_id} is here", "cmdai-shell model list")
        with self.lock(model_id):
            freed = sum(file.stat().st_size for file in home.rglob("*") if file.is_file())
            shutil.rmtree(home)
        return freed

    def verify(self, model_id: str, *, progress: Progress = _QUIET) -> ModelFile:
        """Read the whole file and compare its digest. Raises ModelUnavailable when it differs."""
        model = self._named(model_id)
        if digest(model.path, progress) == model.sha256:
            return model
        raise ModelUnavailable(f"model {model_id} is damaged: wrong digest", _again(model_id))

    def check_room(self, needed: int) -> None:
        """Raises ModelUnavailable when the disk has not ``needed`` bytes free."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(self.folder).free) < needed:
            raise ModelUnavailable(
                f"not enough room in {self.folder}: {megabytes(needed)} needed,"
                f" {megabytes(free)} free",
                f"free {megabytes(needed - free)}, or let CMDAI_DATA_DIR name another disk",
            )

    @contextmanager
    def lock(self, model_id: str, waiting: Progress | None = None) -> Iterator[None]:
        """One writer for each model. With ``waiting`` a second one says so and waits; without, it
        raises ModelUnavailable. The system drops the lock of a process that dies."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / f".{model_id}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waiting is None:
                    raise ModelUnavailable(f"{model_id} is being fetched right now") from None
                waiting.say(f"another cmdai-shell is fetching {model_id}: waiting for it")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _scratch(self, size: int, progress: Progress) -> Iterator[Partial]:
        """A fresh file of no model yet, gone afterwards unless it became one."""
        path = self.folder / ".import.part"
        path.unlink(missing_ok=True)
        try:
            with Partial(path, size=size, progress=progress) as partial:
                yield partial
        finally:
            path.unlink(missing_ok=True)

    def _read(self, manifest: Path) -> ModelFile | None:
        try:
            return _model(
                manifest.parent, msgspec.json.decode(manifest.read_bytes(), type=Manifest)
            )
        except (OSError, msgspec.DecodeError):
            return None

    def _named(self, model_id: str) -> ModelFile:
        if not _ID.fullmatch(model_id):
            raise ModelUnavailable(f"{model_id!r} is no model's name", "cmdai-shell model list")
        known = self._read(self.folder / model_id / "manifest.json")
        if known and _is_whole(known):
            return known
        if known:
            raise ModelUnavailable(f"model {model_id} is damaged", _again(model_id))
        if catalog().get(model_id):
            raise ModelUnavailable(
                f"model {model_id} is not here", f"cmdai-shell model pull {model_id}"
            )
        ids = [entry.id for entry in catalog().models] + [model.id for model in self.installed()]
        near = difflib.get_close_matches(model_id, ids, n=1)
        hint = f"did you mean {near[0]}?" if near else "cmdai-shell model list"
        raise ModelUnavailable(f"there is no model {model_id}", hint)

    def _automatic(self) -> ModelFile:
        here = {model.id: model for model in self.installed()}
        usable = [entry.id for entry in catalog().models if not entry.only_for_tests]
        usable += [model_id for model_id in here if not catalog().get(model_id)]
        candidates = [model_id for model_id in usable if model_id in here]
        if not candidates:
            what = "no model is here yet (for a server of your own: cmdai-shell setup)"
            raise ModelUnavailable(what, "cmdai-shell model pull")
        if len(candidates) > 1 and not self._default:
            self._default = self._choose_default()[0]
        return here[self._default if self._default in candidates else candidates[0]]


def _model(home: Path, manifest: Manifest) -> ModelFile:
    return ModelFile(
        id=manifest.id,
        path=home / manifest.file,
        sha256=manifest.sha256,
        size=manifest.size,
        template=manifest.template,
        licence=manifest.licence,
        lora=catalog().lora(manifest.sha256),
    )


def _is_whole(model: ModelFile) -> bool:
    try:
        return model.path.stat().st_size == model.size
    except OSError:
        return False


def _again(model_id: str) -> str:
    return f"cmdai-shell model remove {model_id}, then cmdai-shell model pull {model_id}"


def _gguf_size(source: Path) -> int:
    try:
        with source.open("rb") as file:
            magic, size = file.read(4), os.fstat(file.fileno()).st_size
    except OSError as error:
        reason = (error.strerror or "failed").lower()
        raise ModelUnavailable(f"cannot read {source}: {reason}") from None
    if magic != b"GGUF":
        raise ModelUnavailable(f"{source} is not a GGUF model file")
    return size


def _identify(source: Path, model_id: str, *, size: int, sha256: str) -> Manifest:
    """What the file is, by its digest; by its name or ``model_id`` only to say what is wrong."""
    if entry := catalog().by_digest(sha256):
        if model_id not in ("", entry.id):
            raise ModelUnavailable(f"{source} is {entry.id}", "import it without --id")
        return Manifest(
            id=entry.id,
            file=entry.file,
            sha256=sha256,
            size=size,
            template=entry.template,
            licence=entry.licence,
            origin="import",
        )
    for entry in catalog().models:
        if entry.id == model_id or (not model_id and entry.file == source.name):
            what = f"{size} of {entry.size} bytes" if size != entry.size else "another digest"
            raise ModelUnavailable(
                f"{source} is not {entry.id}, or a damaged copy: {what}",
                "copy it again, or give it a name of its own with --id",
            )
    if not model_id:
        raise ModelUnavailable(
            f"{source} is no model this program knows (sha256 {sha256})",
            f"if you trust it: cmdai-shell model import {source} --id NAME",
        )
    return Manifest(
        id=model_id,
        file=f"{model_id}.gguf",
        sha256=sha256,
        size=size,
        template="",
        licence="",
        origin="import",
    )
