from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.backends.embedded import store as store_module
from cmdai_shell.backends.embedded.catalog import Catalog, CatalogEntry
from cmdai_shell.backends.embedded.partial import Partial, Quiet
from cmdai_shell.backends.embedded.store import Manifest, Store
from cmdai_shell.errors import ModelUnavailable
from tests.backends.embedded.model_parts import Watch

if TYPE_CHECKING:
    from pathlib import Path


def sample(model_id: str, *, only_for_tests: bool = False) -> CatalogEntry:
    weights = f"GGUF {model_id}".encode()
    return CatalogEntry(
        id=model_id,
        file=f"{model_id}-instruct.gguf",
        size=len(weights),
        sha256=hashlib.sha256(weights).hexdigest(),
        licence="Apache-2.0",
        template="chatml",
        summary="",
        sources=(),
        only_for_tests=only_for_tests,
    )


LARGE, SMALL, TOY = sample("large"), sample("small"), sample("toy", only_for_tests=True)


@pytest.fixture(autouse=True)
def catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Catalog(hub="https://hub.invalid", models=(LARGE, SMALL, TOY))
    monkeypatch.setattr(store_module, "catalog", lambda: known)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data", default=lambda: ("large", "there is room"))


def put(store: Store, model: CatalogEntry) -> Path:
    """Install it as a pull would."""
    path = store.folder / model.id / f"{model.file}.part"
    manifest = Manifest(
        id=model.id,
        file=model.file,
        sha256=model.sha256,
        size=model.size,
        template=model.template,
        licence=model.licence,
        origin="hub",
    )
    with Partial(path, size=model.size, progress=Quiet()) as partial:
        partial.write(f"GGUF {model.id}".encode())
        return store.add(partial, manifest).path


def gguf(path: Path, text: str) -> Path:
    path.write_bytes(f"GGUF {text}".encode())
    return path


class TestInstalled:
    def test_nothing_and_nothing_made(self, store: Store) -> None:
        assert store.installed() == []
        assert not store.folder.exists()

    def test_whole_models_by_id(self, store: Store) -> None:
        put(store, SMALL)
        put(store, LARGE)
        assert [model.id for model in store.installed()] == ["large", "small"]
        found = store.get("small")
        assert found
        assert (found.size, found.sha256) == (SMALL.size, SMALL.sha256)
        assert found.path.read_bytes() == b"GGUF small"

    def test_a_truncated_one_is_not_installed(self, store: Store) -> None:
        path = put(store, SMALL)
        os.truncate(path, 3)
        assert store.installed() == []
        assert store.get("small") is None

    @pytest.mark.parametrize("text", ["", "{", '{"id": "small"}', "[]"])
    def test_a_broken_manifest_is_no_model(self, store: Store, text: str) -> None:
        (put(store, SMALL).parent / "manifest.json").write_text(text)
        assert store.installed() == []


class TestChosen:
    def test_nothing_here_says_what_to_type(self, store: Store) -> None:
        with pytest.raises(ModelUnavailable) as error:
            store.chosen("auto")
        assert error.value.hint == "cmdai-shell model pull"

    def test_auto_is_the_machine_s_default(self, store: Store) -> None:
        put(store, SMALL)
        put(store, LARGE)
        assert store.chosen("auto").id == "large"
        little = Store(store.folder.parent, default=lambda: ("small", "little memory"))
        assert little.chosen("auto").id == "small"

    def test_auto_takes_what_is_here(self, store: Store) -> None:
        put(store, SMALL)
        assert store.chosen("auto").id == "small"

    def test_auto_never_takes_a_toy(self, store: Store) -> None:
        put(store, TOY)
        with pytest.raises(ModelUnavailable):
            store.chosen("auto")
        assert store.chosen("toy").id == "toy"

    def test_auto_takes_an_imported_one_last(self, store: Store, tmp_path: Path) -> None:
        store.import_file(gguf(tmp_path / "x.gguf", "mine"), "mine")
        assert store.chosen("auto").id == "mine"
        put(store, SMALL)
        assert store.chosen("auto").id == "small"

    def test_auto_does_not_swap_when_memory_fills(self, tmp_path: Path) -> None:
        answers = iter([("large", ""), ("small", "")])
        store = Store(tmp_path / "data", default=lambda: next(answers))
        put(store, SMALL)
        put(store, LARGE)
        assert [store.chosen("auto").id for _ in range(3)] == ["large"] * 3

    def test_a_new_model_is_seen_without_a_new_store(self, store: Store) -> None:
        put(store, SMALL)
        assert store.chosen("auto").id == "small"
        put(store, LARGE)
        assert store.chosen("auto").id == "large"

    def test_known_but_absent(self, store: Store) -> None:
        with pytest.raises(ModelUnavailable, match="not here") as error:
            store.chosen("small")
        assert error.value.hint == "cmdai-shell model pull small"

    def test_unknown_names_the_nearest(self, store: Store) -> None:
        with pytest.raises(ModelUnavailable, match="no model smal") as error:
            store.chosen("smal")
        assert error.value.hint == "did you mean small?"

    def test_truncated_says_how_to_mend_it(self, store: Store) -> None:
        os.truncate(put(store, SMALL), 3)
        with pytest.raises(ModelUnavailable, match="damaged") as error:
            store.chosen("small")
        assert "model pull small" in error.value.hint

    @pytest.mark.parametrize("name", ["../small", "/etc/passwd", "", "UPPER", "a b", "..", "\x1b"])
    def test_a_name_is_never_a_path(self, store: Store, name: str) -> None:
        with pytest.raises(ModelUnavailable, match="no model's name"):
            store.chosen(name)


class TestImport:
    def test_a_known_digest_gets_its_id_and_the_original_stays(
        self, store: Store, tmp_path: Path
    ) -> None:
        source = gguf(tmp_path / "downloaded.bin", "small")
        watch = Watch()
        found = store.import_file(source, progress=watch)
        assert (found.id, found.path.name) == ("small", "small-instruct.gguf")
        assert source.exists()
        assert store.chosen("auto").id == "small"
        assert watch.done[-1] == source.stat().st_size

    def test_an_unknown_one_needs_a_name(self, store: Store, tmp_path: Path) -> None:
        source = gguf(tmp_path / "my.gguf", "mine")
        with pytest.raises(ModelUnavailable, match="no model this program knows") as error:
            store.import_file(source)
        assert f"import {source} --id NAME" in error.value.hint
        assert store.installed() == []
        found = store.import_file(source, "my-model")
        assert (found.id, found.template) == ("my-model", "")

    def test_importing_again_replaces(self, store: Store, tmp_path: Path) -> None:
        store.import_file(gguf(tmp_path / "a.gguf", "one"), "mine")
        found = store.import_file(gguf(tmp_path / "b.gguf", "another"), "mine")
        assert found.path.read_bytes() == b"GGUF another"
        assert [model.id for model in store.installed()] == ["mine"]

    def test_no_gguf(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "x.gguf").write_bytes(b"<html>")
        with pytest.raises(ModelUnavailable, match="not a GGUF"):
            store.import_file(tmp_path / "x.gguf", "x")

    def test_no_such_file(self, store: Store, tmp_path: Path) -> None:
        with pytest.raises(ModelUnavailable, match="no such file"):
            store.import_file(tmp_path / "absent.gguf")

    def test_a_truncated_copy_of_a_known_model(self, store: Store, tmp_path: Path) -> None:
        source = gguf(tmp_path / SMALL.file, "sm")
        with pytest.raises(ModelUnavailable, match=f"7 of {SMALL.size} bytes"):
            store.import_file(source)
        assert source.exists()
        assert not list(store.folder.rglob("*.gguf"))
        assert not list(store.folder.rglob("*.part"))

    def test_a_known_id_takes_only_its_own_file(self, store: Store, tmp_path: Path) -> None:
        with pytest.raises(ModelUnavailable, match="is not small"):
            store.import_file(gguf(tmp_path / "x.gguf", "another thing"), "small")
        with pytest.raises(ModelUnavailable, match="is small"):
            store.import_file(gguf(tmp_path / "x.gguf", "small"), "mine")

    @pytest.mark.parametrize("name", ["../x", "A", "a/b", ".x"])
    def test_a_bad_name(self, store: Store, tmp_path: Path, name: str) -> None:
        with pytest.raises(ModelUnavailable, match="cannot name"):
            store.import_file(gguf(tmp_path / "x.gguf", "mine"), name)

    def test_no_room(self, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        usage = shutil.disk_usage(tmp_path)._replace(free=5)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(ModelUnavailable, match="not enough room") as error:
            store.import_file(gguf(tmp_path / "x.gguf", "mine"), "mine")
        assert "CMDAI_DATA_DIR" in error.value.hint


class TestRemove:
    def test_frees_everything_of_it(self, store: Store) -> None:
        put(store, SMALL)
        put(store, LARGE)
        assert store.remove("small") >= SMALL.size
        assert [model.id for model in store.installed()] == ["large"]
        assert not (store.folder / "small").exists()

    def test_what_was_only_begun(self, store: Store) -> None:
        begun = store.folder / "small" / f"{SMALL.file}.part"
        with Partial(begun, size=SMALL.size, progress=Quiet()) as partial:
            partial.write(b"GG")
        assert store.fetched(SMALL) == 2
        store.remove("small")
        assert store.fetched(SMALL) == 0

    @pytest.mark.parametrize("name", ["small", "..", "../data", ""])
    def test_nothing_there(self, store: Store, name: str) -> None:
        store.folder.mkdir(parents=True)
        with pytest.raises(ModelUnavailable, match="no model"):
            store.remove(name)
        assert store.folder.exists()

    def test_not_while_it_is_pulled(self, store: Store) -> None:
        put(store, SMALL)
        with store.lock("small"), pytest.raises(ModelUnavailable, match="being fetched"):
            store.remove("small")
        assert store.get("small")


class TestVerify:
    def test_good(self, store: Store) -> None:
        put(store, SMALL)
        assert store.verify("small").id == "small"

    def test_a_flipped_bit_is_found(self, store: Store) -> None:
        path = put(store, SMALL)
        path.write_bytes(b"GGUF smalL")
        with pytest.raises(ModelUnavailable, match="wrong digest") as error:
            store.verify("small")
        assert "model remove small" in error.value.hint
