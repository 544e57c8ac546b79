"""The daemon's log: JSON lines in the user's log folder, three files of 1 MB.

A record holds an event's name and fields that are numbers and names. It never holds a prompt, a
command or a path the person typed; of an exception it keeps the type and the places, not its text,
which may quote them. Strings are redacted all the same.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import queue
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cmdai_shell.observe.private import PrivateFile
from cmdai_shell.observe.redact import MARK, redact, spans

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = "daemon.log"
SIZE, KEPT = 1_000_000, 3
_LEVEL_WIDTH = 7


@contextmanager
def written(folder: Path, *, foreground: bool, level: int = logging.INFO) -> Iterator[None]:
    """While open, what the program logs goes to ``folder/daemon.log``, written by a thread of its
    own so that a slow disk never holds up a press; in the ``foreground`` to stderr too.

    A folder that cannot be written is no reason not to run: then there is no file.
    """
    handlers = list(_handlers(folder, foreground))
    records: queue.SimpleQueue[Any] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(records, *handlers)
    entry = _Plain(records)
    root = logging.getLogger()
    before = root.level
    root.setLevel(level)
    root.addHandler(entry)
    listener.start()
    try:
        yield
    except Exception:
        logging.getLogger(__name__).exception("the daemon failed")
        raise
    finally:
        listener.stop()
        root.removeHandler(entry)
        root.setLevel(before)
        for handler in handlers:
            handler.close()


def to_line(record: logging.LogRecord) -> str:
    """One JSON object: time (UTC), level, source, event, then the event's own fields."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    entry: dict[str, Any] = {
        "time": f"{stamp}.{int(record.msecs):03d}Z",
        "level": record.levelname.lower(),
        "source": record.name.removeprefix("cmdai_shell."),
        "event": _event(record),
        **getattr(record, "fields", {}),
    }
    if record.exc_info and record.exc_info[1]:
        causes = list(_causes(record.exc_info[1]))
        entry["exception"] = [_kind(cause) for cause in causes]
        entry["at"] = [place for cause in causes for place in _places(cause.__traceback__)]
    return json.dumps(_covered(entry), ensure_ascii=False)


def _covered(value: Any, key: str = "") -> Any:
    """Texts without credentials; under a name such as ``token`` there is nothing else. Numbers
    stay, whatever they are called: ``tokens`` is a count. Not the line as a whole: it is JSON."""
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, dict):
        return {redact(str(name)): _covered(each, str(name)) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_covered(each, key) for each in value]
    return MARK if value != "" and spans(f"{key}=x") else redact(str(value))


def to_text(line: str) -> str:
    """A line of the file as a person reads it; one that is not ours as it is."""
    try:
        entry = json.loads(line)
        head = f"{entry.pop('time')} {entry.pop('level'):{_LEVEL_WIDTH}} {entry.pop('event')}"
    except (ValueError, KeyError, AttributeError, TypeError):
        return line.rstrip("\n")
    entry.pop("source", None)
    return "  ".join([head, *_pairs(entry)])


def _pairs(entry: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in entry.items():
        if isinstance(value, dict):
            yield from _pairs(value, f"{prefix}{key}.")
        elif value not in ("", [], None):
            shown = ",".join(map(str, value)) if isinstance(value, list) else value
            yield f"{prefix}{key}={shown}"


def _event(record: logging.LogRecord) -> str:
    """Our own message; of a library's only the template, since its arguments may be texts."""
    if record.name.startswith("cmdai_shell"):
        return record.getMessage()
    return str(record.msg).partition("\n")[0]


def _kind(error: BaseException) -> str:
    name = type(error).__name__
    return f"{name}: {error.name}" if isinstance(error, ImportError) else name


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error; for a group those it is made of."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    else:
        yield error


def _places(traceback: Any) -> Iterator[str]:
    while traceback:
        code = traceback.tb_frame.f_code
        yield f"{os.path.basename(code.co_filename)}:{traceback.tb_lineno} {code.co_name}"  # noqa: PTH119
        traceback = traceback.tb_next


class _Plain(logging.handlers.QueueHandler):
    """Formats at once: what a field refers to may have changed when the thread comes to it."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        record.msg = to_line(record)
        record.args = record.exc_info = record.exc_text = None
        return record


def _handlers(folder: Path, foreground: bool) -> Iterator[logging.Handler]:
    try:
        yield PrivateFile(folder / FILE, maxBytes=SIZE, backupCount=KEPT - 1, encoding="utf-8")
    except OSError as error:
        sys.stderr.write(f"cmdai-shell: no log in {folder}: {error.strerror}\n")
    if foreground:
        shown = logging.StreamHandler(sys.stderr)
        shown.setFormatter(_Human())
        yield shown


class _Human(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return to_text(record.getMessage())
