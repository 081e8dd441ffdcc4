"""The manifests in contrib/kubernetes, against the schemas of Kubernetes and Knative and against the service itself."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import click
import httpx
import jsonschema
import kubernetes_validate
import pytest
import yaml

from api.certificates import write_pair
from noghost.api.keys import OPEN_PATHS
from noghost.cli.main import cli
from noghost.cli.settings import effective
from noghost.config import DEFAULT_PORT, Config
from noghost.keys.store import Store
from running import running

MANIFESTS = Path(__file__).parents[2] / "contrib" / "kubernetes"
VERSIONS = ("1.30", "1.37")  # the oldest that is meant, and the newest whose schema is here
KNATIVE = json.loads(Path(__file__).with_name("knative-serving-v1.json").read_text("utf-8"))
ONLY_KNATIVE = ("containerConcurrency", "timeoutSeconds", "idleTimeoutSeconds", "responseStartTimeoutSeconds")
Object = dict[str, Any]


def parsed(arguments: list[str]) -> Config:
    """What `noghost serve` makes of them; click raises for one that it does not know."""
    command = cli.get_command(click.Context(cli), arguments[0])
    assert command is not None
    with command.make_context("serve", arguments[1:]) as context:
        return effective(**context.params).config


def objects(name: str) -> list[Object]:
    return list(yaml.safe_load_all((MANIFESTS / name).read_text("utf-8")))


def the(kind: str) -> Object:
    return next(one for one in objects("noghost.yaml") if one["kind"] == kind)


def pod(of: Object) -> Object:
    """As a Pod of core/v1: Knative's own fields left out, and its probes given the port that it fills in."""
    template = copy.deepcopy(of["spec"]["template"])
    spec = {name: value for name, value in template["spec"].items() if name not in ONLY_KNATIVE}
    for container in spec["containers"]:
        container["readinessProbe"]["httpGet"].setdefault("port", container["ports"][0]["name"])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "made"}, "spec": spec}


DEPLOYMENT, SERVICE, ON_DEMAND = the("Deployment"), the("Service"), objects("knative.yaml")[0]
PODS = {"deployment": pod(DEPLOYMENT), "knative": pod(ON_DEMAND)}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_has_the_form_that_kubernetes_wants(version: str) -> None:
    found = objects("noghost.yaml")
    assert sorted(one["kind"] for one in found) == ["Deployment", "NetworkPolicy", "PersistentVolumeClaim", "Service"]
    for one in [*found, *PODS.values()]:
        kubernetes_validate.validate(one, version, strict=True)


def test_a_mistake_would_be_found() -> None:
    """The control: an unknown field, and a value of another type, deep inside."""
    for change in ({"readOnlyRootFileSystem": True}, {"readOnlyRootFilesystem": "yes"}):
        broken = copy.deepcopy(DEPLOYMENT)
        broken["spec"]["template"]["spec"]["containers"][0]["securityContext"] |= change
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)
    with pytest.raises(click.UsageError):
        parsed(["serve", "--no-such-option=1"])


def test_the_knative_service_has_no_field_that_knative_refuses() -> None:
    jsonschema.validate(ON_DEMAND, KNATIVE)
    for field in ("terminationGracePeriodSeconds", "restartPolicy"):
        broken = copy.deepcopy(ON_DEMAND)
        broken["spec"]["template"]["spec"][field] = 1
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, KNATIVE)


@pytest.mark.parametrize("name", PODS)
def test_the_pod_may_do_nothing_that_it_need_not(name: str) -> None:
    """The fields that the restricted Pod Security Standard asks for, and a root that nobody writes to."""
    spec, container = PODS[name]["spec"], PODS[name]["spec"]["containers"][0]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"} & spec.keys()
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["volumes"]}


@pytest.mark.parametrize("name", PODS)
def test_the_arguments_are_the_services_and_its_memory_is_enough(name: str) -> None:
    container = PODS[name]["spec"]["containers"][0]
    config = parsed(container["args"])
    assert (config.port, config.reachable, config.asks_keys) == (DEFAULT_PORT, True, True)
    assert config.port == container["ports"][0]["containerPort"]
    assert (config.tls is not None) == (name == "deployment")
    limits = config.limits
    assert limits.memory_bytes >= 3 * limits.capsule_bytes + 200_000_000, "docs/limits.md"
    given = int(container["resources"]["limits"]["memory"].removesuffix("Gi")) << 30
    assert given >= config.most_seats * limits.memory_bytes + (1 << 30)
    assert container["resources"]["limits"] == container["resources"]["requests"], "the class that is never swapped"
    assert int(container["resources"]["limits"]["cpu"]) == config.threads


@pytest.mark.parametrize("name", PODS)
def test_probes_ask_by_http_what_is_open_to_everybody(name: str) -> None:
    container = PODS[name]["spec"]["containers"][0]
    probes = [container[kind] for kind in container if kind.endswith("Probe")]
    assert len(probes) == (3 if name == "deployment" else 1)
    for probe in probes:
        assert probe["httpGet"]["path"] in OPEN_PATHS
        assert probe["httpGet"]["port"] == container["ports"][0]["name"]
        assert probe["httpGet"].get("scheme", "HTTP") == ("HTTPS" if name == "deployment" else "HTTP")


@pytest.mark.slow
@pytest.mark.parametrize("name", PODS)
def test_a_service_with_these_arguments_says_to_these_probes_that_it_is_ready(name: str, tmp_path: Path) -> None:
    """Run here, with the mounts where the container has them; the keys are those of the secret."""
    container = PODS[name]["spec"]["containers"][0]
    write_pair(tmp_path)
    here = {"/tls/tls.crt": "certificate.pem", "/tls/tls.key": "key.pem", "/data/ledger": "ledger"}
    arguments = []
    for argument in container["args"][1:]:
        option, _, value = argument.partition("=")
        value = str(tmp_path / here[value]) if value in here else value
        arguments += [f"{option}={value}" if value else option] if option != "--port" else []
    key, _ = Store(tmp_path / "noghost" / "keys" / "hashes").add("a caller")
    body = {"prompt": "a", "max_tokens": 1}
    with running(tmp_path, *arguments) as service, httpx.Client(verify=False) as client:
        client.base_url = httpx.URL(service.url).copy_with(host="127.0.0.1")
        for kind in (one for one in container if one.endswith("Probe")):
            assert client.get(container[kind]["httpGet"]["path"]).status_code == httpx.codes.OK
        assert client.post("/v1/completions", json=body).status_code == httpx.codes.UNAUTHORIZED
        answered = client.post("/v1/completions", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=60)
        assert answered.status_code == httpx.codes.OK
        assert len(list((tmp_path / "ledger").iterdir())) > 0


def test_tls_passes_through_at_layer_4_to_the_one_pod() -> None:
    assert not [one for one in objects("noghost.yaml") if one["kind"] in ("Ingress", "HTTPRoute")]
    (port,) = SERVICE["spec"]["ports"]
    container = DEPLOYMENT["spec"]["template"]["spec"]["containers"][0]
    assert (port["protocol"], port["targetPort"]) == ("TCP", container["ports"][0]["name"])
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    for selector in (SERVICE["spec"]["selector"], DEPLOYMENT["spec"]["selector"]["matchLabels"]):
        assert selector.items() <= labels.items()
    assert the("NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert (DEPLOYMENT["spec"]["replicas"], DEPLOYMENT["spec"]["strategy"]) == (1, {"type": "Recreate"})
