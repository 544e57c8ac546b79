"""The line that installs a program, in the words of the machine's own package manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from cmdai_shell.diagnose.surroundings import Surroundings

Need = Literal["compiler", "relay", "openmp", "llama-server", "bash", "zsh", "fish"]

_INSTALL = {
    "apt-get": "sudo apt-get install -y",
    "dnf": "sudo dnf install -y",
    "zypper": "sudo zypper install -y",
    "pacman": "sudo pacman -S --needed",
    "apk": "sudo apk add",
    "brew": "brew install",
}
"""Program -> its words, in the order they are looked for."""

_NAMES: dict[Need, dict[str, str]] = {
    "compiler": {
        "apt-get": "g++",
        "dnf": "gcc-c++",
        "zypper": "gcc-c++",
        "pacman": "gcc",
        "apk": "build-base",
    },
    # Fedora's nc is ncat, which is slower than socat (shell-hooks/README.md).
    "relay": {
        "apt-get": "netcat-openbsd",
        "dnf": "socat",
        "zypper": "netcat-openbsd",
        "pacman": "openbsd-netcat",
        "apk": "netcat-openbsd",
        "brew": "socat",
    },
    "openmp": {
        "apt-get": "libgomp1",
        "dnf": "libgomp",
        "zypper": "libgomp1",
        "pacman": "gcc-libs",
        "apk": "libgomp",
        "brew": "libomp",
    },
    "llama-server": {"brew": "llama.cpp"},
    "bash": dict.fromkeys(_INSTALL, "bash"),
    "zsh": dict.fromkeys(_INSTALL, "zsh"),
    "fish": dict.fromkeys(_INSTALL, "fish"),
}
_WORDS: dict[Need, str] = {
    "compiler": "install a C++ compiler",
    "relay": "install OpenBSD's nc, or socat",
    "openmp": "install the OpenMP library of your compiler",
    "llama-server": "install llama.cpp so that llama-server is on PATH",
    "bash": "install a newer bash",
    "zsh": "install a newer zsh",
    "fish": "install a newer fish",
}


def install_line(need: Need, around: Surroundings) -> str:
    """What to type; in words where the package manager is one we do not know."""
    if need == "compiler" and around.system == "Darwin":
        return "xcode-select --install"
    for program, words in _INSTALL.items():
        if program in _NAMES[need] and around.which(program):
            return f"{words} {_NAMES[need][program]}"
    return _WORDS[need]
