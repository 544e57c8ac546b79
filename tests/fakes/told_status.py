"""What a daemon with several servers says of itself, and the interfaces it goes by."""

from __future__ import annotations

import copy
from ipaddress import ip_interface
from typing import Any

from cmdai_shell import __version__
from cmdai_shell.discovery.interfaces import Link, Links

LAB = "http://192.168.1.100:8000"
LINKS = Links(
    heard=(
        Link(name="eth0", index=2, addresses=(ip_interface("192.168.1.5/24"),)),
        Link(name="wlan0", index=3, addresses=(ip_interface("10.7.0.9/16"),)),
    ),
    excluded=(Link(name="lo", index=1, addresses=(ip_interface("127.0.0.1/8"),)),),
)
URLS = {"lab/spark:8000": LAB, "cloud/gpu.example.com": "https://gpu.example.com"}


def member(name: str, **other: Any) -> dict[str, Any]:
    return {
        "id": name,
        "environment": "lab",
        "priority": 0,
        "kind": "vllm",
        "model": "Qwen/Qwen2.5-Coder-32B-Instruct",
        "state": "ok",
        "why": "",
        "hint": "",
        "breaker": "closed",
        "retry_in": 0.0,
        "score": 0.21,
        "ttft": 0.21,
        "in_flight": 0,
        "load": {"running": 1, "waiting": 0, "cache_used": 0.1, "generated": None},
        "load_age": 0.4,
        "is_warm": True,
        "is_active": True,
        "is_drained": False,
        **other,
    }


def sight(name: str, url: str, state: str = "candidate", **other: Any) -> dict[str, Any]:
    return {
        "name": name,
        "url": url,
        "kind": "auto",
        "model": "",
        "environment": "",
        "state": state,
        "sources": ["mdns"],
        "story": "",
        "hint": "",
        "also": [],
        **other,
    }


def tried(name: str, why: str = "first", outcome: str = "answered", **other: Any) -> dict[str, Any]:
    return {
        "id": name,
        "why": why,
        "began": 0.0,
        "elapsed": 0.32,
        "outcome": outcome,
        "ttft": 0.2,
        "detail": "",
        **other,
    }


def decision(*asked: dict[str, Any], by: str, **other: Any) -> dict[str, Any]:
    return {
        "strategy": "adaptive",
        "order": [["lab/spark:8000", 0.21]],
        "passed_over": [["desk", "desk: refused"]],
        "is_panic": False,
        "hedge": "",
        "hedge_after": 0.4,
        "tried": list(asked),
        "answered_by": by,
        "elapsed": 0.32,
        "ago_s": 4.0,
        **other,
    }


def trace(number: int, *attempts: dict[str, Any], **other: Any) -> dict[str, Any]:
    """Of a request that a server answered."""
    return {
        "trace_id": f"{number:032x}",
        "at": 1_700_000_000.0 + number,
        "op": "suggest",
        "shell": "zsh",
        "is_running": False,
        "elapsed_ms": 320.5,
        "outcome": "insert",
        "risk": "safe",
        "origin": "server",
        "calls": [{"backend": "lab/spark:8000"}],
        "attempts": list(attempts) or [attempt("lab/spark:8000")],
        **other,
    }


def attempt(name: str, outcome: str = "answered", **other: Any) -> dict[str, Any]:
    return {"id": name, "outcome": outcome, "elapsed_ms": 310.0, "cause": "", **other}


def told() -> dict[str, Any]:
    """A healthy server, one that is down, one of the cloud, one found, one changed."""
    return copy.deepcopy(
        {
            "version": __version__,
            "pid": 4711,
            "started_at": 1_700_000_000.0,
            "uptime_s": 372.0,
            "rss_bytes": 61_000_000,
            "program": "/usr/bin/python3",
            "data_dir": "/home/ada/.local/share/cmdai-shell",
            "config_dir": "/home/ada/.config/cmdai-shell",
            "config_path": "/home/ada/.config/cmdai-shell/config.toml",
            "hooks_seen": [
                {"shell": "zsh", "version": "5.9", "presses": 12, "last_seen_s": 4.0},
                {"shell": "bash", "version": "5.2", "presses": 1, "last_seen_s": 400.0},
            ],
            "model": {"id": "qwen2.5-coder-1.5b", "state": "ready", "last_error": ""},
            "manual": None,
            "history": None,
            "environment": {
                "active": "lab",
                "configured": "auto",
                "reason": "it answers in 12 ms",
            },
            "servers": [
                member("lab/spark:8000"),
                member(
                    "desk",
                    environment="",
                    state="unreachable",
                    why="desk: refused",
                    hint="start it",
                    breaker="open",
                    retry_in=8.0,
                    ttft=0.0,
                    load=None,
                    model="",
                ),
                member(
                    "cloud/gpu.example.com",
                    environment="cloud",
                    ttft=0.9,
                    score=0.9,
                    is_active=False,
                    priority=-1,
                ),
            ],
            "decisions": [decision(tried("lab/spark:8000"), by="lab/spark:8000")],
            "discovery": {
                "problem": "",
                "dropped": 0,
                "sources": [
                    {"name": "mdns", "state": "listening", "problem": "", "hint": "", "known": 3},
                    {
                        "name": "dns:example.org",
                        "state": "failed",
                        "problem": "no name server answers",
                        "hint": "cmdai-shell doctor --only resolver",
                        "known": 0,
                    },
                ],
                "found": [
                    sight("lab/spark:8000", LAB, "approved", sources=["mdns"]),
                    sight("desk", "http://10.7.3.1:8000", "approved"),
                    sight("spark-1a2b:8000", "http://192.168.1.77:8000"),
                    sight(
                        "old:8443",
                        "https://192.168.1.9:8443",
                        "changed",
                        story="it shows another key than the one you trusted",
                    ),
                ],
            },
            "last_request": {
                "op": "suggest",
                "shell": "zsh",
                "backend": "lab/spark:8000",
                "elapsed_ms": 320.5,
                "risk": "safe",
                "outcome": "insert",
                "sent": [],
            },
            "in_flight": 0,
        }
    )
