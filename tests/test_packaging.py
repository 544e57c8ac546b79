"""What a person installs: the wheel, built from the sdist as an installer would."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from cmdai_shell import __version__
from cmdai_shell.hooks.render import SHELLS

ROOT = Path(__file__).parents[1]
HOOKS = {f"shell-hooks/{path.name}" for path in (ROOT / "shell-hooks").iterdir() if path.is_file()}
LEARNT = {f"models/{path.name}" for path in (ROOT / "models").glob("*.lora.gguf")}
DATA = HOOKS | LEARNT | {"models/catalog.toml"}
"""Files that the program reads, by ``config.paths.resource``."""
RECIPES = {
    str(path.relative_to(ROOT)) for path in (ROOT / "cmdai_shell/suggest/recipes").glob("*.toml")
}
PAGE = {f"cmdai_shell/cli/web/page.{kind}" for kind in ("html", "css", "js")}


def build(kind: str, source: Path, target: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=50)
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked source distribution."""
    built = build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))
    with tarfile.open(built) as archive:
        archive.extractall(built.parent, filter="data")
    return built.parent / f"cmdai_shell-{__version__}"


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(build("wheel", sdist, tmp_path_factory.mktemp("wheel")))


def test_the_wheel_carries_what_the_program_reads(wheel: zipfile.ZipFile) -> None:
    assert {f"shell-hooks/cmdai.{shell}" for shell in SHELLS} <= DATA
    for name in DATA:
        assert wheel.read(f"cmdai_shell/{name}") == (ROOT / name).read_bytes()


def test_the_wheel_is_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    code = {str(path.relative_to(ROOT)) for path in (ROOT / "cmdai_shell").rglob("*.py")}
    packed = set(wheel.namelist())
    assert code <= packed
    rest = {name for name in packed - code if ".dist-info/" not in name}
    assert rest == {"cmdai_shell/py.typed"} | RECIPES | PAGE | {
        f"cmdai_shell/{name}" for name in DATA
    }


def test_the_wheel_has_the_command_and_its_licence(wheel: zipfile.ZipFile) -> None:
    about = f"cmdai_shell-{__version__}.dist-info"
    assert b"cmdai-shell = cmdai_shell.cli.main:main" in wheel.read(f"{about}/entry_points.txt")
    assert wheel.read(f"{about}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert f"Version: {__version__}\n".encode() in wheel.read(f"{about}/METADATA")


def test_hooks_are_found_in_an_installed_wheel(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    program = "from cmdai_shell.config.paths import resource; print(resource('shell-hooks'))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(tmp_path / "cmdai_shell" / "shell-hooks")


def test_the_tests_come_with_the_source(sdist: Path) -> None:
    for name in (
        "tests/test_packaging.py",
        "tox.ini",
        "requirements-dev.txt",
        "examples",
        ".ci/run",
    ):
        assert (sdist / name).exists(), name
