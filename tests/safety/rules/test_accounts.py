"""Users, rights and protection."""

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess

SAFE, CAUTION, DANGEROUS, CRITICAL = Risk


@pytest.mark.parametrize(
    ("command", "risk"),
    [
        ("userdel root", CRITICAL),
        ("sudo deluser root", CRITICAL),
        ("userdel alice", DANGEROUS),
        ("userdel -r alice", DANGEROUS),
        ("deluser alice docker", CAUTION),
        ("passwd -d root", CRITICAL),
        ("sudo passwd -l root", CRITICAL),
        ("passwd -d alice", DANGEROUS),
        ("passwd", CAUTION),
        ("passwd -S", SAFE),
        ("echo root:x | chpasswd", CRITICAL),
        ("echo 'x' | passwd --stdin root", CRITICAL),
        ("usermod -p '' root", CRITICAL),
        ("usermod -aG sudo mallory", DANGEROUS),
        ("usermod -G docker alice", DANGEROUS),
        ("sudo usermod -aG docker alice", CAUTION),
        ("usermod -o -u 0 mallory", CRITICAL),
        ("useradd -o -u 0 mallory", CRITICAL),
        ("useradd -m alice", CAUTION),
        ("visudo", CAUTION),
        ("visudo -c", SAFE),
        ("echo 'u ALL=(ALL) NOPASSWD: ALL' | sudo EDITOR='tee -a' visudo", CRITICAL),
        ("echo 'u ALL=(ALL) NOPASSWD: ALL' >> /etc/sudoers", CRITICAL),
        ("echo x | sudo tee /etc/sudoers.d/x", CRITICAL),
        ("echo 'x::0:0::/:/bin/sh' >> /etc/passwd", CRITICAL),
        ("echo key >> ~/.ssh/authorized_keys", CRITICAL),
        ("chmod u+s /bin/bash", CRITICAL),
        ("chmod 4755 tool", DANGEROUS),
        ("setcap cap_setuid+ep tool", DANGEROUS),
        ("setenforce 0", DANGEROUS),
        ("getenforce", SAFE),
        ("csrutil disable", DANGEROUS),
        ("csrutil status", SAFE),
        ("spctl --master-disable", DANGEROUS),
        ("aa-teardown", DANGEROUS),
        ("history -c", DANGEROUS),
        ("history -c && rm ~/.bash_history", DANGEROUS),
        ("unset HISTFILE", DANGEROUS),
        ("export HISTFILE=/dev/null", DANGEROUS),
        ("history | tail", SAFE),
        ("export EDITOR=vim", SAFE),
        ("id alice", SAFE),
        ("groups", SAFE),
        ("ssh-keygen -t ed25519 -f key", SAFE),
        ("useradd -ou 0 -g 0 x", CRITICAL),
        ("cat /dev/null > ~/.bash_history", DANGEROUS),
        ("ln -sf /dev/null ~/.bash_history", DANGEROUS),
    ],
)
def test_accounts(command: str, risk: Risk) -> None:
    assert assess(command).risk is risk
