from __future__ import annotations

import io
import json
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.config import paths
from cmdai_shell.diagnose import bundle, topology
from cmdai_shell.diagnose.bundle import Piece, Seen
from cmdai_shell.diagnose.check import Check, ok
from cmdai_shell.diagnose.covering import Cover
from cmdai_shell.errors import CmdaiError
from cmdai_shell.observe.redact import MARK
from tests.fakes.told_status import LINKS, URLS, told

if TYPE_CHECKING:
    from pathlib import Path

SECRET = 'moon base/7 "quoted" + plans'
"""Looks like nothing that a pattern knows."""
PLAIN = "b7Qx9-moonbase-9xQb7"


def seen(**other: Any) -> Seen:
    status = other.pop("status", told())
    finding = ok(other.pop("found", "well"))
    return Seen(
        **{
            "status": status,
            "findings": [(Check("a-check", lambda _: finding), finding)],
            "graph": topology.graph(status, LINKS, urls=URLS),
            "environ": {},
            "home": "/home/ada",
            **other,
        }
    )


def made(what: Seen, *, anonymous: bool = False) -> dict[str, str]:
    return {p.name: p.data.decode() for p in bundle.pieces(what, anonymous=anonymous)}


def everything(what: Seen, *, anonymous: bool = False) -> str:
    return "\n".join((*made(what, anonymous=anonymous), *made(what, anonymous=anonymous).values()))


def settings(text: str, name: str = "config.toml") -> None:
    path = paths.config_dir() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def logged(text: str, name: str = "daemon.log") -> None:
    paths.log_dir().mkdir(parents=True, exist_ok=True)
    (paths.log_dir() / name).write_text(text)


class TestContents:
    def test_what_is_in_it(self) -> None:
        settings("model = 'x'\n")
        settings("endpoints = ['http://192.168.1.100:8000']\n", "environments/lab.toml")
        logged("one\n")
        logged("zero\n", "daemon.log.1")
        assert list(made(seen())) == [
            "README.txt",
            "versions.json",
            "status.json",
            "doctor.json",
            "environment.json",
            "config/config.toml",
            "config/environments/lab.toml",
            "logs/daemon.log",
            "logs/daemon.log.1",
            "topology.json",
            "topology.svg",
        ]

    def test_they_say_what_there_is(self) -> None:
        settings("endpoints = ['http://192.168.1.100:8000']\n", "environments/lab.toml")
        found = made(seen(found="all is well", environ={"CMDAI_MODEL": "q", "EDITOR": "vi"}))
        assert json.loads(found["status.json"])["pid"] == 4711
        assert json.loads(found["doctor.json"])[0]["what"] == "all is well"
        assert json.loads(found["environment.json"]) == {"CMDAI_MODEL": "q"}
        assert "http://192.168.1.100:8000" in found["config/environments/lab.toml"]
        assert "rich" in json.loads(found["versions.json"])["packages"]

    def test_without_a_daemon(self) -> None:
        found = made(seen(status={"running": False, "reason": "none"}, graph=None))
        assert json.loads(found["status.json"]) == {"running": False, "reason": "none"}
        assert "topology.svg" not in found

    def test_of_a_long_log_the_end(self) -> None:
        logged("".join(f"line {n} {'x' * 300}\n" for n in range(5_000)))
        lines = made(seen())["logs/daemon.log"].splitlines()
        assert lines[-1].startswith("line 4999 ")
        assert all(line.startswith("line ") for line in lines)
        assert sum(map(len, lines)) <= bundle.BYTES

    def test_the_home_folder_is_a_tilde(self) -> None:
        text = made(seen())["status.json"]
        assert "~/.config/cmdai-shell" in text
        assert "/home/ada" not in text


class TestNoSecret:
    """One is planted in each place that is read."""

    @pytest.mark.parametrize("secret", [SECRET, PLAIN])
    def test_of_a_variable_that_sounds_like_one(self, secret: str) -> None:
        logged(f"{json.dumps({'event': secret})}\nit said {secret}\n")
        what = seen(
            environ={"GPU_API_KEY": secret, "CMDAI_PROXY": f"http://h/?q={secret}"},
            status=told() | {"last_request": {"detail": secret}},
            found=f"refused {secret}",
        )
        assert secret not in everything(what)
        assert json.dumps(secret)[1:-1] not in everything(what)

    def test_of_a_variable_that_a_setting_names(self) -> None:
        settings("[environments.lab]\nendpoints = ['http://h']\napi_key_env = 'MY_THING'\n")
        status = told()
        status["servers"][0]["why"] = f"it said {PLAIN}"
        text = everything(seen(environ={"MY_THING": PLAIN}, status=status))
        assert PLAIN not in text
        assert "MY_THING" in text

    @pytest.mark.parametrize(
        "text",
        [
            f"api_key = '{PLAIN}'\n",
            f"# my key: {PLAIN}\n",
            f"[environments.lab]\napi_key_env = '{PLAIN}'\n",
            f"[environments.lab]\nendpoints = ['https://ada:{PLAIN}@h']\n",
            f"[environments.lab]\nendpoints = ['https://{PLAIN}@h']\n",
            f"[environments.lab]\nendpoints = [{{url = 'https://h/?x={PLAIN}'}}]\n",
            f"[environments.lab.nested]\nx = '{PLAIN}'\n",
            f"[[unknown]]\nx = '{PLAIN}'\n",
            f"[environments]\nlab = '{PLAIN}'\n",
            f"'{PLAIN}' = [\n",
            f"model = [ # {PLAIN}\n",
            f"api_key = '{PLAIN}'\nmodel = \n",
            f"api_key_env = '{PLAIN}'\nmodel = \n",
            f'model = """\n{PLAIN}\n',
        ],
    )
    def test_of_the_settings_right_or_wrong(self, text: str) -> None:
        settings(text)
        settings(text, "environments/lab.toml")
        assert PLAIN not in everything(seen())

    @pytest.mark.parametrize(
        "text",
        [f"Authorization: Bearer {PLAIN}", f"token={PLAIN}", f"https://h/p?sig={PLAIN}&x=1"],
    )
    def test_of_texts_that_look_like_one(self, text: str) -> None:
        logged(text + "\n")
        status = told()
        status["discovery"]["found"][0] |= {"story": text, "name": text}
        assert PLAIN not in everything(seen(status=status, found=text))

    @pytest.mark.parametrize(
        "proxy",
        [
            f"bob:{PLAIN}@10.9.8.7:3128",
            f"{PLAIN}@proxy.corp:3128",
            f"http://bob:{PLAIN}@proxy.corp",
            f"http://bob:p/{PLAIN}@proxy.corp",
            f"bob:p@{PLAIN}@proxy.corp:3128",
        ],
    )
    @pytest.mark.parametrize("name", ["https_proxy", "ALL_PROXY", "CMDAI_PROXY"])
    def test_of_a_proxys_address(self, name: str, proxy: str) -> None:
        text = everything(seen(environ={name: proxy}))
        assert PLAIN not in text
        assert f"@{proxy.rpartition('@')[2]}" in text, "where it is stays"

    @pytest.mark.parametrize("key", ["api_key_command", "passphrase_command"])
    @pytest.mark.parametrize(
        "command",
        [f"/opt/tools/pw --pin {PLAIN} get", f"'/opt/tools/pw' {PLAIN}", ["/opt/tools/pw", PLAIN]],
        ids=str,
    )
    def test_of_a_command_the_program_alone(self, key: str, command: str | list[str]) -> None:
        section = "auth" if key.startswith("pass") else "environments.lab"
        settings(f"[{section}]\n{key} = {json.dumps(command)}\n")
        settings(f"model = \n[{section}]\n{key} = {json.dumps(command)}\n", "environments/x.toml")
        found = made(seen())
        assert PLAIN not in "\n".join(found.values())
        assert f'{key} = "/opt/tools/pw {MARK}"' in found["config/config.toml"]
        assert f"{key} = {MARK}" in found["config/environments/x.toml"]

    @pytest.mark.parametrize("command", [f"PIN={PLAIN} pw get", f"pw '{PLAIN}"])
    def test_of_a_command_that_is_none(self, command: str) -> None:
        settings(f"[auth]\npassphrase_command = {json.dumps(command)}\n")
        assert PLAIN not in everything(seen())

    def test_nor_in_the_packed_archive(self) -> None:
        what = seen(environ={"GPU_TOKEN": PLAIN}, found=PLAIN)
        data = bundle.archive(bundle.pieces(what), "b", 0)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for entry in tar:
                file = tar.extractfile(entry)
                assert file
                assert PLAIN.encode() not in file.read()

    @given(st.text(min_size=5, max_size=40).filter(lambda text: text.strip() == text))
    def test_whatever_it_looks_like(self, secret: str) -> None:
        covered = Cover([secret]).text(f"before {secret} after")
        assert secret not in covered.replace(MARK, "\0")


class TestAnonymous:
    def test_no_host_is_named(self) -> None:
        status = told()
        status["servers"][1]["why"] = "desk.corp: refused by 10.7.3.1 (fe80::1), aa:bb:cc:dd:ee:ff"
        settings("endpoints = ['https://gpu.example.com']\n", "environments/cloud.toml")
        logged('{"url": "https://other.example.net:8000/v1"}\n')
        text = everything(seen(status=status), anonymous=True)
        for name in (
            "spark",
            "gpu.example",
            "other.example",
            "example.org",
            "192.168.",
            "10.7.",
            "fe80",
            "desk.corp",
            "aa:bb",
        ):
            assert name not in text, name
        assert "Qwen/Qwen2.5-Coder-32B-Instruct" in text
        assert "host-1" in text

    def test_the_same_one_has_the_same_name(self) -> None:
        found = made(seen(), anonymous=True)
        graph = json.loads(found["topology.json"])
        (member,) = [n for n in graph["nodes"] if n["is_chosen"] and n["kind"] == "server"]
        assert member["title"] == json.loads(found["status.json"])["servers"][0]["id"]
        assert member["title"] in found["topology.svg"]

    def test_unless_asked_for_names_stay(self) -> None:
        assert "192.168.1.100" in everything(seen())


class TestWriting:
    def test_only_we_can_read_it(self, tmp_path: Path) -> None:
        path = tmp_path / "b.tar.gz"
        bundle.write(path, b"x")
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(CmdaiError, match="is there already"):
            bundle.write(path, b"y")
        assert path.read_bytes() == b"x"

    def test_nor_by_way_of_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "b").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(CmdaiError):
            bundle.write(tmp_path / "b", b"x")
        assert not (tmp_path / "elsewhere").exists()

    def test_the_archive_says_nothing_of_its_maker(self) -> None:
        data = bundle.archive([Piece("a/b.txt", b"text")], "folder", 1_700_000_000)
        assert data == bundle.archive([Piece("a/b.txt", b"text")], "folder", 1_700_000_000)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            (entry,) = tar
        assert (entry.name, entry.uid, entry.uname, entry.mode) == ("folder/a/b.txt", 0, "", 0o600)
        assert os.environ.get("USER", "nobody-at-all").encode() not in data


class TestNames:
    """Of hosts, in a text of somebody else."""

    @pytest.mark.parametrize(
        ("text", "covered"),
        [
            ("at spark, Spark and SPARK.", "at host-2, host-2 and host-2."),
            ("sparkle and my-spark and sparks", "sparkle and my-spark and sparks"),
            ("spark.lab:8000 of spark", "host-1:8000 of host-2"),
            ("http://new.example:1/x, then new.example", "http://host-3:1/x, then host-3"),
            (
                "fe80::1 and 10.0.0.1 but 127.0.0.1 and ::1",
                "host-3 and host-4 but 127.0.0.1 and ::1",
            ),
            ("203.0.113.7:8080, 10.0.0.1:443.", "host-3:8080, host-4:443."),
            ("::ffff:10.1.2.3 and [::ffff:10.1.2.3]:80", "host-3 and [host-3]:80"),
            ("64:ff9b::10.1.2.3 is fe80::1%eth0", "host-3 is host-4%eth0"),
            ("127.0.0.1:8000 and ::ffff:127.0.0.1", "127.0.0.1:8000 and ::ffff:127.0.0.1"),
            ("inet6 2001:db8::7/64 inet 10.1.2.3/24", "inet6 host-3/64 inet host-4/24"),
            ("version 1.2.3 at 12:30:45", "version 1.2.3 at 12:30:45"),
            ("version 1.2.3.4.5 and cmd::x", "version 1.2.3.4.5 and cmd::x"),
            ("box.local", "host-3"),
        ],
    )
    def test_become_others(self, text: str, covered: str) -> None:
        assert Cover(names=["spark", "spark.lab"]).text(text) == covered

    def test_very_many_take_no_longer_than_few(self) -> None:
        text = "\n".join(f"http://host{n}.example:80 at 10.1.{n % 250}.7" for n in range(10_000))
        covered = Cover(names=[]).text(text)
        assert ".example" not in covered
        assert "10.1." not in covered
