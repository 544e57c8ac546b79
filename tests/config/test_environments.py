from __future__ import annotations

import pytest

from cmdai_shell.config import Config
from cmdai_shell.config.environment import Address, Environment
from cmdai_shell.config.environments import checked_url, chosen, endpoints, is_near, place
from cmdai_shell.errors import ConfigError


def test_addresses_become_endpoints_best_first() -> None:
    lab = Environment(
        id="home-lab",
        priority=10,
        kind="vllm",
        model="coder",
        endpoints=(
            "http://192.168.1.100:8000/",
            Address(url="https://Spark.local", kind="ollama", model="small", weight=3, name="box"),
            Address(url="http://10.0.0.1:8000/v1", priority=20),
        ),
        fallback_endpoints=("http://192.168.1.200:8000",),
    )
    found = endpoints(lab)
    assert [(e.id, e.url, e.kind, e.model, e.priority, e.weight) for e in found] == [
        ("home-lab/10.0.0.1:8000", "http://10.0.0.1:8000/v1", "vllm", "coder", 20, 1),
        ("home-lab/192.168.1.100:8000", "http://192.168.1.100:8000", "vllm", "coder", 10, 1),
        ("home-lab/box", "https://spark.local", "ollama", "small", 10, 3),
        ("home-lab/192.168.1.200:8000", "http://192.168.1.200:8000", "vllm", "coder", 9, 1),
    ]
    assert {e.environment for e in found} == {"home-lab"}
    assert {e.login for e in found} == {""}


@pytest.mark.parametrize(
    ("keys", "scheme"),
    [
        ({}, "none"),
        ({"api_key_env": "KEY"}, "api_key"),
        ({"api_key_command": "pass show key"}, "api_key"),
        ({"oauth_token_url": "https://id/token", "oauth_client_id_env": "ID"}, "oauth2"),
        ({"oauth_token_url": "https://id/token"}, "none"),
        ({"oidc_issuer": "https://id", "oidc_client_id_env": "ID"}, "oidc"),
        ({"tls_cert_path": "c.pem", "tls_key_path": "k.pem"}, "mtls"),
        ({"tls_cert_path": "c.pem", "tls_key_path": "k.pem", "api_key_env": "KEY"}, "api_key"),
        ({"kind": "sagemaker", "api_key_env": "KEY"}, "aws"),
        ({"auth_type": "none", "api_key_env": "KEY"}, "none"),
        ({"auth_type": "mtls", "api_key_env": "KEY"}, "mtls"),
    ],
)
def test_the_keys_say_which_login_is_meant(keys: dict[str, str], scheme: str) -> None:
    made = Environment(id="lab", endpoints=("https://gpu:8000",), **keys)  # type: ignore[arg-type]
    assert made.scheme == scheme
    assert bool(endpoints(made)[0].login) == (scheme != "none")


def test_servers_of_an_environment_have_the_same_credentials() -> None:
    urls = ("http://10.0.0.1:8000", "http://10.0.0.1:8001")
    lab = Environment(id="lab", endpoints=urls, auth_type="api_key", api_key_env="KEY")
    assert [e.login for e in endpoints(lab)] == ["lab", "lab"]


def test_the_usual_port_is_part_of_the_id_and_ids_are_unique() -> None:
    cloud = Environment(
        id="cloud",
        endpoints=(
            Address(url="https://gpu.example.com", model="a"),
            Address(url="https://gpu.example.com", model="b"),
            "https://[2001:db8::1]",
        ),
    )
    assert [endpoint.id for endpoint in endpoints(cloud)] == [
        "cloud/gpu.example.com:443",
        "cloud/gpu.example.com:443#2",
        "cloud/[2001:db8::1]:443",
    ]


def test_what_only_an_adapter_needs_travels_as_labels() -> None:
    azure = Environment(
        id="a", kind="azure", endpoints=("https://x.example",), deployment="d", api_version="v"
    )
    assert endpoints(azure)[0].labels == {"deployment": "d", "api_version": "v"}


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("http://192.168.1.5:8000/", "http://192.168.1.5:8000"),
        ("HTTPS://GPU.Example.com/v1/", "https://gpu.example.com/v1"),
        ("http://localhost:11434", "http://localhost:11434"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://[fe80::1%25eth0]:8000", "http://[fe80::1%25eth0]:8000"),
        ("http://spark:8000", "http://spark:8000"),
        ("http://100.64.1.2:8000", "http://100.64.1.2:8000"),
    ],
)
def test_an_address_is_put_in_order(url: str, clean: str) -> None:
    assert checked_url(url) == clean


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("192.168.1.5:8000", "begins with http:// or https://: http://192.168.1.5:8000"),
        ("ftp://a:1", "begins with http:// or https://: http://a:1"),
        ("", "begins with http:// or https://: http://HOST:8000"),
        ("http://", "needs a host"),
        ("http://:8000", "needs a host"),
        ("http://a:0", "a port is a number from 1 to 65535"),
        ("http://a:99999", "a port is a number from 1 to 65535"),
        ("http://a:x", "a port is a number from 1 to 65535"),
        ("http://a:", "a port is a number from 1 to 65535"),
        ("http://a b", "without blanks"),
        ("http://a\n", "without blanks"),
        ("http://bücher.example", "plain characters"),
        ("http://[::1", "not an address: "),
        ("http://[::1]x:80", "not an address"),
        ("http://1.2.3.4.5:80", "no name or address of a host"),
        ("http://-a-:80", "no name or address of a host"),
        ("https://a?key=1", "nothing after ? or #"),
        ("https://a#b", "nothing after ? or #"),
        ("http://8.8.8.8:8000", "http:// is for the own network only: use https://"),
        ("https://" + "a" * 3000, "at most 2000"),
    ],
)
def test_what_is_no_address(url: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as error:
        checked_url(url)
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    "url", ["https://me:hunter2@gpu.example.com", "me:hunter2@gpu", "ftp://me:hunter2@gpu"]
)
def test_a_password_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as error:
        checked_url(url)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("127.0.0.1", True),
        ("10.1.2.3", True),
        ("fe80::1%eth0", True),
        ("spark", True),
        ("spark.local", True),
        ("gpu.example.com", False),
        ("8.8.8.8", False),
    ],
)
def test_what_is_near(host: str, near: bool) -> None:
    assert is_near(host) == near


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (Environment(endpoints=("http://192.168.1.5:8000",)), "local"),
        (Environment(discovery_method="mdns"), "local"),
        (Environment(endpoints=("https://gpu.example.com",)), "cloud"),
        (Environment(endpoints=("http://10.0.0.1", "https://gpu.example.com")), "cloud"),
        (Environment(discovery_method="dns_srv", dns_srv_record="x"), "cloud"),
        (Environment(discovery_method="k8s_service"), "enterprise"),
        (Environment(endpoints=("https://gpu.corp.example",), auth_type="oidc"), "enterprise"),
        (Environment(endpoints=("https://gpu.example.com",), place="local"), "local"),
    ],
)
def test_where_an_environment_is(environment: Environment, expected: str) -> None:
    assert place(environment) == expected


def test_the_environment_that_was_asked_for() -> None:
    lab, cloud = Environment(id="lab"), Environment(id="cloud")
    config = Config(active_environment="lab", environments={"lab": lab, "cloud": cloud})
    assert chosen(config) is lab
    assert chosen(config, "cloud") is cloud
    assert chosen(config, "auto") is None
    assert chosen(config, "none") is None
    with pytest.raises(ConfigError, match=r"no environment 'clod': did you mean cloud?"):
        chosen(config, "clod")
    with pytest.raises(ConfigError, match="no environment 'x': choose of: lab, cloud"):
        chosen(config, "x")


def test_pins_are_a_list_however_they_are_written() -> None:
    assert Environment(cert_pinning_sha256="a").pins == ("a",)
    assert Environment(cert_pinning_sha256=("a", "b")).pins == ("a", "b")
    assert Environment(cert_pinning_sha256="a", cert_pinning_enabled=False).pins == ()


def test_how_a_server_is_asked_travels_with_its_address() -> None:
    lab = Environment(
        id="lab", endpoints=("http://a",), timeout_ms=900, retry_count=4, retry_backoff_ms=50,
        metrics_port=9102,
    )  # fmt: skip
    (found,) = endpoints(lab)
    assert (found.timeout, found.retries, found.backoff) == (0.9, 4, 0.05)
    assert found.labels == {"metrics_port": "9102"}
    (usual,) = endpoints(Environment(id="lab", endpoints=("http://a",)))
    assert (usual.timeout, usual.retries, usual.labels) == (5, 2, {})


def test_an_address_that_was_only_typed_goes_by_its_url():
    """So that what is said of it can be typed again: `backends test http://...`."""
    (endpoint,) = endpoints(Environment(endpoints=("http://127.0.0.1:9",)))
    assert endpoint.id == "http://127.0.0.1:9"
