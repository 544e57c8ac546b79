"""A real Secret Service without a desktop: a private D-Bus session and gnome-keyring-daemon."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir={folder}</listen>{services}
<policy context="default"><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/><allow own="*"/></policy></busconfig>"""


@contextmanager
def bus(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A session bus on which nothing is activated by itself."""
    if not shutil.which("dbus-daemon"):
        pytest.skip("dbus-daemon is not installed")
    config = folder / "bus.conf"
    config.write_text(_CONFIG.format(folder=folder, services=""))
    with subprocess.Popen(
        ["dbus-daemon", f"--config-file={config}", "--print-address", "--nofork"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", process.stdout.readline().strip())
            for name in ("DISPLAY", "WAYLAND_DISPLAY"):
                monkeypatch.delenv(name, raising=False)
            yield
        finally:
            process.kill()


@contextmanager
def keyring_daemon(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Unlocked, with a collection of its own below ``folder``, on the bus that is there."""
    if not shutil.which("gnome-keyring-daemon"):
        pytest.skip("gnome-keyring-daemon is not installed")
    for kind in ("DATA_HOME", "RUNTIME_DIR", "CACHE_HOME", "CONFIG_HOME"):
        made = folder / kind.lower()
        made.mkdir(mode=0o700, exist_ok=True)
        monkeypatch.setenv(f"XDG_{kind}", str(made))
    with subprocess.Popen(
        ["gnome-keyring-daemon", "--unlock", "--components=secrets", "--foreground"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.stdin
            assert process.stdout
            process.stdin.write(b"test")
            process.stdin.close()
            process.stdout.readline()  # GNOME_KEYRING_CONTROL=...: it is there
            yield
        finally:
            process.kill()


def lock() -> None:
    import secretstorage

    with closing(secretstorage.dbus_init()) as connection:
        secretstorage.get_default_collection(connection).lock()


def is_there() -> bool:
    import secretstorage

    with suppress(Exception), closing(secretstorage.dbus_init()) as connection:
        return bool(secretstorage.check_service_availability(connection))
    return False
