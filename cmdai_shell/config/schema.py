"""Every key of ``config.toml``: its type, bounds, default and one sentence of documentation.

The structs are the only list of keys there is: loading, ``config set``, the environment variables
and the help text are derived from them through ``KEYS``.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  msgspec reads the annotations
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cmdai_shell.config.environment import Command, Environment  # noqa: TC001
from cmdai_shell.config.table import Key, Table, keys_of

__all__ = ["KEYS", "SECTIONS", "Config", "Key"]

Level = Literal["strict", "moderate", "permissive"]
Engine = Literal["llama-cpp", "llama-server"]


class Rule(Table, frozen=True):
    """One of the person's own safety rules."""

    match: Annotated[str, Meta(min_length=1, description="regular expression, searched for")]
    risk: Literal["safe", "caution", "dangerous", "critical"]
    reason: Annotated[str, Meta(min_length=1, description="the sentence shown beside the command")]


class Safety(Table, frozen=True):
    allow: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(description="commands that are never warned about"),
    ] = ()
    rules: Annotated[
        tuple[Rule, ...],
        Meta(description="your own rules: match (regular expression), risk, reason"),
    ] = ()


class Suggest(Table, frozen=True):
    deadline_ms: Annotated[
        int, Meta(ge=500, le=600_000, description="a press that has no answer by then has failed")
    ] = 30_000
    max_alternatives: Annotated[
        int, Meta(ge=0, le=9, description="further suggestions that a second press can reach")
    ] = 3
    share_cwd: Annotated[
        bool,
        Meta(description="tell the model the current folder's name; small models repeat it"),
    ] = False
    share_listing: Annotated[
        bool,
        Meta(description="tell a large model what the files in the current folder are called"),
    ] = False
    share_history: Annotated[
        bool,
        Meta(description="tell servers, too, what you made of suggestions for such words before"),
    ] = False
    recipes: Annotated[
        int,
        Meta(ge=0, le=8, description="recipes near the request that the model is shown (large: 8)"),
    ] = 2


class Embedded(Table, frozen=True):
    engine: Annotated[
        Engine, Meta(description="llama-cpp (built in) or llama-server (an installed program)")
    ] = "llama-cpp"
    model: Annotated[
        str, Meta(min_length=1, description="id from `cmdai-shell model list`, or auto")
    ] = "auto"
    lora: Annotated[
        bool, Meta(description="use what was learnt from recipes beside a known model's weights")
    ] = True
    threads: Annotated[
        int, Meta(ge=0, le=512, description="threads of the model; 0 chooses from the cores")
    ] = 0
    context_tokens: Annotated[
        int, Meta(ge=512, le=32_768, description="tokens the model can look back on")
    ] = 2048
    idle_unload_s: Annotated[
        int,
        Meta(ge=0, description="seconds without a press until the model leaves memory; 0 keeps it"),
    ] = 900


class Caching(Table, frozen=True):
    enabled: Annotated[bool, Meta(description="keep answers at all")] = True
    cache_identical_requests: Annotated[
        bool, Meta(description="answer the same words in the same place from the cache")
    ] = True
    cache_ttl_s: Annotated[int, Meta(ge=0, description="seconds an answer stays good")] = 300
    cache_max_entries: Annotated[int, Meta(ge=0, description="answers kept at most")] = 100


class Manual(Table, frozen=True):
    enabled: Annotated[
        bool,
        Meta(description="index this machine's man pages, to check options and to explain them"),
    ] = True


class History(Table, frozen=True):
    enabled: Annotated[
        bool,
        Meta(description="keep what became of suggestions, on this machine, and learn from it"),
    ] = True
    max_entries: Annotated[
        int, Meta(ge=1, le=100_000, description="suggestions kept at most; the oldest go first")
    ] = 2_000


Network = Annotated[str, Meta(min_length=1, max_length=255)]


class Discovery(Table, frozen=True):
    """Who is listened to, and whom of those found the person trusts unseen."""

    mdns: Annotated[
        bool, Meta(description="listen for servers that announce themselves in the own network")
    ] = True
    service_types: Annotated[
        tuple[Network, ...],
        Meta(max_length=32, description="kinds of service that are listened for (mDNS)"),
    ] = (
        "_inference._tcp.local",
        "_cmdai-dgx._tcp.local",
        "_ollama._tcp.local",
        "_openai._tcp.local",
        "_vllm._tcp.local",
        "_llm._tcp.local",
        "_lmstudio._tcp.local",
        "_saturn._tcp.local",
    )
    exclude_interfaces: Annotated[
        tuple[Network, ...],
        Meta(max_length=64, description="network interfaces that are left alone, with * and ?"),
    ] = (
        "docker*",
        "br-*",
        "veth*",
        "virbr*",
        "vmnet*",
        "cni*",
        "flannel*",
        "cali*",
        "tun*",
        "wg*",
        "tailscale*",
        "zt*",
        "utun*",
        "lo",
        "lo0",
    )
    dns_domains: Annotated[
        tuple[Network, ...],
        Meta(
            max_length=16,
            description="domains whose SRV records are asked for; search: the resolver's own",
        ),
    ] = ()
    dns_servers: Annotated[
        tuple[Network, ...],
        Meta(max_length=8, description="name servers to ask, with :PORT if need be; empty: system"),
    ] = ()
    kubernetes: Annotated[bool, Meta(description="look for annotated services in the cluster")] = (
        False
    )
    kubernetes_context: Annotated[
        str, Meta(max_length=255, description="context of the kubeconfig; empty: its current one")
    ] = ""
    kubernetes_namespaces: Annotated[
        tuple[Network, ...],
        Meta(max_length=64, description="namespaces to look in; empty: the context's own"),
    ] = ()
    trust_subnets: Annotated[
        tuple[Network, ...],
        Meta(
            max_length=64,
            description="servers announced in these networks (10.1.2.0/24) are used unasked",
        ),
    ] = ()
    trust_domains: Annotated[
        tuple[Network, ...],
        Meta(max_length=64, description="servers of these domains' SRV records are used unasked"),
    ] = ()
    trust_namespaces: Annotated[
        tuple[Network, ...],
        Meta(max_length=64, description="servers in these Kubernetes namespaces are used unasked"),
    ] = ()


class Metrics(Table, frozen=True):
    """Counted are they always; this is who else may read them."""

    enabled: Annotated[
        bool, Meta(description="let Prometheus read them at http://127.0.0.1:PORT/metrics")
    ] = False
    port: Annotated[
        int, Meta(ge=1, le=65_535, description="the port of this machine they are read at")
    ] = 9464


class Tracing(Table, frozen=True):
    propagate: Annotated[
        bool, Meta(description="tell servers the request's random trace id (W3C traceparent)")
    ] = True
    keep_on_disk: Annotated[
        bool, Meta(description="write traces to the log folder too; no words are in them")
    ] = False
    otlp_endpoint: Annotated[
        str,
        Meta(
            max_length=2_000,
            description="send traces to this OpenTelemetry collector (http://127.0.0.1:4318)",
        ),
    ] = ""
    otlp_words: Annotated[
        bool,
        Meta(description="put what you typed and the command into the traces that are sent"),
    ] = False


class Audit(Table, frozen=True):
    enabled: Annotated[
        bool,
        Meta(description="log what was suggested, on this machine, as long as history is kept"),
    ] = True


class Auth(Table, frozen=True):
    """Where the credentials of all environments are kept."""

    credential_store: Annotated[
        Literal["auto", "keychain", "file", "encrypted-file"],
        Meta(
            description="where keys and tokens are kept: keychain, file, encrypted-file; auto: the "
            "keychain, or without one the file"
        ),
    ] = "auto"
    passphrase_command: Annotated[
        Command,
        Meta(description="prints the passphrase of encrypted-file: a program and its arguments"),
    ] = ""


class EnvironmentDetection(Table, frozen=True):
    """What ``active_environment = "auto"`` goes by."""

    prefer_local_network: Annotated[
        bool, Meta(description="a server in this network goes before one that is far")
    ] = True
    fallback_to_cloud: Annotated[
        bool, Meta(description="a cloud environment may be chosen when nothing nearer answers")
    ] = True
    max_latency_ms: Annotated[
        int,
        Meta(ge=1, le=60_000, description="a local server slower than this is not preferred"),
    ] = 100


class LoadBalancing(Table, frozen=True):
    """The DGX plan's keys and two of ours. Three defaults are not the plan's: ``strategy`` (its
    round_robin asks the slowest as often as the fastest), ``failover_timeout_ms`` (its 5 s a server
    breaks its own 5 s for everything once two servers fail) and ``success_threshold`` (its two
    look-ups of /health prove less than one computation)."""

    strategy: Annotated[
        Literal["adaptive", "priority", "round_robin", "latency_based", "random", "sticky"],
        Meta(
            description="who is asked first: adaptive, priority, round_robin, latency_based, "
            "random, sticky"
        ),
    ] = "adaptive"
    health_check_enabled: Annotated[
        bool, Meta(description="look after servers between presses")
    ] = True
    health_check_interval_s: Annotated[
        int, Meta(ge=1, le=86_400, description="seconds between two looks at a server")
    ] = 60
    health_check_timeout_ms: Annotated[
        int, Meta(ge=50, le=60_000, description="a look that takes longer has failed")
    ] = 2_000
    health_check_endpoint: Annotated[
        str,
        Meta(pattern="^(auto|/[!-~]*)$", description="path to look at; auto: by kind of server"),
    ] = "auto"
    health_check_expected_status: Annotated[
        int, Meta(ge=100, le=599, description="what a healthy server answers there")
    ] = 200
    failure_threshold: Annotated[
        int, Meta(ge=1, le=100, description="failures in a row until a server is left alone")
    ] = 3
    success_threshold: Annotated[
        int, Meta(ge=1, le=100, description="handshakes in a row until it is asked again")
    ] = 1
    failover_enabled: Annotated[bool, Meta(description="ask the next server when one fails")] = True
    failover_timeout_ms: Annotated[
        int,
        Meta(
            ge=500, le=600_000, description="until then, all servers together; then the own model"
        ),
    ] = 4_500
    hedge_budget_percent: Annotated[
        int,
        Meta(ge=0, le=100, description="presses that may ask a second server when one is late"),
    ] = 5
    max_attempts: Annotated[
        int, Meta(ge=1, le=20, description="servers asked for one press at most")
    ] = 3


class Config(Table, frozen=True):
    """The whole configuration. ``config.load`` makes it; nothing else should."""

    safety_level: Annotated[
        Level, Meta(description="what is done with a risky command: strict, moderate, permissive")
    ] = "moderate"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="how much the daemon logs")
    ] = "info"
    default_shell: Annotated[
        Literal["bash", "zsh", "fish"],
        Meta(description="shell to write for when the request does not name one"),
    ] = "bash"
    cache_max_size_gb: Annotated[
        int,
        Meta(
            ge=1, le=1_000, description="most that the cache folder may hold; what is oldest goes"
        ),
    ] = 10
    active_environment: Annotated[
        str,
        Meta(min_length=1, description="name of an environment; auto: by what answers; none"),
    ] = "auto"
    safety: Safety = msgspec.field(default_factory=Safety)
    suggest: Suggest = msgspec.field(default_factory=Suggest)
    embedded: Embedded = msgspec.field(default_factory=Embedded)
    caching: Caching = msgspec.field(default_factory=Caching)
    manual: Manual = msgspec.field(default_factory=Manual)
    history: History = msgspec.field(default_factory=History)
    discovery: Discovery = msgspec.field(default_factory=Discovery)
    metrics: Metrics = msgspec.field(default_factory=Metrics)
    tracing: Tracing = msgspec.field(default_factory=Tracing)
    audit: Audit = msgspec.field(default_factory=Audit)
    auth: Auth = msgspec.field(default_factory=Auth)
    environment_detection: EnvironmentDetection = msgspec.field(
        default_factory=EnvironmentDetection
    )
    load_balancing: LoadBalancing = msgspec.field(default_factory=LoadBalancing)
    environments: Mapping[str, Environment] = msgspec.field(
        default_factory=lambda: MappingProxyType({})
    )
    """By name: of the inline table or import in ``config.toml``, else of the file."""


KEYS = keys_of(Config)
SECTIONS = {name.partition(".")[0] for name in KEYS if "." in name}
