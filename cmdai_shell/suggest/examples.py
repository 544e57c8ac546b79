"""The worked examples every prompt opens with: a person's words and the right command.

Written for this project, and few: they show what an answer looks like. Small models copy from them,
so none has a tail ("| head", "--since") that would be wrong elsewhere; what is near the request
comes from the recipes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmdai_shell.core import Shell
    from cmdai_shell.suggest.context import Facts

Example = tuple[str, str]


def examples(shell: Shell, facts: Facts) -> tuple[Example, ...]:
    """The same for the same arguments, always: a server keeps them evaluated."""
    bsd = facts.userland == "BSD"
    stat, sed = ("stat -f %Sm", "sed -i ''") if bsd else ("stat -c %y", "sed -i")
    loop = (_FISH_LOOP,) if shell == "fish" else ()
    return (
        ("when was notes.md last changed", f"{stat} notes.md"),
        (
            "chang colour to color in docs/readme.md",
            f"{sed} 's/colour/color/g' docs/readme.md",
        ),
        ("which files mention password", "grep -rl 'password' ."),
        ("first column of prices.csv", "cut -d, -f1 prices.csv"),
        *loop,
    )


_FISH_LOOP: Example = ("lines in each csv", "for f in *.csv; wc -l $f; end")
