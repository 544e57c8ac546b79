"""Checks of the language model and of what computes it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from cmdai_shell.backends.embedded.catalog import GB, catalog, default_for
from cmdai_shell.backends.embedded.store import Store
from cmdai_shell.diagnose.check import Check, fail, ok, warn
from cmdai_shell.diagnose.packages import install_line
from cmdai_shell.diagnose.surroundings import LLAMA_S
from cmdai_shell.errors import DaemonUnavailable, ModelUnavailable

if TYPE_CHECKING:
    from cmdai_shell.backends.embedded.catalog import ModelFile
    from cmdai_shell.diagnose.check import Finding
    from cmdai_shell.diagnose.surroundings import Said, Surroundings

IN_USE = 1.7
"""Memory in use for each byte of the file: 1.9 GB for the 1.1 GB of qwen2.5-coder-1.5b
(models/README.md); smaller ones take less."""
PACKAGE = "llama-cpp-python"
SMALLER = "qwen2.5-coder-0.5b"
ROOM = GB // 5
"""Bytes of disk for logs and evaluated prefixes."""
VERIFY_S = 600.0


def model(around: Surroundings) -> Finding:
    """Present and of the right size; which one is the configuration's choice."""
    try:
        found = _chosen(around)
    except ModelUnavailable:
        if who := _server_that_answers(around):
            return ok(f"none is here, and none is needed while {who} answers")
        raise
    return ok(f"{found.id} is here, {found.size / GB:.1f} GB")


def _server_that_answers(around: Surroundings) -> str:
    """As far as the daemon knows; empty if there is none."""
    try:
        servers = around.daemon().get("servers") or ()
    except DaemonUnavailable:
        return ""
    well = (one["id"] for one in servers if one["is_active"] and one["state"] in ("ok", "slow"))
    return next(well, "")


def digest(around: Surroundings) -> Finding:
    """Reads the whole file: only when asked for."""
    return ok(f"{_store(around).verify(_chosen(around).id).id} is what the publisher made")


def memory(around: Surroundings) -> Finding:
    try:
        found = _chosen(around)
    except ModelUnavailable:
        return ok("no model to hold")  # the check of the model says so
    have, need = around.available_memory + _held_by_worker(around), int(found.size * IN_USE)
    if have >= need:
        return ok(f"{have / GB:.1f} GB for a model that takes up to {need / GB:.1f} GB")
    what = f"{found.id} takes up to {need / GB:.1f} GB, {have / GB:.1f} GB are free"
    cure = "close something large"
    if found.id != SMALLER:
        cure = f"cmdai-shell model pull {SMALLER} && cmdai-shell model use {SMALLER}"
    return fail(what, cure) if have < found.size else warn(what, cure)


def disk(around: Surroundings) -> Finding:
    """Room for the model if there is none, else for what grows."""
    free = around.free_disk(around.data_dir)
    need = ROOM
    try:
        _chosen(around)
    except ModelUnavailable:
        wanted = around.settings().embedded.model
        entry = catalog().get(wanted) or catalog().get(default_for(around.available_memory)[0])
        need += entry.size if entry else 0
    what = f"{free / GB:.1f} GB are free at {around.data_dir}, {need / GB:.1f} GB are needed"
    return (
        ok(what)
        if free >= need
        else fail(what, "let CMDAI_DATA_DIR name a folder on a larger disk")
    )


def engine(around: Surroundings) -> Finding:
    """Loading it in a process of its own also finds a build for another CPU, which dies."""
    if around.settings().embedded.engine == "llama-server":
        program = around.which("llama-server")
        return (
            ok(program)
            if program
            else fail("there is no llama-server on PATH", install_line("llama-server", around))
        )
    said = around.llama()
    if said.code == 0:
        return ok("llama-cpp-python can be loaded")
    return fail(f"llama-cpp-python cannot be loaded: {_reason(said)}", _rebuild(around))


def openmp(around: Surroundings) -> Finding:
    """Without it llama.cpp's threads spin while they wait, and starve beside other work."""
    said = around.llama()
    if not _built_in(around) or "OPENMP = 1" in said.out:
        return ok("the model's threads wait passively")
    cure = f"{install_line('openmp', around)} && {_rebuild(around)}"
    return warn("llama.cpp was built without OpenMP: slow while other programs work", cure)


def cpu(around: Surroundings) -> Finding:
    if around.machine not in {"x86_64", "AMD64"} or not around.cpu_flags:
        return ok(f"{around.machine} is what llama.cpp was built for here")
    if "avx2" not in around.cpu_flags:
        smaller = f"cmdai-shell model pull {SMALLER} && cmdai-shell model use {SMALLER}"
        return warn("this CPU has no AVX2: the model is slow here", smaller)
    said = around.llama()
    if _built_in(around) and "AVX2 = 1" not in said.out:
        return warn("the CPU has AVX2, and llama.cpp was built without", _rebuild(around))
    return ok("the CPU has AVX2")


def _built_in(around: Surroundings) -> bool:
    """Whether llama.cpp is the library in our own process tree, and could be asked."""
    return around.settings().embedded.engine == "llama-cpp" and around.llama().code == 0


def _reason(said: Said) -> str:
    if said.code is None:
        return said.err
    if said.code < 0:
        return f"it died of signal {-said.code}; built for another CPU?"
    return said.err.strip().rpartition("\n")[2] or f"exit code {said.code}"


def _rebuild(around: Surroundings) -> str:
    python = shlex.quote(around.python)
    options = f"--force-reinstall --no-cache-dir --no-binary {PACKAGE}"
    line = f"{python} -m pip install {options} {PACKAGE}"
    compilers = ("c++", "g++", "clang++")
    if any(map(around.which, compilers)):
        return line
    return f"{install_line('compiler', around)} && {line}"


def _chosen(around: Surroundings) -> ModelFile:
    return _store(around).chosen(around.settings().embedded.model)


def _store(around: Surroundings) -> Store:
    return Store(around.data_dir, default=lambda: default_for(around.available_memory))


def _held_by_worker(around: Surroundings) -> int:
    """Bytes that a model which is loaded already holds, and would not need again."""
    try:
        return int(around.daemon().get("model", {}).get("rss_bytes") or 0)
    except DaemonUnavailable:
        return 0


CHECKS = (
    Check("model", model),
    Check("memory", memory),
    Check("disk", disk),
    Check("engine", engine, LLAMA_S + 5),
    Check("openmp", openmp, LLAMA_S + 5),
    Check("cpu", cpu, LLAMA_S + 5),
)
VERIFY = Check("model-digest", digest, VERIFY_S)
