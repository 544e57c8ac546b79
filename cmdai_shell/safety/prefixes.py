"""Programs that run the words behind them, and which of their options take a word.

From the manuals of each program (coreutils, util-linux, sudo, OpenSSH, busybox, systemd …).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prefix:
    """How to take one off."""

    valued: str = ""
    """Options that take the next word."""
    flags: str = ""
    """Options that take none."""
    operands: int = 0
    """Words of its own before the command (``timeout 5``, ``ssh host``)."""
    after: str = ""
    """One of these words must come first (``uv run``); it counts as an operand."""
    assignments: bool = False
    """``A=b`` may stand before the command."""
    script: bool = False
    """The words are joined and given to a shell."""
    starts_shell: bool = False
    """Without a command it starts a shell, which reads its input."""


_SUDO = Prefix(
    "-u -g -p -C -h -r -t -T -U -R -D --user --group --prompt --host --chdir --chroot --role --type"
    " --other-user --command-timeout --close-from",
    "-A -b -E -e -H -i -K -k -n -P -S -s -v -l -B -N --login --shell --set-home --non-interactive"
    " --stdin --background --askpass --preserve-env",
    assignments=True,
    starts_shell=True,
)
_TIMEOUT = Prefix("-s -k --signal --kill-after", "-f -v -p --foreground --preserve-status", 1)
_PROXY = Prefix("-f", "-q")

CONTAINER = Prefix(
    "-e -v -p -u -w -h -l -m -c --name --env --volume --publish --user --workdir --network --net"
    " --mount --entrypoint --hostname --label --memory --cpus --gpus --platform --restart --device"
    " --add-host --cap-add --cap-drop --env-file --ipc --pid --pull --runtime --shm-size --ulimit"
    " --tmpfs --security-opt --link --dns --log-driver --index --userns --cgroupns -f --file"
    " --project-name --profile",
    "-i -t -d --rm --interactive --tty --detach --privileged --init --read-only -T -P --no-deps"
    " --quiet -q",
    operands=1,
)
"""``docker run`` and ``docker exec``, behind that word."""

PREFIXES: dict[str, Prefix] = {
    # another user, another root
    "sudo": _SUDO,
    "doas": Prefix("-u -C -a", "-n -s -L", starts_shell=True),
    "pkexec": Prefix("--user", "--disable-internal-agent --keep-cwd", starts_shell=True),
    "run0": Prefix(
        "-u -g -D --user --group --chdir --unit --property --setenv --nice", "--no-ask-password"
    ),
    "runuser": Prefix("-u -g -G --user --group", "-l - --login"),
    "gosu": Prefix(operands=1),
    "su-exec": Prefix(operands=1),
    "fakeroot": Prefix("-l -s -i -b", "-u"),
    "chroot": Prefix("--userspec --groups", "--skip-chdir", 1, starts_shell=True),
    "unshare": Prefix(
        "-R -S -G -w --root",
        "-m -u -i -n -p -U -C -T -r -f --fork --pid --net --mount",
        starts_shell=True,
    ),
    "nsenter": Prefix(
        "-t -S -G --target",
        "-a -m -u -i -n -p -U -C -T --all --mount --net --pid",
        starts_shell=True,
    ),
    "setpriv": Prefix("--reuid --regid --groups --rlimit", "--clear-groups --init-groups"),
    "bwrap": Prefix(
        "--chdir --setenv --unsetenv --dev --proc --tmpfs --dir --uid --gid --hostname"
    ),
    "firejail": Prefix(),
    "chpst": Prefix("-u -U -b -/ -n -l -L -m -d -o -p -f -c", "-v -P -0 -1 -2"),
    # another environment, priority, time
    "env": Prefix(
        "-u -C -S -P --unset --chdir --split-string",
        "-i -0 -v - --ignore-environment",
        assignments=True,
    ),
    "nohup": Prefix(),
    "nice": Prefix("-n --adjustment"),
    "ionice": Prefix("-c -n -p -P -u --class --classdata", "-t"),
    "chrt": Prefix("-T -P -D", "-a -b -f -i -o -r -R -d", 1),
    "taskset": Prefix("", "-a -c", 1),
    "numactl": Prefix("-N -m -C -p -i --cpunodebind --membind --physcpubind", "-l"),
    "cgexec": Prefix("-g", "--sticky"),
    "time": Prefix("-f -o --format --output", "-p -v -a -l -h"),
    "timeout": _TIMEOUT,
    "gtimeout": _TIMEOUT,
    "stdbuf": Prefix("-i -o -e --input --output --error"),
    "unbuffer": Prefix("", "-p"),
    "setsid": Prefix("", "-c -f -w --fork --wait --ctty"),
    "setarch": Prefix("", "-R -v", 1),
    "linux32": Prefix(),
    "linux64": Prefix(),
    "systemd-run": Prefix(
        "-u -p -E -H -M -t --unit --property --description --slice --setenv --uid --gid --nice"
        " --on-active --on-boot --on-calendar --timer-property --working-directory",
        "--user --system --scope -G --collect --wait --pty -P --pipe -q --no-block -S --shell -d",
    ),
    "systemd-inhibit": Prefix("--what --who --why --mode"),
    "caffeinate": Prefix("-t -w", "-d -i -m -s -u"),
    "dbus-run-session": Prefix("--config-file"),
    "xvfb-run": Prefix("-e -f -n -p -s -w", "-a -l"),
    "prime-run": Prefix(),
    "optirun": Prefix(),
    "torsocks": Prefix(),
    "tsocks": Prefix(),
    "torify": Prefix(),
    "proxychains": _PROXY,
    "proxychains4": _PROXY,
    # the shell's own
    "command": Prefix("", "-p"),
    "builtin": Prefix(),
    "exec": Prefix("-a", "-c -l"),
    "coproc": Prefix(),
    "noglob": Prefix(),
    "nocorrect": Prefix(),
    "repeat": Prefix(operands=1),
    "-": Prefix(),
    "busybox": Prefix(starts_shell=True),
    "toybox": Prefix(),
    # looking at it while it runs
    "strace": Prefix("-e -o -p -s -u -P -I -E", "-f -ff -c -t -tt -T -v -y -yy -q -k -r -i"),
    "ltrace": Prefix("-e -o -p -s -u -n -l", "-f -c -S -i -r -t"),
    "gdb": Prefix("-ex -x", "--args -q -batch --batch"),
    "valgrind": Prefix(),
    "perf": Prefix("-e -o -F -g", "-a", 1, after="stat record trace"),
    # given to a shell
    "watch": Prefix(
        "-n --interval -s", "-d -t -b -e -g -c -x -w -p --differences --no-title", script=True
    ),
    "flock": Prefix("-w -E --timeout", "-n -x -s -e -o -F -u --nonblock", 1, script=True),
    "entr": Prefix("", "-c -d -n -p -r -s -z", script=True),
    "hyperfine": Prefix("-w -m -M -r -p -P -n --warmup --runs --prepare", "-i -N", script=True),
    "ssh": Prefix(
        "-b -c -D -E -e -F -I -i -J -L -l -m -O -o -p -Q -R -S -W -w -B",
        "-4 -6 -A -a -C -f -G -g -K -k -M -N -n -q -s -T -t -tt -V -v -vv -X -x -Y -y",
        1,
        script=True,
        starts_shell=True,
    ),
    "sshpass": Prefix("-p -f -d -P", "-e -v"),
    "mosh": Prefix("-p --ssh --port", "", 1),
    "adb": Prefix("-s -t -H -P", "-d -e", 1, after="shell", script=True),
    # tools of an ecosystem
    "direnv": Prefix(operands=2, after="exec"),
    "op": Prefix("", "--", 1, after="run"),
    "aws-vault": Prefix("", "--", 2, after="exec"),
    "doppler": Prefix("", "--", 1, after="run"),
    "uv": Prefix("--with --python -p --group --extra --directory", "--frozen -q", 1, after="run"),
    "rye": Prefix(operands=1, after="run"),
    "poetry": Prefix("", "-q", 1, after="run"),
    "pipenv": Prefix(operands=1, after="run"),
    "bundle": Prefix(operands=1, after="exec"),
    "conda": Prefix("-n -p --name --prefix", "--no-capture-output", 1, after="run"),
    # words from the input
    "parallel": Prefix(
        "-j -a -C -I -n -N -L -S --jobs --colsep --arg-file --delay --timeout --joblog --retries",
        "-k -X -m -0 --bar --progress --dry-run --eta --halt-on-error -v --keep-order",
        script=True,
    ),
    "xargs": Prefix(
        "-I -n -P -L -d -s -E -a -i -l --max-args --max-procs --delimiter --max-lines --replace"
        " --arg-file --max-chars -J -R",
        "-0 -r -t -p -x -o --null --no-run-if-empty --verbose --interactive --exit",
    ),
}
