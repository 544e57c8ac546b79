"""Containers, clusters and virtual machines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.safety.rules.rule import (
    CAUTION,
    CRITICAL,
    DANGEROUS,
    Finding,
    Options,
    Row,
    from_rows,
    line,
)
from cmdai_shell.safety.script import Word, names, spoken

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cmdai_shell.core import Risk
    from cmdai_shell.safety.rules.rule import Check
    from cmdai_shell.safety.script import Call

_COMPOSE = Word("compose")
_DATA = "deletes volumes with the data in them"
_ROWS = (
    Row(
        "system prune",
        DANGEROUS,
        "deletes every image and container that is not running",
        "a|all",
        "docker system df",
    ),
    Row("system prune", DANGEROUS, _DATA, "volumes", "docker system df"),
    Row(
        "system|builder|buildx|container|network|image prune", CAUTION, "deletes what is not in use"
    ),
    Row(
        "system reset",
        DANGEROUS,
        "deletes every container, image and volume",
        safer="podman system df",
    ),
    Row(
        "image prune",
        DANGEROUS,
        "deletes every image that no container uses",
        "a|all",
        "docker image ls",
    ),
    Row("volume prune", DANGEROUS, _DATA, safer="docker volume ls"),
    Row("volume rm|remove", DANGEROUS, _DATA, safer="docker volume ls"),
    Row("compose down|rm", DANGEROUS, _DATA, "v|volumes", "docker compose down"),
    Row("compose down", CAUTION, "deletes its images too", "rmi"),
    Row("compose down|stop|kill|rm|restart", CAUTION, "stops the services of this project"),
    Row("swarm leave", DANGEROUS, "takes this machine out of its cluster", "f|force"),
    Row(
        "stack|service|secret|config|node rm|remove|down", DANGEROUS, "removes it from the cluster"
    ),
    Row("context|plugin|manifest rm|remove", CAUTION, "removes settings"),
    Row("machine rm|reset", DANGEROUS, "deletes a machine with all its containers"),
    Row("rm|rmi|stop|kill|restart|pause", CAUTION, "stops or removes containers or images"),
    Row(
        "container|image|pod|network rm|remove|stop|kill|restart",
        CAUTION,
        "stops or removes containers or images",
    ),
    Row("push", CAUTION, "publishes an image"),
)


def _docker(call: Call) -> Iterator[Finding]:
    options = Options(call)
    if call.program in ("docker-compose", "podman-compose"):
        options.operands.insert(0, _COMPOSE)
    for row in _ROWS:
        if row.matches(options):
            safer = row.safer
            yield Finding(
                row.risk,
                row.reason,
                safer.replace("docker", call.program, 1)
                if call.program in ("podman", "nerdctl")
                else safer,
            )
    verbs = options.texts[:2]
    many = any(word.sources for word in call.args) or "xargs" in call.wrappers
    forced = options.has("f", "force") or "kill" in verbs
    if {"rm", "rmi", "kill"} & set(verbs) and (options.has("a", "all") or (many and forced)):
        yield Finding(
            DANGEROUS, "removes all containers or images at once", f"{call.program} ps -a"
        )
    if {"run", "create"} & set(verbs):
        yield from _started(call, options)


def _started(call: Call, options: Options) -> Iterator[Finding]:
    if options.has("privileged"):
        yield Finding(DANGEROUS, "gives the container the rights of root on this machine")
    for word in call.args:
        if word.text in ("--pid=host", "--cap-add=ALL", "--cap-add=SYS_ADMIN", "--userns=host"):
            yield Finding(DANGEROUS, "takes down the wall between the container and this machine")
    texts = [word.text for word in call.args]
    for source, goal in dict.fromkeys(_mounts(texts)):
        if source == "/":
            inside = " ".join(texts)
            harms = re.search(
                rf"\b(?:rm|chroot|dd|mkfs\S*|chmod|chown|tee|shred)\b.*{re.escape(goal)}", inside
            )
            yield Finding(
                CRITICAL if harms else DANGEROUS,
                "changes the whole system from inside a container"
                if harms
                else "lets the container change the whole system",
            )
        elif source in ("/etc", "/root", "/boot", "/usr", "/dev", "/var", "/home"):
            yield Finding(DANGEROUS, f"lets the container change {source}")
        elif source.endswith("docker.sock"):
            yield Finding(CAUTION, "lets the container start others with any rights")


def _mounts(texts: list[str]) -> Iterator[tuple[str, str]]:
    """(here, inside) of ``-v here:inside[:ro]`` and ``--mount source=…,target=…``."""
    for at, text in enumerate(texts):
        value = ""
        if at and texts[at - 1] in ("-v", "--volume", "--mount"):
            value = text
        elif text.startswith(("--volume=", "--mount=")):
            value = text.partition("=")[2]
        if "=" in value:
            fields = dict(part.partition("=")[::2] for part in value.split(","))
            source = fields.get("source") or fields.get("src", "")
            goal = fields.get("target") or fields.get("dst") or fields.get("destination", "")
            value = f"{source}:{goal}" + (":ro" if "readonly" in fields else "")
        parts = value.split(":")
        if len(parts) > 1 and "ro" not in parts[2:]:
            yield parts[0].rstrip("/") or "/", parts[1]


_VITAL_KINDS = names(
    "ns namespace namespaces node nodes no pv persistentvolume persistentvolumes crd crds "
    "customresourcedefinition customresourcedefinitions project projects storageclass sc "
    "cluster clusters"
)
_HOLDS_DATA = names("pvc persistentvolumeclaim persistentvolumeclaims statefulset sts statefulsets")
_COMES_BACK = names("pod pods po job jobs event events ev lease replicaset rs")


_DRY = frozenset({"--dry-run", "--dry-run=client", "--dry-run=server", "--dry-run=true"})


def _kubectl(call: Call) -> Iterator[Finding]:
    options = Options(call)
    texts = options.texts
    dry = any(word.text in _DRY for word in call.args)
    if not texts or dry:
        return
    verb = texts[0]
    if verb == "delete":
        yield from _deleted(call, options)
    elif verb == "drain":
        yield Finding(
            DANGEROUS,
            "moves everything off a machine of the cluster",
            line("kubectl drain --dry-run=client", options.operands[1:]),
        )
    elif verb == "scale" and any(w.text in ("--replicas=0", "0") for w in call.args):
        yield Finding(DANGEROUS, "stops a service by taking all its copies away")
    elif verb in ("replace", "apply") and options.has("force", "prune"):
        yield Finding(DANGEROUS, "deletes objects of the cluster before it makes them anew")
    elif verb in _CHANGING and not _looks(texts, options):
        yield Finding(CAUTION, "changes what runs in the cluster")


def _looks(texts: Sequence[str], options: Options) -> bool:
    """``rollout status``, ``rollout history`` and ``set env --list`` only tell."""
    second = texts[1] if len(texts) > 1 else ""
    return (texts[0] == "rollout" and second in ("status", "history")) or (
        texts[0] == "set" and second == "env" and options.has("list")
    )


_CHANGING = names(
    "apply create patch edit replace scale set label annotate cordon uncordon taint "
    "autoscale expose run rollout cp adm"
)


def _deleted(call: Call, options: Options) -> Iterator[Finding]:
    named = options.operands[1:]
    kinds = _kinds(named)
    everything = options.has("all") or "xargs" in call.wrappers
    everywhere = "all-namespaces" in options.long or options.has("A")
    what = spoken(" ".join(word.text for word in named)) or "what a file describes"
    risk: Risk = DANGEROUS
    if kinds & _VITAL_KINDS or (everything and (everywhere or kinds & {*_HOLDS_DATA, "all"})):
        risk = CRITICAL
    elif kinds and kinds <= _COMES_BACK and not everything:
        risk = CAUTION
    safer = line("kubectl get", named) if named and not everything else ""
    yield Finding(risk, f"deletes {what} from the cluster", safer)


def _kinds(named: list[Word]) -> set[str]:
    """``delete ns,pods x`` and ``delete ns/x deploy/y``."""
    first = named[0].text.lower() if named else ""
    if any("/" in word.text for word in named):
        return {word.text.lower().partition("/")[0] for word in named}
    return {kind.partition(".")[0] for kind in first.split(",") if kind}


_CLUSTER = "deletes a whole cluster with all that runs in it"
_MACHINE = "deletes a virtual machine with its disk"

_OFF = Row("stop|shutdown|reboot|reset|suspend", CAUTION, "stops or restarts a machine")

CHECKS: dict[str, Check] = {
    **dict.fromkeys(("docker", "podman", "nerdctl", "docker-compose", "podman-compose"), _docker),
    **dict.fromkeys(("kubectl", "oc", "k", "microk8s.kubectl"), _kubectl),
    "helm": from_rows(
        Row(
            "uninstall|delete|del|un",
            DANGEROUS,
            "removes a release and what it runs",
            safer="helm list",
        ),
        Row("install|upgrade|rollback", CAUTION, "changes what runs in the cluster"),
    ),
    "minikube": from_rows(
        Row("delete", DANGEROUS, _CLUSTER), Row("stop", CAUTION, "stops the cluster")
    ),
    "kind": from_rows(Row("delete", DANGEROUS, _CLUSTER, safer="kind get clusters")),
    "k3d": from_rows(Row("cluster delete", DANGEROUS, _CLUSTER, safer="k3d cluster list")),
    "kubeadm": from_rows(
        Row("reset", CRITICAL, "takes this machine out of its cluster and deletes its data")
    ),
    "eksctl": from_rows(
        Row("delete cluster", CRITICAL, _CLUSTER),
        Row("delete", DANGEROUS, "deletes a part of the cluster"),
    ),
    "k3s-uninstall.sh": from_rows(Row("", CRITICAL, _CLUSTER)),
    "etcdctl": from_rows(
        Row("del", CRITICAL, "deletes the cluster's own data", "prefix|from-key"),
        Row("del", DANGEROUS, "deletes the cluster's own data"),
        Row("member remove", DANGEROUS, "removes a member of the store"),
    ),
    "flux": from_rows(Row("delete|uninstall", DANGEROUS, "removes what it runs in the cluster")),
    "argocd": from_rows(Row("app delete", DANGEROUS, "removes an application and what it runs")),
    "vagrant": from_rows(
        Row("destroy", DANGEROUS, _MACHINE, safer="vagrant status"),
        Row("halt|reload|suspend", CAUTION, "stops a virtual machine"),
    ),
    "virsh": from_rows(
        Row(
            "undefine|vol-delete|pool-delete|pool-destroy",
            DANGEROUS,
            _MACHINE,
            safer="virsh list --all",
        ),
        Row("destroy", DANGEROUS, "switches a virtual machine off at once"),
        Row("shutdown|reboot|suspend", CAUTION, "stops a virtual machine"),
    ),
    "multipass": from_rows(Row("delete|purge", DANGEROUS, _MACHINE, safer="multipass list")),
    "lxc": from_rows(Row("delete|rm", DANGEROUS, _MACHINE, safer="lxc list")),
    "incus": from_rows(Row("delete|rm", DANGEROUS, _MACHINE, safer="incus list")),
    "VBoxManage": from_rows(Row("unregistervm", DANGEROUS, _MACHINE, "delete")),
    "qm": from_rows(Row("destroy", DANGEROUS, _MACHINE, safer="qm list"), _OFF),
    "pct": from_rows(Row("destroy", DANGEROUS, _MACHINE, safer="pct list"), _OFF),
    "machinectl": from_rows(
        Row("remove|clean", DANGEROUS, _MACHINE, safer="machinectl list-images"),
        Row("terminate|kill|poweroff|reboot|stop", CAUTION, "stops or restarts a machine"),
    ),
    "crictl": from_rows(
        Row("rm|rmp|rmi|stop|stopp", CAUTION, "stops or removes containers or images")
    ),
    "lxc-stop": from_rows(Row("", CAUTION, "stops a machine")),
}
