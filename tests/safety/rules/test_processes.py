"""Signals, services, power, timetables: what stops a machine, and what is everyday work."""

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess

SAFE, CAUTION, DANGEROUS, CRITICAL = Risk


@pytest.mark.parametrize(
    ("command", "risk"),
    [
        ("kill -9 -1", CRITICAL),
        ("kill -- -1", CRITICAL),
        ("kill -s KILL -1", CRITICAL),
        ("sudo kill -9 1", CRITICAL),
        ("kill 1234", CAUTION),
        ("kill -9 1234", CAUTION),
        ("kill -1 1234", CAUTION),
        ("kill -0 1234", SAFE),
        ("kill -l", SAFE),
        ("killall -9", DANGEROUS),
        ("killall5 -9", CRITICAL),
        ("killall firefox", CAUTION),
        ("killall -9 postgres", DANGEROUS),
        ("sudo killall sshd", DANGEROUS),
        ("pkill -9 -u", DANGEROUS),
        ("pkill -9 -u alice", DANGEROUS),
        ("sudo pkill -u root", CRITICAL),
        ("pkill -9 .", CRITICAL),
        ("pkill -f 'python server.py'", CAUTION),
        ("pkill firefox", CAUTION),
        ("pgrep -u root", SAFE),
        ("shutdown -h now", DANGEROUS),
        ("shutdown -c", SAFE),
        ("sudo reboot", DANGEROUS),
        ("reboot -f", DANGEROUS),
        ("make; poweroff", DANGEROUS),
        ("sudo init 0", DANGEROUS),
        ("systemctl poweroff", DANGEROUS),
        ("systemctl isolate rescue.target", DANGEROUS),
        ("systemctl suspend", CAUTION),
        ("systemctl stop sshd", DANGEROUS),
        ("sudo systemctl disable --now firewalld", DANGEROUS),
        ("systemctl mask systemd-journald.service", DANGEROUS),
        ("systemctl stop nginx", CAUTION),
        ("systemctl restart nginx", CAUTION),
        ("systemctl status sshd", SAFE),
        ("systemctl list-units --type=service", SAFE),
        ("service ssh stop", DANGEROUS),
        ("service nginx restart", CAUTION),
        ("service nginx status", SAFE),
        ("crontab -r", DANGEROUS),
        ("crontab -u alice -r", DANGEROUS),
        ("crontab /dev/null", DANGEROUS),
        ("echo '* * * * * true' | crontab -", DANGEROUS),
        ("(crontab -l; echo '0 3 * * * backup') | crontab -", CAUTION),
        ("crontab -l", SAFE),
        ("crontab -e", SAFE),
        ("echo b > /proc/sysrq-trigger", CRITICAL),
        ("sysctl -a", SAFE),
        ("sudo sysctl -w vm.swappiness=10", CAUTION),
        ("sudo rmmod ext4", DANGEROUS),
        ("tmux kill-server", DANGEROUS),
        ("tmux attach", SAFE),
        ("ps aux", SAFE),
        ("pkill -HUP nginx", CAUTION),
        ("pkill -USR1 app", CAUTION),
    ],
)
def test_processes(command: str, risk: Risk) -> None:
    assert assess(command).risk is risk
