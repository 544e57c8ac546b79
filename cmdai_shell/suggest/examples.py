"""The worked examples every prompt opens with: a person's words and the right command.

Written for this project, and few: they cost time once, at the first press. Small models copy their
shape, so they are short, act on the current folder, and change nothing that was not asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmdai_shell.core import Shell
    from cmdai_shell.suggest.context import Facts

Example = tuple[str, str]


def examples(shell: Shell, facts: Facts) -> tuple[Example, ...]:
    """The same for the same arguments, always: a server keeps them evaluated."""
    userland = _GNU if facts.userland == "GNU" else _BSD if facts.userland == "BSD" else _POSIX
    loop = _FISH_LOOP if shell == "fish" else _LOOP
    ports = _SS if "ss" in facts.tools or "lsof" not in facts.tools else _LSOF
    return (*userland, ports, *_EVERYWHERE, loop)


_GNU: tuple[Example, ...] = (
    ("when was notes.md last changed", "stat -c %y notes.md"),
    ("5 newest files", "find . -type f -printf '%T@ %p\\n' | sort -rn | head -n 5"),
    ("biggest file in build", "find build -type f -printf '%s %p\\n' | sort -rn | head -n 1"),
    ("chang colour to color in docs/readme.md", "sed -i 's/colour/color/g' docs/readme.md"),
    ("sha of disk.iso", "sha256sum disk.iso"),
    ("cpu hogs", "ps aux --sort=-%cpu | head"),
)
_BSD: tuple[Example, ...] = (
    ("when was notes.md last changed", "stat -f %Sm notes.md"),
    ("5 newest files", "find . -type f -exec stat -f '%m %N' {} + | sort -rn | head -n 5"),
    (
        "biggest file in build",
        "find build -type f -exec stat -f '%z %N' {} + | sort -rn | head -n 1",
    ),
    ("chang colour to color in docs/readme.md", "sed -i '' 's/colour/color/g' docs/readme.md"),
    ("sha of disk.iso", "shasum -a 256 disk.iso"),
    ("cpu hogs", "ps aux -r | head"),
)
_POSIX: tuple[Example, ...] = (
    ("when was notes.md last changed", "stat -c %y notes.md"),
    ("5 newest files", "find . -type f -exec stat -c '%Y %n' {} + | sort -rn | head -n 5"),
    (
        "biggest file in build",
        "find build -type f -exec stat -c '%s %n' {} + | sort -rn | head -n 1",
    ),
    ("chang colour to color in docs/readme.md", "sed -i 's/colour/color/g' docs/readme.md"),
    ("sha of disk.iso", "sha256sum disk.iso"),
    ("cpu hogs", "top -b -n 1 | head -n 15"),
)
_SS: Example = ("what listens on port 8080", "ss -ltnp 'sport = :8080'")
_LSOF: Example = ("what listens on port 8080", "lsof -nP -iTCP:8080 -sTCP:LISTEN")
_EVERYWHERE: tuple[Example, ...] = (
    ("git log --since", "git log --since=yesterday"),
    ("which files mention password", "grep -rl 'password' ."),
    ("new branch fix-7 off main", "git switch main && git switch -c fix-7"),
    ("first column of prices.csv", "cut -d, -f1 prices.csv"),
)
_LOOP: Example = ("lines in each csv", 'for f in *.csv; do wc -l "$f"; done')
_FISH_LOOP: Example = ("lines in each csv", "for f in *.csv; wc -l $f; end")
