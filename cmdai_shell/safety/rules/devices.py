"""Disks, partitions, volumes and mounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.safety.rules.rule import (
    CAUTION,
    CRITICAL,
    DANGEROUS,
    Finding,
    Options,
    Row,
    from_rows,
)
from cmdai_shell.safety.rules.writes import overwrites
from cmdai_shell.safety.script import MAYBE, SOME, Word, names, spoken
from cmdai_shell.safety.targets import Place, place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.safety.rules.rule import Check
    from cmdai_shell.safety.script import Call


def _devices(call: Call, words: list[Word]) -> Iterator[Word]:
    """The words that are a disk, or may be one because only the running shell knows."""
    for word in words:
        if place(word, call) is Place.DEVICE or word.text.startswith((MAYBE, SOME)):
            yield word


def _dd(call: Call) -> Iterator[Finding]:
    for word in call.args:
        name, _, path = word.text.partition("=")
        if name != "of" or path in ("/dev/null", "/dev/stdout"):
            continue
        yield from overwrites(Word(path, word.glob, word.sources), call)
        if path.startswith((MAYBE, SOME)):
            yield Finding(DANGEROUS, "overwrites a target nobody can know beforehand")
        yield Finding(CAUTION, f"overwrites {spoken(path)}")


def _format(call: Call) -> Iterator[Finding]:
    """``mkfs`` and its kind: what was on the target is gone."""
    options = Options(call)
    if options.has("help", "version", "V", "list"):
        return
    for word in _devices(call, options.operands):
        yield Finding(
            CRITICAL, f"makes a new file system on {spoken(word.text)}, all on it is lost"
        )
    if options.operands:
        yield Finding(CAUTION, "makes a new file system, what the target holds is lost")


def _wipe(call: Call) -> Iterator[Finding]:
    """Programs that erase every device they are given, unless they are told only to look."""
    options = Options(call)
    if call.program == "wipefs" and not options.has("a", "all", "o", "offset", "f", "force"):
        return
    if call.program == "wipefs" and options.has("n", "no-act"):
        return
    if call.program == "badblocks" and not options.has("w"):
        return
    for word in _devices(call, options.operands):
        yield Finding(CRITICAL, f"erases {spoken(word.text)}, what is on it is lost", "lsblk -f")
    if options.operands:
        yield Finding(DANGEROUS, "erases what the target holds", "lsblk -f")


_LOOKING = {
    "fdisk": ("l", "list", "s", "help", "version"),
    "sfdisk": ("l", "list", "d", "dump", "J", "json", "s", "F", "V", "verify", "n", "no-act"),
    "gdisk": ("l", "list"),
    "cfdisk": ("help", "version"),
    "parted": ("l", "list", "help"),
}
_PARTED_EDITS = names("mklabel mktable rm mkpart resizepart rescue")


def _partitions(call: Call) -> Iterator[Finding]:
    options = Options(call)
    texts = set(options.texts)
    if call.program == "parted":
        edits = texts & _PARTED_EDITS or {
            word for text in texts for word in text.split() if word in _PARTED_EDITS
        }
        if edits & {"mklabel", "mktable", "rm"}:
            yield Finding(CRITICAL, "removes partitions, what is on them is lost", "lsblk -f")
        elif edits:
            yield Finding(DANGEROUS, "changes the partitions of a disk", "lsblk -f")
    elif call.program == "sgdisk":
        yield from _sgdisk(options)
    elif options.has("delete", "wipe"):
        yield Finding(CRITICAL, "removes the partition table of a disk", "lsblk -f")
    elif not options.has(*_LOOKING.get(call.program, ())) and options.operands:
        fed = bool(call.fed_by) or any(redirect.is_text for redirect in call.redirects)
        yield Finding(
            CRITICAL if fed else DANGEROUS, "changes the partitions of a disk", "lsblk -f"
        )


def _sgdisk(options: Options) -> Iterator[Finding]:
    """It looks, unless a flag says otherwise."""
    if options.has("P", "pretend"):
        return
    if options.has("Z", "zap-all", "z", "zap", "o", "clear", "d", "delete", "l", "R", "replicate"):
        yield Finding(CRITICAL, "removes the partition table of a disk", "lsblk -f")
    elif options.has(*"nNtcgGeAUumrsSh", "new", "largest-new", "typecode", "sort"):
        yield Finding(DANGEROUS, "changes the partitions of a disk", "lsblk -f")


def _umount(call: Call) -> Iterator[Finding]:
    options = Options(call)
    if options.has("a", "all"):
        yield Finding(DANGEROUS, "unmounts every file system of this machine")
    for word in options.operands:
        if place(word, call) in (Place.ROOT, Place.SYSTEM) and word.text != "/mnt":
            yield Finding(DANGEROUS, f"unmounts {spoken(word.text)}, which the system uses")
    yield Finding(CAUTION, "unmounts a file system")


def _mount(call: Call) -> Iterator[Finding]:
    options = Options(call)
    if any("remount" in word.text and "ro" in word.text.split(",") for word in call.args):
        yield Finding(DANGEROUS, "makes a mounted file system read-only")
    if len(options.operands) > 1 and place(options.operands[-1], call) is Place.ROOT:
        yield Finding(DANGEROUS, "mounts something over the whole system")
    if options.operands:
        yield Finding(CAUTION, "mounts a file system")


def _attributes(call: Call) -> Iterator[Finding]:
    """``xattr -cr /``, ``chattr -R +i /``, ``setfacl -R … /``."""
    options = Options(call)
    options_of_mode = [word for word in call.args if word.text[:1] in "-+=" and word.text[1:]]
    deep = any("R" in w.text or "r" in w.text or "recursive" in w.text for w in options_of_mode)
    for word in options.operands:
        if deep and place(word, call) in (Place.ROOT, Place.SYSTEM, Place.HOME):
            yield Finding(CRITICAL, f"changes the attributes of everything in {spoken(word.text)}")
    if options.has("c", "d", "w", "R", "b", "i") or call.program == "chattr":
        yield Finding(CAUTION, "changes attributes of files")


_LOST = "destroys a volume with all that is on it"
_VOLUMES = from_rows(Row("", CRITICAL, _LOST, safer="lsblk -f"))
_RAID = from_rows(
    Row("", CRITICAL, "erases a disk's place in its array", "zero-superblock"),
    Row("", DANGEROUS, "makes a new array, what the disks hold is lost", "create|C"),
    Row("", DANGEROUS, "stops an array", "stop|S"),
    Row("", DANGEROUS, "takes a disk out of its array", "fail|f|remove|r"),
)
_EVERY_DISK = from_rows(
    Row(
        "eraseDisk|eraseVolume|zeroDisk|secureErase|reformat|randomDisk|eraseall",
        CRITICAL,
        "erases a disk, what is on it is lost",
        safer="diskutil list",
    ),
    Row("partitionDisk", CRITICAL, "removes the partitions of a disk", safer="diskutil list"),
    Row("apfs deleteVolume|deleteContainer", CRITICAL, _LOST, safer="diskutil list"),
    Row("unmount|unmountDisk|eject", CAUTION, "unmounts a disk"),
)

_MAKERS = (
    "mkfs",
    "mkfs.ext2",
    "mkfs.ext3",
    "mkfs.ext4",
    "mkfs.xfs",
    "mkfs.btrfs",
    "mkfs.vfat",
    "mkfs.fat",
    "mkfs.msdos",
    "mkfs.exfat",
    "mkfs.ntfs",
    "mkfs.f2fs",
    "mkfs.minix",
    "mkfs.cramfs",
    "mkfs.bfs",
    "mke2fs",
    "mkntfs",
    "mkdosfs",
    "mkswap",
    "newfs",
    "newfs_apfs",
    "newfs_hfs",
    "newfs_msdos",
    "mkfs.jfs",
    "mkfs.reiserfs",
    "mkfs.nilfs2",
    "mkfs.udf",
    "mkreiserfs",
    "mkexfatfs",
    "pvcreate",
)

CHECKS: dict[str, Check] = {
    "dd": _dd,
    "dcfldd": _dd,
    "gdd": _dd,
    "dc3dd": _dd,
    **dict.fromkeys(_MAKERS, _format),
    **dict.fromkeys(("wipefs", "blkdiscard", "nwipe", "scrub", "badblocks"), _wipe),
    **dict.fromkeys(("fdisk", "sfdisk", "gdisk", "sgdisk", "cfdisk", "parted"), _partitions),
    **dict.fromkeys(("lvremove", "vgremove", "pvremove"), _VOLUMES),
    "mdadm": _RAID,
    "diskutil": _EVERY_DISK,
    "umount": _umount,
    "mount": _mount,
    "xattr": _attributes,
    "chattr": _attributes,
    "setfacl": _attributes,
    "hdparm": from_rows(
        Row(
            "",
            CRITICAL,
            "erases the disk, what is on it is lost",
            "security-erase|security-erase-enhanced|trim-sector-ranges|make-bad-sector|write-sector",
        ),
    ),
    "nvme": from_rows(
        Row(
            "format|sanitize|write-zeroes|delete-ns",
            CRITICAL,
            "erases the disk, what is on it is lost",
            safer="nvme list",
        )
    ),
    "cryptsetup": from_rows(
        Row(
            "luksFormat|reencrypt|erase|luksErase",
            CRITICAL,
            "makes everything on an encrypted disk unreadable",
            safer="lsblk -f",
        ),
        Row("luksKillSlot|luksRemoveKey", DANGEROUS, "removes a key of an encrypted disk"),
    ),
    "zpool": from_rows(
        Row("destroy|labelclear", CRITICAL, _LOST, safer="zpool list"),
        Row(
            "remove|detach|offline", DANGEROUS, "takes a disk out of its pool", safer="zpool status"
        ),
    ),
    "zfs": from_rows(
        Row("destroy", CRITICAL, _LOST, safer="zfs destroy -nv {rest}", unless="n"),
        Row("rollback", DANGEROUS, "throws away all changes since a snapshot"),
    ),
    "btrfs": from_rows(
        Row("subvolume|sub|su delete|del|d", DANGEROUS, _LOST, safer="btrfs subvolume list /"),
        Row("device|dev delete|remove", DANGEROUS, "takes a disk out of its file system"),
    ),
    "lvreduce": from_rows(Row("", DANGEROUS, "shrinks a volume, what lies beyond is lost")),
    "lvm": from_rows(Row("lvremove|vgremove|pvremove", CRITICAL, _LOST)),
    "dmsetup": from_rows(
        Row("remove_all|wipe_table", DANGEROUS, "takes volumes away from what uses them"),
        Row("remove", CAUTION, "takes a volume away from what uses it"),
    ),
    "losetup": from_rows(Row("", CAUTION, "takes image files away from what uses them", "d|D")),
    "nvram": from_rows(Row("", DANGEROUS, "changes what starts this machine", "c|d")),
    "wsl": from_rows(Row("", CRITICAL, "deletes a system with all its files", "unregister")),
    "swapoff": from_rows(
        Row("", DANGEROUS, "takes all swap memory away", "a|all"),
        Row("*", CAUTION, "takes swap memory away"),
    ),
    "fsck": from_rows(Row("*", CAUTION, "repairs a file system, which may remove damaged files")),
    "e2fsck": from_rows(Row("*", CAUTION, "repairs a file system, which may remove damaged files")),
    "resize2fs": from_rows(Row("*", DANGEROUS, "changes the size of a file system")),
    "grub-install": from_rows(Row("*", DANGEROUS, "replaces what starts this machine")),
    "efibootmgr": from_rows(
        Row(
            "", DANGEROUS, "changes what starts this machine", "B|delete-bootnum|O|delete-bootorder"
        )
    ),
    "flashrom": from_rows(
        Row("", CRITICAL, "overwrites the firmware of this machine", "w|write|E|erase")
    ),
}
