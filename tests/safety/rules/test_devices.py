"""Disks, partitions, mounts: what erases, and what only looks."""

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess

SAFE, CAUTION, DANGEROUS, CRITICAL = Risk


@pytest.mark.parametrize(
    ("command", "risk"),
    [
        ("dd if=/dev/zero of=/dev/sda", CRITICAL),
        ("dd if=/dev/sda of=/dev/sdb", CRITICAL),
        ("dd if=x.iso of=/dev/vda bs=4M status=progress", CRITICAL),
        ("sudo dd if=/dev/urandom of=/dev/mmcblk0", CRITICAL),
        ("sh -c 'dd if=/dev/zero of=/dev/nvme0n1'", CRITICAL),
        ("dd if=x.iso of=$DISK", DANGEROUS),
        ("dd if=/dev/zero of=swap.img bs=1M count=10", CAUTION),
        ("dd if=/dev/sda of=backup.img", CAUTION),
        ("dd if=file of=/dev/null", SAFE),
        ("mkfs -t ext4 /dev/sda1", CRITICAL),
        ("sudo mkfs.ext4 -F /dev/nvme0n1p2", CRITICAL),
        ("true && mkswap /dev/sdb2", CRITICAL),
        ("mkfs.ext4 disk.img", CAUTION),
        ("wipefs -a /dev/sdb", CRITICAL),
        ("wipefs /dev/sdb", SAFE),
        ("blkdiscard /dev/nvme0n1", CRITICAL),
        ("shred -n 3 /dev/sda", CRITICAL),
        ("shred -u secret.txt", DANGEROUS),
        ("parted /dev/sda mklabel gpt", CRITICAL),
        ("parted -s /dev/sda 'mklabel gpt'", CRITICAL),
        ("parted -l", SAFE),
        ("fdisk /dev/sda", DANGEROUS),
        ("printf 'o\\nw\\n' | fdisk /dev/sda", CRITICAL),
        ("sudo fdisk -l", SAFE),
        ("fdisk -l /dev/sda", SAFE),
        ("sgdisk --zap-all /dev/sda", CRITICAL),
        ("sgdisk -p /dev/sda", SAFE),
        ("hdparm --security-erase NULL /dev/sda", CRITICAL),
        ("hdparm -I /dev/sda", SAFE),
        ("nvme format /dev/nvme0n1", CRITICAL),
        ("nvme list", SAFE),
        ("cryptsetup luksFormat /dev/sdb1", CRITICAL),
        ("cryptsetup open /dev/sdb1 data", SAFE),
        ("lvremove -f vg0/data", CRITICAL),
        ("zfs destroy -r tank/data", CRITICAL),
        ("zfs list", SAFE),
        ("zpool destroy tank", CRITICAL),
        ("btrfs subvolume delete /data/old", DANGEROUS),
        ("mdadm --zero-superblock /dev/sdb1", CRITICAL),
        ("diskutil eraseDisk JHFS+ X disk2", CRITICAL),
        ("diskutil list", SAFE),
        ("cat image > /dev/sda", CRITICAL),
        ("echo x | sudo tee /dev/sda", CRITICAL),
        ("cp image.iso /dev/sdb", CRITICAL),
        ("umount -a -f", DANGEROUS),
        ("umount /mnt/x", CAUTION),
        ("sudo mount /dev/sdb1 /mnt/x", CAUTION),
        ("mount", SAFE),
        ("swapoff -a", DANGEROUS),
        ("xattr -cr /", CRITICAL),
        ("xattr -d com.apple.quarantine tool", CAUTION),
        ("chattr -R +i /", CRITICAL),
        ("lsblk -f", SAFE),
        ("df -h", SAFE),
        ("sgdisk -d 1 -p /dev/sda", CRITICAL),
        ("badblocks -sv /dev/sda", SAFE),
        ("badblocks -wsv /dev/sda", CRITICAL),
    ],
)
def test_devices(command: str, risk: Risk) -> None:
    assert assess(command).risk is risk
