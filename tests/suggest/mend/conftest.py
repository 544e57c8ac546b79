"""A machine with the programs of every day, and a folder to work in."""

from __future__ import annotations

import pytest

from cmdai_shell.core import SuggestRequest
from cmdai_shell.safety.script import names
from cmdai_shell.suggest.mend import mend
from tests.fakes.dict_look import DictLook

CWD = "/home/ada/work"
PROGRAMS = names(
    "ls cat grep git docker kubectl systemctl apt apt-get npm pip3 python3 cargo brew helm go ip "
    "journalctl sudo cp mv rm mkdir touch chmod ln tar vim find sed awk ssh scp head tail less "
    "make curl ps df du sort wc xargs tee bash unzip sl2ps jq rsync ping pkill chown diff"
)


@pytest.fixture
def fix():
    """The candidates for a command that failed."""

    def fix(command, status=1, *, shell="bash", look=None, programs=PROGRAMS, **host):
        files = {f"{CWD}/": "", **{_full(k): v for k, v in host.pop("files", {}).items()}}
        for key in ("runnable", "locked"):
            host[key] = [_full(path) for path in host.get(key, ())]
        look = look or DictLook(programs, files=files, **host)
        request = SuggestRequest(
            op="fix",
            shell=shell,
            cwd=CWD,
            path="/usr/bin",
            last_command=command,
            last_status=status,
        )
        found = mend(request, look)
        for candidate in found:
            again = SuggestRequest(
                op="fix",
                shell=shell,
                cwd=CWD,
                path="/usr/bin",
                last_command=candidate,
                last_status=status,
            )
            assert mend(again, look) in ((), found), "what is mended is not mended again"
            assert candidate != command
        return found

    return fix


def _full(path):
    return path if path.startswith("/") else f"{CWD}/{path}"
