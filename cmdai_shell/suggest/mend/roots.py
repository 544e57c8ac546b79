"""What only root may do, and a person who is not; and root without sudo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.safety.script import names
from cmdai_shell.suggest.mend.line import quoted
from cmdai_shell.suggest.mend.roles import Use, operands, uses
from cmdai_shell.suggest.mend.scene import Edit, Mend, Part, Scene, before

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALWAYS = names(
    "useradd userdel usermod groupadd groupdel adduser deluser visudo ufw iptables ip6tables nft "
    "modprobe rmmod insmod fdisk parted mkfs mkswap swapon swapoff update-grub "
    "update-initramfs chown chgrp setcap hostnamectl timedatectl netplan a2ensite a2dissite "
    "a2enmod a2dismod apachectl dpkg-reconfigure update-alternatives update-ca-certificates "
    "reboot shutdown poweroff halt chroot tcpdump"
)
_VERBS: dict[str, frozenset[str]] = {
    "apt": names(
        "install remove purge update upgrade full-upgrade dist-upgrade autoremove autoclean clean "
        "reinstall build-dep edit-sources"
    ),
    "dpkg": names("-i -r -P --install --remove --purge --configure -a"),
    "dnf": names("install remove erase update upgrade downgrade reinstall autoremove group swap"),
    "zypper": names("install in remove rm update up dup refresh ref"),
    "apk": names("add del update upgrade fix"),
    "snap": names("install remove refresh revert enable disable connect"),
    "systemctl": names(
        "start stop restart reload enable disable mask unmask daemon-reload daemon-reexec edit "
        "try-restart reload-or-restart set-default isolate kill reset-failed reenable preset"
    ),
    "service": names("start stop restart reload force-reload"),
    "sysctl": names("-w -p --system"),
    "hostname": frozenset(),
}
_OFTEN = names("ip ss systemctl journalctl mount umount dmesg docker service nmcli crictl snap")
"""Of which some things are for root."""
_VERBS["apt-get"] = _VERBS["apt"]
_VERBS["yum"] = _VERBS["dnf"]
_STATUSES: dict[str, tuple[int, ...]] = {
    "apt": (100,),
    "apt-get": (100,),
    "dpkg": (1, 2),
    "systemctl": (1, 4),
    "service": (1, 4),
    "mount": (1, 32),
    "umount": (1, 32),
    "apk": (1, 99),
}
"""With which they end when they may not; others: 1 and up to 10."""
_OTHERS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
_READERS = names(
    "cat less more head tail grep egrep wc sort cp diff source . ls stat strings jq sed"
)
_WRITERS = names("cp mv mkdir touch rm rmdir ln install tee unlink mkfifo")
_DOCKER_SOCKET = "/var/run/docker.sock"


def root(scene: Scene) -> Iterator[Mend]:
    if scene.look.is_root():
        yield from _superfluous(scene)
    elif scene.which("sudo"):
        edits = [edit for part in scene.parts for edit in _wanting(scene, part)]
        if edits:
            yield tuple(edits)


def needs_root(scene: Scene, part: Part) -> bool:
    """Whether this may be for root alone: by what we know of it, or because it stands where only
    root's programs do."""
    where = scene.look.which(part.program, scene.path)
    return (
        part.program in _OFTEN
        or where.rpartition("/")[0].endswith("/sbin")
        or any(True for _ in _wanting(scene, part))
    )


def _superfluous(scene: Scene) -> Iterator[Mend]:
    """In a container: root already, and no sudo."""
    found = [
        Edit(part.first.start, part.words[0].start, "")
        for part in scene.parts
        if part.wrappers[:1] == ("sudo",) and part.first and part.first.text == "sudo"
    ]
    if found and not scene.which("sudo") and scene.failed(127):
        yield tuple(found)


def _wanting(scene: Scene, part: Part) -> Iterator[Edit]:
    if part.as_root or not part.program:
        return
    name = part.program
    if _is_roots(scene, part) or _may_not(scene, part) or _docker(scene, name):
        yield before(part.start, "sudo ")
    elif part.redirects:
        yield from _tee(scene, part)


def _is_roots(scene: Scene, part: Part) -> bool:
    name = part.program
    if not scene.failed(*_STATUSES.get(name, _OTHERS)):
        return False
    if name in _ALWAYS or name.startswith("mkfs."):
        return name != "chown" or bool(operands(part))
    if name in ("mount", "umount"):
        return len(operands(part)) > 0
    if name == "pacman":
        return any(text[:2] in ("-S", "-R", "-U") and text[:3] != "-Ss" for text in part.texts)
    if name == "systemctl" and "--user" in part.texts:
        return False
    return not _VERBS.get(name, frozenset()).isdisjoint(part.texts)


def _docker(scene: Scene, name: str) -> bool:
    if name != "docker" or not scene.failed(1, 125, 126):
        return False
    place = scene.look.place(_DOCKER_SOCKET)
    return place.kind == "file" and not place.is_writable


def _may_not(scene: Scene, part: Part) -> bool:
    name = part.program
    found = [use for use in uses(part) if use.token in part.words]
    if name in _READERS and any(_is_unreadable(scene, part, use) for use in found):
        return True
    if name not in _WRITERS:
        return name == "sed" and part.has("i") and any(_is_locked(scene, part, u) for u in found)
    if name in ("rm", "rmdir", "unlink"):
        return any(_is_in_locked(scene, part, use.token.text) for use in found)
    return any(_is_locked(scene, part, use) for use in found if use.role == "made")


def _is_unreadable(scene: Scene, part: Part, use: Use) -> bool:
    place = scene.place(part, use.token.text)
    return use.role != "made" and place.kind == "file" and not place.is_readable


def _is_locked(scene: Scene, part: Part, use: Use) -> bool:
    """It is there and may not be written, or is not and its folder may not."""
    path = use.token.text
    place = scene.place(part, path)
    return not place.is_writable if place.kind else _is_in_locked(scene, part, path)


def _is_in_locked(scene: Scene, part: Part, path: str) -> bool:
    bare = path.rstrip("/")
    parent = bare.rpartition("/")[0] or ("/" if bare.startswith("/") else ".")
    place = scene.place(part, parent)
    return place.kind == "folder" and not place.is_writable


def _tee(scene: Scene, part: Part) -> Iterator[Edit]:
    """``echo x > /etc/y``: the shell opens the file, so sudo before echo would not help."""
    operator, target = part.redirects[-1]
    if len(part.redirects) > 1 or operator.raw not in (">", ">>") or not target.plain:
        return
    if target.end != part.last.end or not _is_locked(scene, part, Use(target, "made")):
        return
    append = "-a " if operator.raw == ">>" else ""
    yield Edit(operator.start, target.end, f"| sudo tee {append}{quoted(target.text)}")
