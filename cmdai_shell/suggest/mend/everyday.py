"""Programs people type every day, and what stands in for one that is not there."""

from __future__ import annotations

from cmdai_shell.safety.script import names

_EVERYDAY = """
ls cd git cat grep vim docker rm cp mv mkdir echo sudo python python3 pip pip3 npm node make ssh
curl less man find tail head touch chmod nano kubectl clear exit history ps top kill apt apt-get
systemctl tar wget cargo go brew yarn npx pnpm scp rsync sed awk sort df du ln pwd which chown
source export unzip zip code docker-compose journalctl htop tree diff wc uniq xargs tmux ping jq
helm terraform aws gcloud ip ifconfig netstat ss dig host nslookup date env man vi emacs nvim bash
zsh fish sh killall pkill pgrep rmdir whoami hostname uname free mount umount lsof file stat tee
cut tr watch xdg-open open gcc g++ clang cmake java javac mvn gradle ruby gem bundle rails php
composer perl rustc rustup poetry pytest tox uv conda virtualenv ansible ansible-playbook vagrant
psql mysql sqlite3 redis-cli mongo ffmpeg convert gzip gunzip bzip2 xz 7z openssl gpg ssh-keygen
ssh-copy-id crontab service dnf yum pacman zypper apk snap dpkg rpm useradd usermod groupadd passwd
su screen nohup time timeout sleep seq printf alias unalias type test read set unset jobs fg bg
wait md5sum sha256sum base64 xxd strings ldd nm objdump gdb strace locate nc telnet ftp sftp
traceroute route iptables ufw nginx gunicorn uvicorn flask celery jupyter dotnet minikube k9s podman
buildah skopeo gh glab hg svn rg fd fzf bat exa eza zoxide direnv nslookup rev nl tac split paste
comm join column fold expand basename dirname realpath readlink yes true false lsblk fdisk lscpu
lsusb lspci dmesg uptime who w last id groups cal bc expr factor shuf truncate dd sync reboot
shutdown poweroff pushd popd dirs umask ulimit trap eval exec
"""

EVERYDAY: dict[str, int] = {
    name: place for place, name in reversed(tuple(enumerate(_EVERYDAY.split())))
}
"""Name -> place: the lower, the more often it is typed."""

DESTROYERS = names(
    "rm rmdir unlink shred truncate dd wipefs blkdiscard mkswap fdisk sfdisk cfdisk sgdisk parted "
    "kill killall killall5 pkill xkill skill halt reboot shutdown poweroff init telinit kexec "
    "userdel deluser groupdel delgroup swapoff rmmod"
)
"""What nobody may end up with who meant another; and ``mkfs`` with all its endings."""

STANDS_IN: dict[str, tuple[str, ...]] = {
    "python": ("python3",),
    "python3": ("python",),
    "pip": ("pip3", "python3 -m pip"),
    "pip3": ("pip", "python3 -m pip"),
    "docker-compose": ("docker compose",),
    "vi": ("vim", "nvim", "nano"),
    "vim": ("nvim", "vi", "nano"),
    "nano": ("vim", "vi"),
    "node": ("nodejs",),
    "nodejs": ("node",),
    "fd": ("fdfind",),
    "rg": ("grep -rn",),
    "bat": ("batcat",),
    "open": ("xdg-open",),
    "xdg-open": ("open",),
    "gsed": ("sed",),
    "gawk": ("awk",),
    "ggrep": ("grep",),
    "gfind": ("find",),
    "gtar": ("tar",),
    "egrep": ("grep -E",),
    "fgrep": ("grep -F",),
    "sha256sum": ("shasum -a 256",),
    "sha1sum": ("shasum",),
    "md5sum": ("md5 -r",),
    "md5": ("md5sum",),
    "shasum": ("sha1sum",),
    "exa": ("eza",),
    "eza": ("exa",),
    "7z": ("7zz", "7za"),
    "7za": ("7z",),
    "nslookup": ("host", "dig +short"),
    "netstat": ("ss",),
    "ifconfig": ("ip addr",),
    "mongo": ("mongosh",),
    "cc": ("gcc", "clang"),
    "gcc": ("cc", "clang"),
    "yum": ("dnf",),
    "ll": ("ls -l",),
    "la": ("ls -A",),
    "dir": ("ls",),
    "cls": ("clear",),
    "copy": ("cp",),
    "move": ("mv",),
    "ren": ("mv",),
    "del": ("rm",),
    "erase": ("rm",),
    "md": ("mkdir",),
    "rd": ("rmdir",),
    "chdir": ("cd",),
    "ipconfig": ("ip addr", "ifconfig"),
    "tracert": ("traceroute", "tracepath"),
    "findstr": ("grep",),
    "tasklist": ("ps aux",),
    "taskkill": ("kill",),
    "systeminfo": ("uname -a",),
    "cp-r": ("cp -r",),
}
"""For a name that is nowhere on the PATH, what does the same when that is there."""
