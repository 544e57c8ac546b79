from __future__ import annotations

import hashlib

import pytest

from cmdai_shell.backends.embedded.catalog import ModelFile
from cmdai_shell.config import Config
from cmdai_shell.config.schema import Embedded
from cmdai_shell.diagnose import model as checks
from cmdai_shell.diagnose.surroundings import Said, Surroundings
from cmdai_shell.errors import DaemonUnavailable
from tests.diagnose.conftest import WEIGHTS, look, only, put_model, status, with_engine

GB = 10**9


@pytest.fixture
def big(monkeypatch: pytest.MonkeyPatch, healthy: Surroundings) -> None:
    """The chosen model has 1 GB, which no test writes."""
    file = ModelFile(id="big", path=healthy.home, sha256="", size=GB, template="", licence="")
    monkeypatch.setattr(checks, "_chosen", lambda _: file)


class TestModel:
    def test_it_is_here(self, healthy: Surroundings) -> None:
        assert look("model", healthy).what == "tiny is here, 0.0 GB"

    def test_of_the_wrong_size(self, healthy: Surroundings) -> None:
        put_model(healthy.data_dir, b"GGUF sm", size=len(WEIGHTS))
        config = Config(embedded=Embedded(model="tiny"))
        found = look("model", healthy, config=lambda: config)
        assert found.severity == "fail"
        assert "damaged" in found.what
        assert "cmdai-shell model pull tiny" in found.cure

    def test_none(self, healthy: Surroundings) -> None:
        (healthy.data_dir / "models/tiny/tiny.gguf").unlink()
        found = look("model", healthy)
        assert (found.severity, found.cure) == ("fail", "cmdai-shell model pull")

    def test_none_is_needed_while_a_server_answers(self, healthy: Surroundings) -> None:
        (healthy.data_dir / "models/tiny/tiny.gguf").unlink()
        box = {"id": "box/spark:8000", "is_active": True, "state": "ok"}
        found = look("model", healthy, daemon=lambda: {**status(), "servers": [box]})
        assert (found.severity, "box/spark:8000" in found.what) == ("ok", True)
        down = {**box, "state": "unreachable"}
        found = look("model", healthy, daemon=lambda: {**status(), "servers": [down]})
        assert found.severity == "fail"

    def test_the_digest_is_read_from_the_file(self, healthy: Surroundings) -> None:
        found = look("model-digest", healthy)
        assert (found.severity, "wrong digest" in found.what) == ("fail", True)
        manifest = healthy.data_dir / "models/tiny/manifest.json"
        right = hashlib.sha256(WEIGHTS).hexdigest()
        text = manifest.read_text()
        wrong = text.split('"sha256":"')[1].split('"')[0]
        manifest.write_text(text.replace(wrong, right))
        assert look("model-digest", healthy).severity == "ok"


@pytest.mark.usefixtures("big")
class TestMemory:
    @pytest.mark.parametrize(
        ("available", "severity"), [(3 * GB, "ok"), (1.2 * GB, "warn"), (0.5 * GB, "fail")]
    )
    def test_enough_for_the_model(
        self, healthy: Surroundings, available: float, severity: str
    ) -> None:
        found = look("memory", healthy, available_memory=int(available))
        assert found.severity == severity
        if severity != "ok":
            assert "cmdai-shell model use qwen2.5-coder-0.5b" in found.cure

    def test_what_the_loaded_model_holds_counts_as_free(self, healthy: Surroundings) -> None:
        found = look(
            "memory", healthy, available_memory=GB, daemon=lambda: status(rss_bytes=2 * GB)
        )
        assert found.severity == "ok"

    def test_without_a_daemon(self, healthy: Surroundings) -> None:
        def none() -> dict[str, object]:
            raise DaemonUnavailable("none")

        assert look("memory", healthy, daemon=none).severity == "ok"


def test_memory_says_nothing_of_a_model_that_is_not_here(healthy: Surroundings) -> None:
    (healthy.data_dir / "models/tiny/tiny.gguf").unlink()
    assert look("memory", healthy, available_memory=0).severity == "ok"


def test_the_disk_must_hold_a_model_that_is_to_come(healthy: Surroundings) -> None:
    def half_a_gigabyte(_: object) -> int:
        return GB // 2

    assert look("disk", healthy, free_disk=half_a_gigabyte).severity == "ok"
    (healthy.data_dir / "models/tiny/tiny.gguf").unlink()
    found = look("disk", healthy, free_disk=half_a_gigabyte)
    assert (found.severity, "CMDAI_DATA_DIR" in found.cure) == ("fail", True)
    assert look("disk", healthy).severity == "ok"


class TestEngine:
    def test_it_loads(self, healthy: Surroundings) -> None:
        assert look("engine", healthy).severity == "ok"

    def test_not_installed_and_a_compiler_is_here(self, healthy: Surroundings) -> None:
        missing = Said(1, err="Traceback\nModuleNotFoundError: No module named 'llama_cpp'\n")
        found = look("engine", healthy, llama=lambda: missing)
        assert found.severity == "fail"
        assert "No module named 'llama_cpp'" in found.what
        assert found.cure.startswith(f"{healthy.python} -m pip install --force-reinstall")

    @pytest.mark.parametrize(
        ("here", "system", "first"),
        [
            ("apt-get", "Linux", "sudo apt-get install -y g++ && "),
            ("dnf", "Linux", "sudo dnf install -y gcc-c++ && "),
            ("apk", "Linux", "sudo apk add build-base && "),
            ("brew", "Darwin", "xcode-select --install && "),
            ("none", "Linux", "install a C++ compiler && "),
        ],
    )
    def test_not_installed_and_no_compiler(
        self, healthy: Surroundings, here: str, system: str, first: str
    ) -> None:
        found = look("engine", healthy, llama=lambda: Said(1), which=only(here), system=system)
        assert found.cure.startswith(first)

    def test_built_for_another_cpu(self, healthy: Surroundings) -> None:
        found = look("engine", healthy, llama=lambda: Said(-4))
        assert (found.severity, "signal 4" in found.what) == ("fail", True)

    def test_one_that_never_ends(self, healthy: Surroundings) -> None:
        found = look("engine", healthy, llama=lambda: Said(None, err="no end within 60 s"))
        assert (found.severity, "no end within" in found.what) == ("fail", True)

    def test_an_installed_server_instead(self, healthy: Surroundings) -> None:
        changes = {"config": with_engine("llama-server"), "llama": lambda: Said(1)}
        assert look("engine", healthy, **changes).severity == "ok"
        found = look("engine", healthy, which=only("brew"), **changes)
        assert (found.severity, found.cure) == ("fail", "brew install llama.cpp")
        assert look("openmp", healthy, **changes).severity == "ok"


def test_without_openmp_threads_spin(healthy: Surroundings) -> None:
    assert look("openmp", healthy).severity == "ok"
    assert look("openmp", healthy, llama=lambda: Said(1)).severity == "ok"  # engine says so
    found = look("openmp", healthy, llama=lambda: Said(0, "CPU : AVX2 = 1 |"))
    assert found.severity == "warn"
    assert found.cure.startswith("sudo apt-get install -y libgomp1 && ")
    assert "pip install" in found.cure


class TestCpu:
    def test_without_avx2(self, healthy: Surroundings) -> None:
        assert look("cpu", healthy).severity == "ok"
        found = look("cpu", healthy, cpu_flags=frozenset({"sse4_2"}))
        assert (found.severity, "no AVX2" in found.what) == ("warn", True)

    def test_a_build_that_does_not_use_it(self, healthy: Surroundings) -> None:
        found = look("cpu", healthy, llama=lambda: Said(0, "CPU : SSE3 = 1 | OPENMP = 1 |"))
        assert (found.severity, "pip install" in found.cure) == ("warn", True)

    def test_other_processors_have_no_avx2_to_miss(self, healthy: Surroundings) -> None:
        found = look("cpu", healthy, machine="aarch64", cpu_flags=frozenset({"asimd"}))
        assert found.severity == "ok"
