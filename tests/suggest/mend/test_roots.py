from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("typed", "status", "meant"),
    [
        ("apt install jq", 100, "sudo apt install jq"),
        ("DEBIAN_FRONTEND=x apt-get update", 100, "sudo DEBIAN_FRONTEND=x apt-get update"),
        ("systemctl restart nginx", 1, "sudo systemctl restart nginx"),
        ("mount /dev/sdb1 /mnt", 1, "sudo mount /dev/sdb1 /mnt"),
        ("cat /etc/shadow", 1, "sudo cat /etc/shadow"),
        ("touch /etc/x.conf", 1, "sudo touch /etc/x.conf"),
        ("cp a.txt /etc/", 1, "sudo cp a.txt /etc/"),
        ("echo a  b > /etc/motd", 1, "echo a  b | sudo tee /etc/motd"),
        ("echo a >> /etc/new", 1, "echo a | sudo tee -a /etc/new"),
        ("apt update && apt upgrade", 100, "sudo apt update && sudo apt upgrade"),
    ],
)
def test_what_only_root_may(fix, typed, status, meant):
    files = {"/etc/shadow": "", "/etc/motd": "", "a.txt": ""}
    locked = ["/etc", "/etc/shadow", "/etc/motd"]
    host = {"files": files, "locked": locked}
    assert fix(typed, status, **host)[0] == meant
    assert fix(typed, status, root=True, **host) == ()
    without = frozenset(("apt", "cat", "cp", "systemctl"))
    assert fix(typed, status, programs=without, **host) == ()


@pytest.mark.parametrize(
    ("typed", "status"),
    [
        ("apt search jq", 100),
        ("apt install jq", 1),
        ("systemctl status nginx", 3),
        ("systemctl --user restart x", 1),
        ("sudo apt install jq", 100),
        ("mount", 1),
        ("ls /etc", 1),
    ],
)
def test_nothing_is_sure(fix, typed, status):
    assert fix(typed, status, locked=["/etc"], files={"/etc/": ""}) == ()


def test_root_needs_no_sudo(fix):
    there = frozenset(("apt", "ls"))
    assert fix("sudo -E apt update", 127, programs=there, root=True) == ("apt update",)
    assert fix("sudo -E apt update", 127, programs=there) == ()


def test_the_socket_of_docker(fix):
    socket = "/var/run/docker.sock"
    found = fix("docker ps", 1, files={socket: ""}, locked=[socket])
    assert found == ("sudo docker ps",)
    assert fix("docker ps", 1, files={socket: ""}) == ()
