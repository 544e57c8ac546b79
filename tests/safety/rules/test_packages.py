"""Installing and removing software."""

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess

SAFE, CAUTION, DANGEROUS, CRITICAL = Risk


@pytest.mark.parametrize(
    ("command", "risk"),
    [
        ("sudo apt-get install -y curl", CAUTION),
        ("apt update && apt upgrade", CAUTION),
        ("apt remove vim", CAUTION),
        ("apt autoremove -y", CAUTION),
        ("apt-get purge -y postgresql", DANGEROUS),
        ("apt remove --purge linux-image-amd64", DANGEROUS),
        ("apt remove libc6", CRITICAL),
        ("sudo dnf remove systemd", CRITICAL),
        ("yum erase glibc", CRITICAL),
        ("apt-get install --allow-unauthenticated x", DANGEROUS),
        ("apt -s remove libc6", SAFE),
        ("apt list --installed", SAFE),
        ("apt search vim", SAFE),
        ("npm audit", SAFE),
        ("npm audit fix", CAUTION),
        ("dpkg --force-all -r x", DANGEROUS),
        ("dpkg -i x.deb", CAUTION),
        ("dpkg -l", SAFE),
        ("rpm -e --nodeps x", DANGEROUS),
        ("rpm -qa", SAFE),
        ("pacman -Rns firefox", CAUTION),
        ("pacman -Rdd openssl", DANGEROUS),
        ("pacman -Syu", CAUTION),
        ("pacman -Ss vim", SAFE),
        ("pacman -Qi vim", SAFE),
        ("brew upgrade", CAUTION),
        ("brew list | xargs brew uninstall", DANGEROUS),
        ("pip install -r requirements.txt", CAUTION),
        ("pip install --break-system-packages x", DANGEROUS),
        ("python3 -m pip install --break-system-packages x", DANGEROUS),
        ("pip freeze | xargs pip uninstall -y", DANGEROUS),
        ("pip list", SAFE),
        ("npm install", CAUTION),
        ("npm install -g typescript", CAUTION),
        ("npm unpublish pkg --force", DANGEROUS),
        ("npm run build", SAFE),
        ("npm test", SAFE),
        ("cargo yank --version 1.0.0 x", DANGEROUS),
        ("cargo build --release", SAFE),
        ("make", SAFE),
        ("sudo make install", CAUTION),
        ("snap remove --purge x", CAUTION),
    ],
)
def test_packages(command: str, risk: Risk) -> None:
    assert assess(command).risk is risk
