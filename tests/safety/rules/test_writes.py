"""What writing to a path means, whoever writes."""

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess

SAFE, CAUTION, DANGEROUS, CRITICAL = Risk


@pytest.mark.parametrize(
    ("path", "added", "replaced"),
    [
        ("/dev/sda", CRITICAL, CRITICAL),
        ("/etc/passwd", CRITICAL, CRITICAL),
        ("/etc/sudoers.d/me", CRITICAL, CRITICAL),
        ("~/.ssh/authorized_keys", CRITICAL, CRITICAL),
        ("/boot/grub/grub.cfg", CRITICAL, CRITICAL),
        ("/etc/fstab", DANGEROUS, CRITICAL),
        ("/etc/hosts", DANGEROUS, DANGEROUS),
        ("/etc/systemd/system/x.service", DANGEROUS, DANGEROUS),
        ("~/.ssh/id_rsa", DANGEROUS, DANGEROUS),
        ("~/.bash_history", SAFE, DANGEROUS),
        ("~/.bashrc", CAUTION, CAUTION),
        ("/usr/local/etc/x", CAUTION, CAUTION),
        ("/etc/hosts.bak", CAUTION, CAUTION),
        ("/proc/sys/vm/drop_caches", CAUTION, CAUTION),
        ("/dev/null", SAFE, SAFE),
        ("notes.txt", SAFE, SAFE),
        ("~/notes.txt", SAFE, SAFE),
        ("/tmp/x", SAFE, SAFE),
    ],
)
def test_every_way_to_write_is_judged_alike(path: str, added: Risk, replaced: Risk) -> None:
    assert assess(f"echo x >> {path}").risk is added
    assert assess(f"echo x | sudo tee -a {path}").risk is added
    assert assess(f"echo x > {path}").risk is replaced
    assert assess(f"echo x | sudo tee {path}").risk is replaced
    assert assess(f"sudo cp x {path}").risk is replaced


def test_a_path_is_seen_from_the_folder_it_is_written_in():
    assert assess("cd /etc && echo x > passwd").risk is CRITICAL
    assert assess("cd ~/.ssh && cat key >> authorized_keys").risk is CRITICAL
    assert assess("cd notes && echo x > passwd").risk is SAFE
