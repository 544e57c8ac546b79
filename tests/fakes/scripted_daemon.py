"""The real daemon with the scripted model: ``python -I scripted_daemon.py start|run|stop``.

Takes the same words as ``python -I -m cmdai_shell.daemon``, so that a hook under test starts it.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[2]))

from cmdai_shell.daemon.start import Program, main  # noqa: E402


def scripted() -> list:
    from tests.fakes.scripted_backend import ScriptedBackend

    return [ScriptedBackend()]


if __name__ == "__main__":
    # The script does not read them, and an index for each test's own cache takes a second.
    os.environ.setdefault("CMDAI_RECIPES", "0")
    sys.exit(main(sys.argv[1:], Program((sys.executable, "-I", str(HERE)), scripted)))
