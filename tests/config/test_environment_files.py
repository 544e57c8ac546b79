from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import pytest

from cmdai_shell.backends import REMOTE
from cmdai_shell.config import Config, load
from cmdai_shell.config.environment import ENVIRONMENT_KEYS, Address, Environment, Kind
from cmdai_shell.config.loading import load_in_use, load_with_origins, parse, sources
from cmdai_shell.errors import ConfigError

URL = 'endpoints = ["http://10.0.0.1:8000"]\n'
PIN = "a" * 64

OTHER: dict[str, tuple[str, object]] = {
    "name": ('"My lab"', "My lab"),
    "place": ('"cloud"', "cloud"),
    "endpoints": ('["http://a", {url = "http://b"}]', ("http://a", Address(url="http://b"))),
    "fallback_endpoints": ('["http://a"]', ("http://a",)),
    "kind": ('"vllm"', "vllm"),
    "model": ('"m"', "m"),
    "chat_template": ('"chatml"', "chatml"),
    "timeout_ms": ("900", 900),
    "priority": ("-3", -3),
    "retry_count": ("0", 0),
    "retry_backoff_ms": ("2000", 2000),
    "health_check_interval_s": ("30", 30),
    "auth_type": ('"api_key"', "api_key"),
    "api_key_env": ('"LAB_KEY"', "LAB_KEY"),
    "allow_http_credentials": ("true", True),
    "api_key_command": ('["pass", "show"]', ("pass", "show")),
    "api_key_header": ('"X-Api-Key"', "X-Api-Key"),
    "region": ('"eu-west-1"', "eu-west-1"),
    "deployment": ('"d"', "d"),
    "api_version": ('"2024-10-21"', "2024-10-21"),
    "metrics_port": ("9102", 9102),
    "discovery_method": ('"mdns"', "mdns"),
    "service_type": ('"_inference._tcp.local"', "_inference._tcp.local"),
    "dns_srv_record": ('"_cmdai._tcp.x"', "_cmdai._tcp.x"),
    "k8s_namespace": ('"ml"', "ml"),
    "k8s_service_name": ('"s"', "s"),
    "oauth_token_url": ('"https://a/token"', "https://a/token"),
    "oauth_client_id_env": ('"ID"', "ID"),
    "oauth_client_secret_env": ('"SECRET"', "SECRET"),
    "oauth_scope": ('"x"', "x"),
    "token_refresh_before_expiry_s": ("60", 60),
    "oidc_issuer": ('"https://sso"', "https://sso"),
    "oidc_client_id_env": ('"ID"', "ID"),
    "oidc_scope": ('"infer"', "infer"),
    "oidc_redirect_uri": ('"http://localhost:1/x"', "http://localhost:1/x"),
    "tls_ca_path": ('"~/ca.crt"', "~/ca.crt"),
    "tls_cert_path": ('"~/c.crt"', "~/c.crt"),
    "tls_key_path": ('"~/c.key"', "~/c.key"),
    "cert_pinning_enabled": ("false", False),
    "cert_pinning_sha256": (f'["{PIN}", "sha256/{"A" * 43}="]', (PIN, f"sha256/{'A' * 43}=")),
}
"""For each key a value that is not its default: as TOML, and loaded."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "environments").mkdir()
    return tmp_path / "config.toml"


def put(path: Path, name: str, text: str) -> Path:
    file = path.parent / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as error:
        load(path, {})
    return str(error.value).replace(f"{path.parent}/", "")


def test_every_key_is_tried_here() -> None:
    assert set(OTHER) == set(ENVIRONMENT_KEYS)


def test_every_kind_of_server_has_its_adapter() -> None:
    assert set(get_args(Kind)) == set(REMOTE)


@pytest.mark.parametrize("key", OTHER)
def test_each_key_is_loaded(path: Path, key: str) -> None:
    text, expected = OTHER[key]
    needed = {"tls_key_path": 'tls_cert_path = "x"\n'}.get(key, "")
    addresses = "" if key == "endpoints" else 'endpoints = ["https://a"]\n'
    put(path, "environments/lab.toml", f"{needed}{addresses}{key} = {text}\n")
    found = load(path, {}).environments["lab"]
    assert getattr(found, key) == expected != ENVIRONMENT_KEYS[key].default


def test_the_samples_of_the_dgx_plan_are_valid(path: Path) -> None:
    put(
        path,
        "config.toml",
        f"""
active_environment = "auto"

[environments.home-lab]
name = "Home Lab DGX"
discovery_method = "mdns"
service_type = "_cmdai-dgx._tcp.local"
fallback_endpoints = ["http://192.168.1.100:8000"]
auth_type = "api_key"
api_key_env = "CMDAI_HOME_DGX_KEY"
timeout_ms = 5000
priority = 10

[environments.cloud-prod]
name = "Production Cloud DGX"
discovery_method = "dns_srv"
dns_srv_record = "_cmdai._tcp.dgx.example.com"
endpoints = ["https://dgx-cloud.example.com:443"]
auth_type = "oauth2"
oauth_token_url = "https://auth.example.com/token"
oauth_client_id_env = "CMDAI_OAUTH_CLIENT_ID"
oauth_client_secret_env = "CMDAI_OAUTH_CLIENT_SECRET"
timeout_ms = 15000
retry_count = 3
retry_backoff_ms = 2000
cert_pinning_sha256 = "{PIN}"
priority = 5

[environments.corp-on-prem]
discovery_method = "k8s_service"
k8s_namespace = "ml-inference"
k8s_service_name = "cmdai-dgx-cluster"
endpoints = ["https://dgx-cluster.corp.internal"]
auth_type = "oidc"
oidc_issuer = "https://sso.corp.internal"
oidc_client_id_env = "CMDAI_OIDC_CLIENT_ID"
tls_cert_path = "/etc/pki/tls/certs/corp-ca.crt"
tls_key_path = "/etc/pki/tls/private/cmdai.key"
timeout_ms = 10000
priority = 8
health_check_interval_s = 30

[environments.manual-config]
endpoints = [
    "http://192.168.1.100:8000",
    "http://192.168.1.101:8000",
    "https://dgx-backup.example.com:443"
]

[environments]
office-lan = {{ import = "environments/office-lan.toml" }}
""",
    )
    put(path, "environments/office-lan.toml", URL)
    found = load(path, {}).environments
    assert list(found) == [
        "home-lab",
        "cloud-prod",
        "corp-on-prem",
        "manual-config",
        "office-lan",
    ]
    assert found["home-lab"].title == "Home Lab DGX"
    assert found["cloud-prod"].pins == (PIN,)


class TestWhereTheyAre:
    def test_a_file_is_named_by_itself(self, path: Path) -> None:
        put(path, "environments/home-lab.toml", URL + 'name = "At home"\n')
        found = load(path, {}).environments["home-lab"]
        assert (found.id, found.title) == ("home-lab", "At home")

    def test_an_import_gives_it_another_name_and_is_not_read_twice(self, path: Path) -> None:
        put(path, "config.toml", '[environments]\nlab = { import = "environments/x.toml" }\n')
        put(path, "environments/x.toml", URL)
        assert list(load(path, {}).environments) == ["lab"]

    def test_own_keys_go_over_imported_ones(self, path: Path) -> None:
        put(path, "config.toml", '[environments.lab]\nimport = "base.toml"\ntimeout_ms = 900\n')
        put(path, "base.toml", 'import = "deeper/b.toml"\ntimeout_ms = 800\nretry_count = 1\n')
        put(path, "deeper/b.toml", URL + "retry_count = 9\npriority = 4\n")
        lab = load(path, {}).environments["lab"]
        assert (lab.timeout_ms, lab.retry_count, lab.priority) == (900, 1, 4)
        origins = load_with_origins(path, {}).origins
        assert origins["environments.lab.timeout_ms"] == f"{path}:3"
        assert origins["environments.lab.retry_count"] == f"{path.parent}/base.toml:3"
        assert origins["environments.lab.priority"] == f"{path.parent}/deeper/b.toml:3"
        assert origins["environments.lab.kind"] == "default"

    def test_what_is_no_environment_in_the_folder(self, path: Path) -> None:
        put(path, "environments/.lab.toml", "what an editor leaves")
        put(path, "environments/README.md", "words")
        put(path, "environments/lab.toml~", "words")
        assert load(path, {}) == Config()

    def test_the_folder_may_be_absent_or_no_folder(self, tmp_path: Path) -> None:
        assert load(tmp_path / "config.toml", {}) == Config()
        (tmp_path / "environments").write_text("")
        assert load(tmp_path / "config.toml", {}) == Config()

    def test_all_files_that_count_are_known(self, path: Path) -> None:
        put(path, "config.toml", '[environments]\nlab = { import = "base.toml" }\n')
        put(path, "environments/a.toml", URL)
        base = path.parent / "base.toml"
        assert sources(path) == (path, base, path.parent / "environments" / "a.toml")
        put(path, "base.toml", "import = 'base.toml'")
        assert set(sources(path)) == {path, base, path.parent / "environments" / "a.toml"}
        put(path, "config.toml", "[[[")
        assert sources(path) == (path, path.parent / "environments" / "a.toml")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (URL + "timeout = 3", "2: unknown key timeout: did you mean timeout_ms?"),
        (URL + "api_key = 'x'", "2: unknown key api_key: did you mean api_key_env?"),
        (URL + "colour = 3", "2: unknown key colour: cmdai-shell config schema --environment"),
        ("[environment]\n" + URL, "1: unknown key environment: in a file of its own an"),
        (URL + "id = 'x'", "2: unknown key id"),
        (URL + "timeout_ms = '3'", '2: timeout_ms = "3": expected a whole number, got text'),
        (URL + "kind = 'vlm'", '2: kind = "vlm": choose auto, vllm, nim, '),
        ("endpoints = 3", "1: endpoints = 3: expected a list, got a whole number"),
        (
            "endpoints = [\n'http://a',\n3]",
            "1: endpoints[1]: expected text or a table, got a whole",
        ),
        ("endpoints = ['a:8000']", "1: endpoints[0]: an address begins with http:// or https://"),
        (
            URL + "[[fallback_endpoints]]\nurl='x'",
            "3: fallback_endpoints[0].url: an address begins",
        ),
        (URL + "[[fallback_endpoints]]\nmodel='x'", "2: fallback_endpoints[0]: url is missing"),
        (
            URL + "[[fallback_endpoints]]\nurl='http://a'\nmodle='x'",
            "4: fallback_endpoints[0].modle: unknown key: did you mean model?",
        ),
        (
            "[[endpoints]]\nurl='http://a'\nkind='x'",
            "3: endpoints[0].kind: choose auto, vllm, nim, ",
        ),
        ("kind = 'vllm'", "1: endpoints: needed for static"),
        ("name = 'x'\nendpoints = []", "2: endpoints: needed for static"),
        (URL + "discovery_method = 'dns_srv'", "2: dns_srv_record: needed for dns_srv"),
        (
            URL + "discovery_method = 'k8s_service'",
            "2: k8s_service_name: needed for k8s_service: a line such as: k8s_service_name = ",
        ),
        (URL + "auth_type = 'oidc'", "2: oidc_issuer: needed for oidc"),
        (URL + "kind = 'sagemaker'", "2: region: needed for sagemaker"),
        (URL + "tls_key_path = 'a'", "2: tls_cert_path: needed beside tls_key_path"),
        (URL + "tls_ca_path = 'a\\u0000'".replace("'", '"'), "2: tls_ca_path: expected the name"),
        (URL + "cert_pinning_sha256 = 'abc'", "2: cert_pinning_sha256: a sha256 is 64 hexa"),
        (URL + f"cert_pinning_sha256 = '{PIN}'", "2: cert_pinning_sha256: an http:// address has"),
        (URL + "api_key_env = 'a b'", "2: api_key_env: expected the name of an environment var"),
        (URL + "api_key_header = 'a b'", "2: api_key_header: expected text matching"),
        (URL + "oidc_issuer = 'sso'", "2: oidc_issuer: an address begins with http:// or https://"),
        ("import = 3\n" + URL, "1: import: expected the name of a file"),
        ("import = ''\n" + URL, "1: import: expected the name of a file"),
        ("a = [", "1: not valid TOML: "),
    ],
)
def test_a_refusal_names_file_line_key_and_cure(path: Path, text: str, sentence: str) -> None:
    put(path, "environments/lab.toml", text)
    assert refusal(path).startswith(f"environments/lab.toml:{sentence}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("environments = 3", "config.toml:1: environments is a section: write [environments.NAME]"),
        ("[environments]\nlab = 3", "config.toml:2: environments.lab is a table"),
        (
            "\n[environments.lab]\nendpoints = ['http://a']\ntimeout = 3",
            "config.toml:4: unknown key environments.lab.timeout: did you mean timeout_ms?",
        ),
        ("[environments.auto]", "config.toml:1: an environment cannot be called 'auto'"),
        ("[environments.'a.b']", "config.toml:1: an environment cannot be called 'a.b'"),
        (
            "[environments]\nlab = {import = 'gone.toml'}",
            "config.toml:2: environments.lab.import: gone.toml does not exist",
        ),
        ("[environments.lab]\nimport = 'config.toml'", "config.toml:2: imports go round in a circ"),
        ("active_environment = 'lab'", "config.toml:1: active_environment: no environment 'lab'"),
    ],
)
def test_what_is_wrong_in_config_toml(path: Path, text: str, sentence: str) -> None:
    put(path, "config.toml", text)
    assert refusal(path).startswith(sentence)


def test_imports_that_go_round_in_a_circle(path: Path) -> None:
    put(path, "environments/lab.toml", "import = '../a.toml'")
    put(path, "a.toml", "import = 'b.toml'")
    put(path, "b.toml", "import = 'a.toml'")
    assert refusal(path).startswith("b.toml:1: imports go round in a circle: ")


def test_an_error_in_an_imported_file_names_that(path: Path) -> None:
    put(path, "config.toml", "[environments]\nlab = {import = 'base.toml'}")
    put(path, "base.toml", URL + "timeout_ms = 1")
    assert refusal(path).startswith("base.toml:2: timeout_ms = 1: expected a whole number >= 100")


def test_two_of_one_name(path: Path) -> None:
    put(path, "config.toml", "[environments.lab]\n" + URL)
    put(path, "environments/lab.toml", URL)
    said = refusal(path)
    assert said.startswith("environments/lab.toml: there is another environment 'lab', in config")


def test_the_variable_is_named_when_it_asks_for_what_is_not_there(path: Path) -> None:
    put(path, "environments/lab.toml", URL)
    with pytest.raises(ConfigError, match=r"^\$CMDAI_ACTIVE_ENVIRONMENT: active_environment: no "):
        load(path, {"CMDAI_ACTIVE_ENVIRONMENT": "lap"})
    assert load(path, {"CMDAI_ACTIVE_ENVIRONMENT": "lab"}).active_environment == "lab"


@pytest.mark.parametrize(
    "key", [*sorted(k for k in ENVIRONMENT_KEYS if k.endswith("_env")), "api_key_header"]
)
def test_a_secret_in_the_wrong_place_is_not_repeated(path: Path, key: str) -> None:
    for value in ("'sk hunter2'", "['hunter2']", "{hunter = 'hunter2'}", "271828"):
        put(path, "environments/lab.toml", f"{URL}{key} = {value}")
        said = refusal(path)
        assert key in said
        assert "hunter2" not in said
        assert "271828" not in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read(path: Path) -> None:
    put(path, "environments/lab.toml", URL).chmod(0)
    assert refusal(path).startswith("cannot read environments/lab.toml: permission denied")


def test_a_link_that_leads_to_itself(path: Path) -> None:
    (path.parent / "environments" / "lab.toml").symlink_to("lab.toml")
    assert refusal(path).startswith("cannot read environments/lab.toml: too many levels of")


def test_a_text_alone_is_checked_without_following_imports() -> None:
    assert parse("[environments]\nlab = {import = 'gone.toml'}\n") == {}
    with pytest.raises(ConfigError, match="unknown key environments"):
        parse("[environments.lab]\nendpoint = 1\n")


def test_an_environment_cannot_change_under_its_reader(path: Path) -> None:
    put(path, "environments/lab.toml", URL)
    config = load(path, {})
    with pytest.raises(TypeError):
        config.environments["x"] = Environment()  # type: ignore[index]
    with pytest.raises(AttributeError):
        config.environments["lab"].kind = "vllm"  # type: ignore[misc]


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["home-lab", "office", "cloud", "enterprise"])
def test_the_example_files_are_valid(path: Path, name: str) -> None:
    text = (ROOT / "examples" / "environments" / f"{name}.toml").read_text()
    put(path, f"environments/{name}.toml", text)
    assert load(path, {}).environments[name].name


@pytest.mark.parametrize("wrong", ["endpoints = [nothing]\n", "endpoints = 3\n"])
@pytest.mark.parametrize("active", ["box", "none", "auto", "zz"])
def test_while_one_is_named_another_that_is_wrong_is_left_out(
    tmp_path: Path, wrong: str, active: str
) -> None:
    main, folder = tmp_path / "config.toml", tmp_path / "environments"
    main.write_text(f"active_environment = '{active}'\n")
    folder.mkdir()
    (folder / "box.toml").write_text("endpoints = ['http://gpu:1']\n")
    (folder / "zz.toml").write_text(wrong)
    if active in ("box", "none"):
        assert list(load_in_use(main, {}).environments) == ["box"]
    else:
        with pytest.raises(ConfigError, match=r"zz\.toml"):
            load_in_use(main, {})
    with pytest.raises(ConfigError, match=r"zz\.toml"):
        load(main, {})
