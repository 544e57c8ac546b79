"""``cmdai-shell backends advertise``: what is checked before, and the real thing."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from cmdai_shell.cli import advertise as cli
from cmdai_shell.discovery import advertise
from cmdai_shell.errors import DiscoveryError
from tests.cli.test_discover import PROGRAM, as_delivered, command, real, serve
from tests.discovery.netlab import NetLab
from tests.fakes.in_thread import in_thread
from tests.fakes.openai_server import FakeOpenAI

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


__all__ = ["as_delivered"]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    cli.advertise.main(list(words), standalone_mode=False)
    said = capsys.readouterr()
    return said.out, said.err


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Avahi's folder."""
    found = tmp_path / "services"
    found.mkdir()
    monkeypatch.setattr(advertise, "AVAHI", found)
    return found


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """This machine's addresses."""
    found = ["127.0.0.1"]
    monkeypatch.setattr(advertise, "own_addresses", lambda _: tuple(found))
    return found


@contextmanager
def served(fake: FakeOpenAI) -> Iterator[str]:
    """Its port. It ends when all connections that were made to it have been seen by it."""
    with in_thread(fake.app()) as url:
        try:
            yield url.rpartition(":")[2]
        finally:
            with suppress(OSError):
                urllib.request.urlopen(url).close()


def test_the_file_is_printed_without_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run(capsys, "--print", "--kind", "ollama", "--port", "11434", "--name", "A & B")
    group = ElementTree.fromstring(out)
    assert group.findtext("name") == "A & B"
    assert group.findtext(".//port") == "11434"
    assert "<txt-record>api=ollama</txt-record>" in out
    assert err == ""
    out, _ = run(capsys, "--print", "--json")
    assert ElementTree.fromstring(json.loads(out)["avahi"]).findtext("name") == "%h inference"


def test_what_is_printed_has_what_the_server_says_of_itself(
    capsys: pytest.CaptureFixture[str], own: list[str]
) -> None:
    with served(FakeOpenAI("vllm")) as port:
        out, err = run(capsys, "--port", port, "--print")
    assert "<txt-record>api=vllm</txt-record>" in out
    assert "model=Qwen/Qwen2.5-Coder-7B-Instruct" in out
    assert err == ""


def test_a_server_that_does_not_run(own: list[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DiscoveryError, match="nothing listens on port"):
        cli.advertise.main(["--port", str(port)], standalone_mode=False)


def test_one_of_this_machine_alone_is_known_and_its_cure_said(own: list[str]) -> None:
    own[:] = ["127.0.0.9"]
    with (
        served(FakeOpenAI("llama.cpp")) as port,
        pytest.raises(DiscoveryError, match="this machine alone") as caught,
    ):
        cli.advertise.main(["--port", port, "--write"], standalone_mode=False)
    assert caught.value.hint == "start it with --host 0.0.0.0"


def test_what_the_server_says_of_itself_is_written(
    capsys: pytest.CaptureFixture[str], own: list[str], services: Path
) -> None:
    fake = FakeOpenAI("vllm")
    with served(fake) as port:
        out, _ = run(capsys, "--port", port, "--write", "--json")
        assert fake.paths == ["/v1/models"]
    path = services / f"cmdai-shell-{port}.service"
    assert json.loads(out) == {"path": str(path)}
    text = path.read_text()
    assert "<txt-record>api=vllm</txt-record>" in text
    assert "model=Qwen/Qwen2.5-Coder-7B-Instruct" in text


def test_what_the_person_says_goes_before(
    capsys: pytest.CaptureFixture[str], own: list[str], services: Path
) -> None:
    with served(FakeOpenAI("vllm", api_key="secret-key-of-lab")) as port:
        _, err = run(capsys, "--port", port, "--write", "--kind", "nim", "--model", "mine")
    assert "Avahi announces it" in err
    text = (services / f"cmdai-shell-{port}.service").read_text()
    assert "api=nim" in text
    assert "model=mine" in text
    assert "auth=bearer" in text


def test_who_may_not_write_is_told_a_command_that_does_the_same(
    own: list[str], services: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", denied)
    with served(FakeOpenAI("vllm")) as port:
        words = ["--port", port, "--write", "--name", "my spark", "--model", "m"]
        with pytest.raises(DiscoveryError) as caught:
            cli.advertise.main(words, standalone_mode=False)
    assert caught.value.hint == (
        f"cmdai-shell backends advertise --port {port} --kind vllm --model m"
        f" --name 'my spark' --print | sudo tee {services / f'cmdai-shell-{port}.service'}"
    )


class TestReal:
    pytestmark = real

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_is_found_until_it_ends(self, number: signal.Signals) -> None:
        with NetLab() as lab:
            spark = lab.host("spark-1a2b", home="10.77.0.1/24")
            laptop = lab.host("laptop", home="10.77.0.2/24")
            serve(lab, spark, "10.77.0.1", 8000)
            process = lab.popen(
                spark, *(sys.executable, "-c", PROGRAM, "advertise"), stderr=subprocess.PIPE
            )
            assert process.stderr
            while b"announced as" not in (line := process.stderr.readline()):
                assert line
            look = ("discover", "--seconds", "2", "--json")
            (found,) = json.loads(command(lab, laptop, *look)[0])["found"]
            assert (found["url"], found["kind"]) == ("http://10.77.0.1:8000", "vllm")
            assert found["models"] == ["Qwen/Qwen2.5-Coder-7B-Instruct"]
            watching = lab.popen(
                laptop,
                *(sys.executable, "-m", "tests.discovery.mdns_programs", "listen"),
                json.dumps({"service_types": ["_inference._tcp.local"]}),
                stdout=subprocess.PIPE,
                text=True,
            )
            assert watching.stdout
            while "added" not in watching.stdout.readline():
                pass
            process.send_signal(number)
            assert process.wait(20) == 0
            said = watching.stdout.readline()
            while "removed" not in said:  # a goodbye, long before its 75 minutes are over
                said = watching.stdout.readline()
                assert said
            command(lab, laptop, *look, expect=1)

    def test_a_server_of_this_machine_alone(self) -> None:
        with NetLab() as lab:
            spark = lab.host("spark-1a2b", home="10.77.0.1/24")
            serve(lab, spark, "127.0.0.1", 8000)
            _, err = command(lab, spark, "advertise", expect=1)
        assert "not on 10.77.0.1" in err
        assert "start it with --host 0.0.0.0" in err
