"""Whatever stands in the files: a configuration, or a ConfigError that names the file. Never a
traceback, never a file that got worse."""

from __future__ import annotations

import random
import re
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tomlkit
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cmdai_shell.config import Config, edit, load
from cmdai_shell.config.environment import ENVIRONMENT_KEYS
from cmdai_shell.config.environments import endpoints, place
from cmdai_shell.config.loading import load_with_origins, parse, sources
from cmdai_shell.config.migration import plan
from cmdai_shell.config.schema import KEYS
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples" / "environments").glob("*.toml"))
MAIN = (ROOT / "examples" / "config.toml").read_bytes()
MAIN += b"\n[environments.inline]\nendpoints = ['https://a']\n[load_balancing]\nstrategy='sticky'\n"
VALID = [MAIN, *(file.read_bytes() for file in EXAMPLES)]

many = settings(max_examples=100, suppress_health_check=list(HealthCheck))

POISON = [
    b"\0", b"\xff", b"\xed\xa0\x80", b'"""', b"'''", b"[" * 2000, b"{a=" * 2000, b"a." * 3000,
    b"9" * 5000, b"1e999", b"-nan", b"1979-05-27", b"[[x]]", b"[environments]", b"import='x'",
    b"=", b"#", b"\r", b"\\", b"\xe2\x80\xa8", b"endpoints=[[]]", b"true", b"[a]\n[a]\n",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid file with a few bytes cut, doubled, swapped for poison, or lines shuffled."""
    data = bytearray(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 4)):
            case 0:
                del data[at : at + draw(st.integers(1, 30))]
            case 1:
                data[at:at] = draw(st.sampled_from(POISON))
            case 2:
                data[at:at] = draw(st.binary(max_size=8))
            case 3:
                data[at:at] = data[max(0, at - draw(st.integers(1, 60))) : at]
            case 4:
                lines = bytes(data).split(b"\n")
                random.Random(draw(st.integers(0, 99))).shuffle(lines)
                data = bytearray(b"\n".join(lines))
    return bytes(data)


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.dates() | st.datetimes() | st.times()
    | st.sampled_from([2**63, -(2**63), 10**40, "", "\0", "x" * 5000, "http://", "https://a"])
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=8) | st.sampled_from(["url", "kind", "import"]), inner,
                      max_size=3),
    max_leaves=8,
)  # fmt: skip


def written(tables: Any) -> bytes:
    """As TOML, where TOML has it."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items() if item is not None}
        if isinstance(value, list):
            return [plain(item) for item in value if item is not None]
        return value

    return tomlkit.dumps(plain(tables)).encode("utf-8", "surrogatepass")


def use_all_of(config: Config) -> None:
    for environment in config.environments.values():
        place(environment)
        assert len({e.id for e in endpoints(environment)}) == len(endpoints(environment))


def survives(main: bytes, environment: bytes) -> ConfigError | None:
    """Read both in every way there is; the refusal, if there is one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "environments").mkdir()
        path = folder / "config.toml"
        path.write_bytes(main)
        file = folder / "environments" / "lab.toml"
        file.write_bytes(environment)
        assert path in sources(path)
        refusal = refused(path)
        for change in (
            lambda: edit.set_value(path, "log_level", "debug"),
            lambda: edit.set_value(path, "environments.lab.timeout_ms", "700"),
            lambda: edit.set_value(path, "active_environment", "lab"),
        ):
            before = path.read_bytes(), file.read_bytes()
            try:
                change()
            except ConfigError:
                assert (path.read_bytes(), file.read_bytes()) == before
            else:
                if refusal is None:
                    use_all_of(load(path, {}))
        with suppress(ConfigError):
            plan(file, path)
        return refusal


WITHOUT_A_LINE = ("cannot read ", "nested too deeply", "a number is too long", "there is another ")


def refused(path: Path) -> ConfigError | None:
    try:
        use_all_of(load(path, {}))
        origins = load_with_origins(path, {}).origins
    except ConfigError as error:
        said = error
    else:
        where = str(path.parent)
        assert all(v == "default" or v.startswith(where) for v in origins.values())
        return None
    assert str(path.parent) in said.message
    assert re.search(r"\.toml:[1-9]\d*: ", said.message) or any(
        words in said.message for words in WITHOUT_A_LINE
    )
    assert "\n" not in said.message
    assert len(str(said)) < 3_000
    return said


@many
@given(mutated(), mutated())
@example(b"a.b" + b".c" * 5000 + b" = 1", b"endpoints = " + b"[" * 5000)
@example(b"log_level = " + b"1" * 5000, b"timeout_ms = " + b"1" * 4000)
@example(b"[safety]\n[[safety.rules]]\nmatch = '" + b"(" * 5000 + b"'", b"")
@example(b"'' = 1\n'\\n' = 2", b"'a.b' = 1\n\"\\n\" = 3")
@example(b"environments.lab.endpoints = ['http://a']", b"endpoints = ['http://b']")
@example(b'[environments.lab]\nimport = "\\u0000"', b"import = '/dev/zero'")
@example(b"[environments.x]\nimport = '.'", b"import = 'lab.toml'")
def test_mutated_files(main: bytes, environment: bytes) -> None:
    survives(main, environment)


@many
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_bytes_of_any_kind(main: bytes, environment: bytes) -> None:
    survives(main, environment)


keys = st.sampled_from([*KEYS, "environments", "environments.x", "safety", "nope", "safety.nope"])


@many
@given(
    st.dictionaries(keys, values, max_size=3),
    st.dictionaries(st.sampled_from([*ENVIRONMENT_KEYS, "import", "nope"]), values, max_size=4),
)
def test_values_of_any_type(main: dict[str, Any], environment: dict[str, Any]) -> None:
    nested: dict[str, Any] = {}
    for dotted, value in main.items():
        section, _, key = dotted.partition(".")
        if not key:
            nested.setdefault(section, value)
        elif isinstance(nested.setdefault(section, {}), dict):
            nested[section][key] = value
    survives(written(nested), written({"endpoints": ["https://a"]} | environment))


@many
@given(st.sampled_from(sorted(ENVIRONMENT_KEYS)), values)
def test_a_wrong_value_is_placed_on_its_line(key: str, value: Any) -> None:
    if value is None:
        return
    rest = b"" if key == "endpoints" else b"endpoints = ['https://a']\n"
    try:
        line = f"{key} = {edit.literal(value)}".encode("utf-8", "surrogatepass")
    except (ValueError, TypeError):  # no TOML has it
        return
    refusal = survives(b"", b"# a line\n" + rest + line)
    if refusal and b"\n" not in line and not line.endswith(b"\xff"):
        assert "lab.toml" in refusal.message


@given(st.text())
def test_what_somebody_types_after_config_set(text: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "config.toml"
        for key in (*KEYS, text, f"environments.{text}", "environments.lab.kind"):
            before = path.read_bytes() if path.exists() else b""
            try:
                edit.set_value(path, key, text)
            except ConfigError:
                assert (path.read_bytes() if path.exists() else b"") == before
        load(path, {})


@given(st.text(), st.text())
def test_what_somebody_calls_an_environment(name: str, url: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        try:
            edit.add_environment(path, name, {"endpoints": [url]})
        except ConfigError:
            assert list(Path(folder).iterdir()) == []
        else:
            assert list(load(path, {}).environments) == [name]


def refusal_of(call: Callable[[], object]) -> str:
    try:
        call()
    except ConfigError as error:
        return error.message
    return ""


@given(st.dictionaries(st.sampled_from([key.variable for key in KEYS.values()]), st.text()))
def test_variables_of_any_content(environ: dict[str, str]) -> None:
    said = refusal_of(lambda: load(Path("/nonexistent/config.toml"), environ))
    assert not said or said.startswith("$CMDAI_")


@pytest.mark.parametrize("data", VALID)
def test_what_is_mutated_is_valid_before(data: bytes) -> None:
    assert survives(MAIN, VALID[1]) is None
    assert data.decode()


def test_a_text_alone() -> None:
    for text in ("", "\0", "[" * 9999, "a." * 5000 + "a = 1", "environments = [[]]"):
        said = refusal_of(lambda text=text: parse(text))
        assert not said or said.startswith("config.toml")
