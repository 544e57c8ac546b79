"""examples/kubernetes, ray and gateway: what they say of each other agrees, and schemas take it.

CMDAI_TEST_KUBERNETES   a Python with kubernetes-validate (schemas of Kubernetes itself)
CMDAI_TEST_CRDS         a folder with the CRDs of the Gateway API, its Inference Extension, Envoy
                        Gateway and Envoy AI Gateway
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cmdai_shell import config
from cmdai_shell.backends import REMOTE

EXAMPLES = Path(__file__).parent.parent / "examples"
FOLDERS = ("kubernetes", "ray", "gateway")
KUBERNETES = os.environ.get("CMDAI_TEST_KUBERNETES", "")
CRDS = os.environ.get("CMDAI_TEST_CRDS", "")
MANIFESTS = [
    EXAMPLES / "kubernetes/vllm.yaml",
    EXAMPLES / "kubernetes/inference-pool.yaml",
    EXAMPLES / "gateway/envoy-ai-gateway.yaml",
]
VALIDATE = """
import pathlib, sys, jsonschema, kubernetes_validate, yaml

def closed(schema):
    '''Unknown fields are pruned by an API server without a word; here they are an error.'''
    if isinstance(schema, dict):
        schema = {key: closed(value) for key, value in schema.items()}
        fixed = "properties" in schema and schema.get("type") == "object"
        if fixed and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
        if schema.get("x-kubernetes-int-or-string"):
            schema.pop("type", None)
    elif isinstance(schema, list):
        schema = [closed(value) for value in schema]
    return schema

folder, *files = map(pathlib.Path, sys.argv[1:])
crds = {}
for path in folder.glob("*.yaml"):
    for crd in yaml.safe_load_all(path.read_text()):
        for version in crd["spec"]["versions"]:
            group, kind = crd["spec"]["group"], crd["spec"]["names"]["kind"]
            schema = version["schema"]["openAPIV3Schema"]
            schema["properties"]["metadata"] = {"type": "object"}
            crds[f"{group}/{version['name']}", kind] = closed(schema)
count = 0
for path in files:
    for document in yaml.safe_load_all(path.read_text()):
        key = document["apiVersion"], document["kind"]
        if key in crds:
            jsonschema.validate(document, crds[key])
        else:
            newest = kubernetes_validate.latest_version()
            kubernetes_validate.validate(document, newest, strict=True)
        count += 1
print(count, "manifests")
"""


def documents(path: Path) -> list[dict[str, Any]]:
    return [found for found in yaml.safe_load_all(path.read_text()) if found]


def named(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """By kind and name."""
    found = documents(path)
    by_name = {(one["kind"], one["metadata"]["name"]): one for one in found}
    assert len(by_name) == len(found), "a name is there twice"
    return by_name


def labels(deployment: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = deployment["spec"]["template"]["metadata"]["labels"]
    return found


def test_every_example_can_be_read():
    for folder in FOLDERS:
        for path in (EXAMPLES / folder).glob("*.yaml"):
            assert documents(path), path
        assert (EXAMPLES / folder / "README.md").exists()


@pytest.mark.parametrize("folder", FOLDERS)
def test_its_environment_is_a_valid_one(folder: str, tmp_path: Path):
    path = tmp_path / "environments" / f"{folder}.toml"
    path.parent.mkdir()
    path.write_text((EXAMPLES / folder / "environment.toml").read_text())
    found = config.load(tmp_path / "config.toml", environ={})
    (environment,) = found.environments.values()
    assert environment.endpoints


def test_the_service_is_what_discovery_looks_for():
    found = named(MANIFESTS[0])
    service, deployment = found["Service", "vllm"], found["Deployment", "vllm"]
    told = service["metadata"]["annotations"]
    assert told["cmdai.ai/backend-type"] in REMOTE
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert f"--served-model-name={told['cmdai.ai/model']}" in container["args"]
    (port,) = service["spec"]["ports"]
    assert port["name"] == "inference"
    assert port["targetPort"] in [one["name"] for one in container["ports"]]
    assert service["spec"]["selector"].items() <= labels(deployment).items()


def test_the_pool_has_the_pods_and_its_picker():
    vllm, found = named(MANIFESTS[0]), named(MANIFESTS[1])
    pool = found["InferencePool", "vllm"]["spec"]
    assert pool["selector"]["matchLabels"].items() <= labels(vllm["Deployment", "vllm"]).items()
    reference = pool["endpointPickerRef"]
    service = found["Service", reference["name"]]["spec"]
    assert reference["port"]["number"] in [port["port"] for port in service["ports"]]
    assert service["selector"].items() <= labels(found["Deployment", "vllm-picker"]).items()
    route = found["HTTPRoute", "vllm"]["spec"]
    assert ("Gateway", route["parentRefs"][0]["name"]) in found
    assert ("InferencePool", route["rules"][0]["backendRefs"][0]["name"]) in found


def test_every_reference_of_the_gateway_leads_somewhere():
    found = named(MANIFESTS[2])
    route = found["AIGatewayRoute", "coder"]["spec"]
    for reference in route["rules"][0]["backendRefs"]:
        backend = found["AIServiceBackend", reference["name"]]["spec"]["backendRef"]
        assert (backend["kind"], backend["name"]) in found
    for kind in ("BackendTLSPolicy", "BackendSecurityPolicy"):
        for target in found[kind, "cloud"]["spec"]["targetRefs"]:
            assert (target["kind"], target["name"]) in found
    assert found["BackendTrafficPolicy", "coder"]["spec"]["targetRefs"][0]["name"] == "coder"


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.skipif(
    not (KUBERNETES and CRDS), reason="no schemas: CMDAI_TEST_KUBERNETES and CMDAI_TEST_CRDS"
)
def test_published_schemas_take_the_manifests():
    command = [KUBERNETES, "-c", VALIDATE, CRDS, *map(str, MANIFESTS)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-3000:]
    assert found.stdout == f"{sum(len(documents(path)) for path in MANIFESTS)} manifests\n"
