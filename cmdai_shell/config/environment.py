"""Every key of an environment: a place with servers, as ``environments/NAME.toml`` describes it.

Names and meanings are those of the DGX plan.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from cmdai_shell.config.table import Table, keys_of

Kind = Literal[
    "auto",
    "vllm",
    "nim",
    "sglang",
    "trtllm",
    "llama.cpp",
    "ollama",
    "lmstudio",
    "ray",
    "triton-openai",
    "azure",
    "openai",
    "tgi",
    "triton",
    "sagemaker",
]
"""The software of a server."""

ChatTemplate = Literal[
    "",
    "chatml",
    "qwen3",
    "llama3",
    "mistral",
    "mistral-v7",
    "gemma",
    "harmony",
    "deepseek",
    "deepseek-r1",
    "phi3",
    "phi4",
    "phi4-mini",
]
"""Families of prompts' forms, as ``backends.templates`` has them; empty: by the model's name."""

OWNERS = {
    "vllm": "vllm",
    "sglang": "sglang",
    "llamacpp": "llama.cpp",
    "library": "ollama",
    "tensorrt_llm": "trtllm",
    "Triton Inference Server": "triton-openai",
    "organization_owner": "lmstudio",
}
"""``owned_by`` of a model -> kind, as each server's source has it. "system" is NIM 1.x, but also
OpenAI's."""

Discovery = Literal["static", "mdns", "dns_srv", "k8s_service"]
Scheme = Literal["none", "api_key", "mtls", "oauth2", "oidc", "azure", "aws"]
"""The plan's, and the two clouds' own chains, of which nothing is written down here."""
Auth = Literal["auto"] | Scheme
Command = str | tuple[str, ...]
"""A program and its arguments; text is split as a shell would."""
Place = Literal["local", "cloud", "enterprise"]


class Address(Table, frozen=True, omit_defaults=True):
    """A server, where its address alone does not say enough. What is left out is the
    environment's."""

    url: Annotated[str, Meta(description="http:// or https://, host, and a port if it is unusual")]
    kind: Annotated[Kind | None, Meta(description="the server's software")] = None
    model: Annotated[str, Meta(description="the model to ask it for")] = ""
    name: Annotated[
        str,
        Meta(
            pattern="^([A-Za-z0-9][A-Za-z0-9._-]{0,62})?$",
            description="what it is called in status; letters, digits, . _ -",
        ),
    ] = ""
    weight: Annotated[
        int, Meta(ge=1, le=1_000, description="share of requests beside servers of its priority")
    ] = 1
    priority: Annotated[
        Annotated[int, Meta(ge=-1_000, le=1_000)] | None,
        Meta(description="its own; a higher one is asked first"),
    ] = None


def _text(description: str) -> Meta:
    return Meta(max_length=4_096, description=description)


OAUTH_SCOPE = "cmdai.inference"


class Environment(Table, frozen=True):
    """A named place with servers. ``config.load`` makes it, checked; nothing else should."""

    id: str = ""
    """The name it goes by everywhere: the table's in ``config.toml``, or the file's. No key."""
    name: Annotated[str, _text("what you call it: any words")] = ""
    place: Annotated[
        Literal["auto", "local", "cloud", "enterprise"],
        Meta(description="where it is; auto: by its addresses, its discovery and its login"),
    ] = "auto"
    endpoints: Annotated[
        tuple[str | Address, ...],
        Meta(
            max_length=256,
            description="addresses of servers: text, or tables of "
            "url, kind, model, name, weight, priority",
        ),
    ] = ()
    fallback_endpoints: Annotated[
        tuple[str | Address, ...],
        Meta(max_length=256, description="asked when none of the others answers"),
    ] = ()
    kind: Annotated[
        Kind, Meta(description="the servers' software; auto: they are asked what they are")
    ] = "auto"
    model: Annotated[str, _text("the model to ask for; empty: the server's first")] = ""
    chat_template: Annotated[
        ChatTemplate,
        Meta(
            description="family of the prompt's form, for servers that apply none; empty: by model"
        ),
    ] = ""
    timeout_ms: Annotated[
        int, Meta(ge=100, le=600_000, description="an answer that takes longer has failed")
    ] = 5_000
    priority: Annotated[
        int, Meta(ge=-1_000, le=1_000, description="a higher one is asked first")
    ] = 0
    retry_count: Annotated[
        int, Meta(ge=0, le=10, description="tries of the same server again, if no other is left")
    ] = 2
    retry_backoff_ms: Annotated[int, Meta(ge=0, le=60_000, description="wait before that")] = 100
    health_check_interval_s: Annotated[
        int, Meta(ge=0, le=86_400, description="as in load_balancing; 0: what is set there")
    ] = 0
    auth_type: Annotated[
        Auth,
        Meta(
            description="how requests say who asks: none, api_key, mtls, oauth2, oidc; azure, aws: "
            "as those clouds' own tools are logged in; auto: by the keys that are set"
        ),
    ] = "auto"
    api_key_env: Annotated[
        str, _text("environment variable that holds the API key; empty: the credential store")
    ] = ""
    api_key_command: Annotated[
        Command, Meta(description="prints the API key: a program and its arguments, text or list")
    ] = ""
    allow_http_credentials: Annotated[
        bool,
        Meta(description="a key or token may go over plain http inside the own network"),
    ] = False
    api_key_header: Annotated[
        str,
        Meta(
            pattern="^[!#$%&'*+.^_`|~0-9A-Za-z-]{0,64}$",
            description="header that carries it; empty: the usual one of that kind of server",
        ),
    ] = ""
    region: Annotated[str, _text("for kind sagemaker: the AWS region")] = ""
    deployment: Annotated[str, _text("for kind azure: the deployment's name")] = ""
    api_version: Annotated[str, _text("for kind azure: its api-version, in the older form")] = ""
    metrics_port: Annotated[
        int, Meta(ge=0, le=65_535, description="for kind triton: its --metrics-port; 0: 8002")
    ] = 0
    discovery_method: Annotated[
        Discovery,
        Meta(description="static: at endpoints; mdns, dns_srv, k8s_service: found there, too"),
    ] = "static"
    service_type: Annotated[str, _text("mdns: the service to look for")] = "_cmdai-dgx._tcp.local"
    dns_srv_record: Annotated[str, _text("dns_srv: the record's name")] = ""
    k8s_namespace: Annotated[str, _text("k8s_service: its namespace")] = "default"
    k8s_service_name: Annotated[str, _text("k8s_service: its name")] = ""
    oauth_token_url: Annotated[str, _text("oauth2: where tokens are given out")] = ""
    oauth_client_id_env: Annotated[str, _text("oauth2: variable that holds the client id")] = ""
    oauth_client_secret_env: Annotated[
        str, _text("oauth2: variable that holds the client secret")
    ] = ""
    oauth_scope: Annotated[
        str, _text("oauth2: scopes, by blanks; azure: if it is set, the one scope")
    ] = OAUTH_SCOPE
    token_refresh_before_expiry_s: Annotated[
        int, Meta(ge=0, le=86_400, description="oauth2, oidc, azure: renew so long before")
    ] = 300
    oidc_issuer: Annotated[str, _text("oidc: the identity provider")] = ""
    oidc_client_id_env: Annotated[str, _text("oidc: variable that holds the client id")] = ""
    oidc_scope: Annotated[
        str, _text("oidc: further scopes, by blanks, beyond openid, offline_access, email, profile")
    ] = ""
    oidc_redirect_uri: Annotated[str, _text("oidc: where the browser returns to")] = (
        "http://localhost:8888/callback"
    )
    tls_ca_path: Annotated[str, _text("file of the authority to trust")] = ""
    tls_cert_path: Annotated[str, _text("mtls: file of our certificate")] = ""
    tls_key_path: Annotated[str, _text("mtls: file of its key")] = ""
    cert_pinning_enabled: Annotated[bool, Meta(description="check the pins")] = True
    cert_pinning_sha256: Annotated[
        str | tuple[str, ...],
        Meta(description="sha256 of the servers' keys, one or a list"),
    ] = ()

    @property
    def title(self) -> str:
        """Its name for a person."""
        return self.name or self.id

    @property
    def scheme(self) -> Scheme:
        """``auth_type``; where it is left out, what the other keys are for. SageMaker takes nothing
        but AWS's signature, so there none means aws."""
        given = self.auth_type
        if given in ("auto", "none") and self.kinds == {"sagemaker"}:
            return "aws"
        return self._implied if given == "auto" else given

    @property
    def _implied(self) -> Scheme:
        if self.oidc_issuer and self.oidc_client_id_env:
            return "oidc"
        if self.oauth_token_url and self.oauth_client_id_env:
            return "oauth2"
        if self.api_key_env or self.api_key_command:
            return "api_key"
        return "mtls" if self.tls_cert_path and self.tls_key_path else "none"

    @property
    def kinds(self) -> frozenset[Kind]:
        """Of the servers that are written down."""
        written = (*self.endpoints, *self.fallback_endpoints)
        own = (at.kind for at in written if isinstance(at, Address))
        return frozenset(kind or self.kind for kind in own) | (
            {self.kind} if not written or any(isinstance(at, str) for at in written) else set()
        )

    @property
    def pins(self) -> tuple[str, ...]:
        """``cert_pinning_sha256`` as a tuple, empty where pinning is switched off."""
        given = self.cert_pinning_sha256
        pins = (given,) if isinstance(given, str) else given
        return pins if self.cert_pinning_enabled else ()


ENVIRONMENT_KEYS = keys_of(Environment)
