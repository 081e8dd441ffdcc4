"""contrib/haproxy: three services behind HAProxy (Debian's), which passes TLS through; one is killed under load."""

from __future__ import annotations

import hashlib
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import httpx
import pytest
import yaml
from openai import APIConnectionError, OpenAI

from api.certificates import write_pair
from engine.families import source_of
from fuzz.tiny_kinds import filling, glm
from noghost.client.receipts import open_existing
from noghost.config import DEFAULT_PORT
from running import Service, running, wait_for

HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
CONTRIB = Path(__file__).parents[2] / "contrib"
FILE = (CONTRIB / "haproxy" / "haproxy.cfg").read_text("utf-8")
READY_S = 30.0
CALLERS = 9
MODELS = [f"m{number}.models.example" for number in range(9)]
LARGE = "large.models.example"  # the model that not all nodes have
NAMES = ("a", "b", "c")
QUESTION = {"role": "user", "content": "Tell me a long story."}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(HAPROXY is None, reason="no HAProxy here: apt-get install haproxy"),
]


@dataclass(frozen=True)
class Balanced:
    """HAProxy's port, and what stands behind it."""

    port: int
    services: dict[str, Service]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


@contextmanager
def balancing(folder: Path, services: dict[str, Service]) -> Iterator[Balanced]:
    """The file as it is shipped, with other addresses; all of its servers ready."""
    port, text = free_port(), FILE
    for number, service in enumerate(services.values(), 11):
        text = text.replace(f"10.0.0.{number}:8462", service.url.removeprefix("https://"))
    text = text.replace("bind :8462", f"bind 127.0.0.1:{port}")
    assert "10.0.0." not in text
    (folder / "haproxy.cfg").write_text(text)
    command = [str(HAPROXY), "-db", "-f", str(folder / "haproxy.cfg")]
    with (folder / "haproxy.log").open("w") as log:
        process = subprocess.Popen(command, stderr=log, stdout=log)
    try:
        wait_for(lambda: accepts(port), READY_S, "HAProxy")
        yield Balanced(port, services)
    finally:
        process.terminate()
        process.wait(READY_S)


def accepts(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def three(
    folder: Path, *options: str, shared: bool, each: Mapping[str, tuple[str, ...]] = MappingProxyType({})
) -> Iterator[dict[str, Service]]:
    """Services on loopback addresses of their own, `each` with options of its own; `shared`: with one certificate, as
    callers need it."""
    tls = write_pair(folder)
    with ExitStack() as held:
        found = {}
        for number, name in enumerate(NAMES, 11):
            (home := folder / name).mkdir()
            tls = tls if shared else write_pair(home)
            found[name] = held.enter_context(
                running(home, "--host", f"127.0.0.{number}", *tls, *options, *each.get(name, ()))
            )
        yield found


def test_only_what_ran_on_a_killed_node_fails_and_the_openai_client_asks_again(tmp_path: Path) -> None:
    """Nine callers, three on each node; each of the killed one's is sent twice, and nobody else's."""
    sent: list[int] = []
    with (
        three(tmp_path, "--seats", "1", "--threads", "1", shared=True) as services,
        balancing(tmp_path, services) as balanced,
        httpx.Client(
            verify=ssl.create_default_context(cafile=str(tmp_path / "certificate.pem")),
            event_hooks={"request": [lambda _: sent.append(1)]},
        ) as http,
        OpenAI(base_url=f"https://127.0.0.1:{balanced.port}/v1", api_key="none", http_client=http) as client,
        ThreadPoolExecutor(CALLERS) as callers,
    ):
        asked = [callers.submit(answer, client) for _ in range(CALLERS)]
        running_now = lambda: [len(service.instances()) for service in services.values()]  # noqa: E731
        wait_for(lambda: running_now() == [3, 3, 3], READY_S, "three callers on each node")
        services["b"].process.kill()
        assert all(one.result() for one in asked)
        assert len(sent) == CALLERS + 3
        wait_for(lambda: not any(map(computes, (services["a"], services["c"]))), READY_S, "the ends")
        with pytest.raises(APIConnectionError):  # what such a caller sees without a second try
            kill_while_answering(client.with_options(max_retries=0), services, callers)


def answer(client: OpenAI) -> str:
    options = {"ignore_eos": True}
    done = client.chat.completions.create(model="default", messages=[QUESTION], max_tokens=40, extra_body=options)
    return str(done.choices[0].message.content)


def kill_while_answering(client: OpenAI, services: dict[str, Service], callers: ThreadPoolExecutor) -> None:
    """The one node of the two left on which it computes."""
    asked = callers.submit(answer, client)
    left = [service for name, service in services.items() if name != "b"]
    found = wait_for(lambda: [service for service in left if computes(service)], READY_S, "it to compute")
    assert isinstance(found, list)
    found[0].process.kill()
    asked.result()


def computes(service: Service) -> bool:
    """Somebody has the seat: a birth without an end."""
    with closing(open_existing(service.ledger)) as ledger:
        return bool(ledger.unmatched())


def test_tls_passes_through_and_a_models_name_leads_to_one_node_as_long_as_it_is_there(tmp_path: Path) -> None:
    """Each service has a certificate of its own here, by which callers see where they are."""
    (tmp_path / "filling.gguf").write_bytes(filling().render())
    options = ("--model", str(tmp_path / "filling.gguf"), "--context", "64")
    with three(tmp_path, *options, shared=False) as services, balancing(tmp_path, services) as balanced:
        of = {hashlib.sha256(der(tmp_path / name / "certificate.pem")).hexdigest(): name for name in NAMES}
        before = {model: of[certificate(balanced.port, model)] for model in MODELS}
        assert set(before.values()) == set(NAMES), "the models are spread"
        assert {model: of[certificate(balanced.port, model)] for model in MODELS} == before
        assert {of[certificate(balanced.port, "noghost.example")] for _ in range(3)} <= set(NAMES)
        kill(services["b"])
        after = {model: of[certificate(balanced.port, model)] for model in MODELS}
        assert {model: node for model, node in after.items() if before[model] != "b"} == {
            model: node for model, node in before.items() if node != "b"
        }, "a model whose node is there stays"
        assert "b" not in after.values()
        with socket.create_connection(("127.0.0.1", balanced.port)) as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert plain.recv(1) == b"", "what is no TLS goes nowhere"


def test_a_model_that_only_some_nodes_have_is_reached_by_its_name_and_nowhere_else(tmp_path: Path) -> None:
    """The first has SmolLM2, the two others a GLM of the tests' own."""
    (tmp_path / "glm.gguf").write_bytes(glm(source_of("glm-4.7").encode()).render())
    has_glm = ("--model", str(tmp_path / "glm.gguf"), "--context", "256")
    with (
        three(tmp_path, shared=False, each={"b": has_glm, "c": has_glm}) as services,
        balancing(tmp_path, services) as balanced,
    ):
        of = {hashlib.sha256(der(tmp_path / name / "certificate.pem")).hexdigest(): name for name in NAMES}
        first = of[certificate(balanced.port, LARGE)]
        assert first in ("b", "c")
        assert {glm_asked(balanced.port, LARGE) for _ in range(3)} == {200}
        assert glm_asked(services["a"].port, "localhost", services["a"].url) == 404, "control"
        kill(services[first])
        assert {of[certificate(balanced.port, LARGE)]} == {"b", "c"} - {first}
        assert glm_asked(balanced.port, LARGE) == 200
        for name in ("b", "c"):
            kill(services[name])
        with pytest.raises(httpx.TransportError):  # and not a node that has another model
            glm_asked(balanced.port, LARGE)


def kill(service: Service) -> None:
    """Nobody listens there when this returns."""
    service.process.kill()
    service.process.wait()


def glm_asked(port: int, name: str, url: str = "https://127.0.0.1") -> int:
    """The status of an answer by that model, asked under that name."""
    body = {"model": "glm", "messages": [QUESTION], "max_tokens": 4}
    place, extensions = httpx.URL(url).copy_with(port=port, path="/v1/chat/completions"), {"sni_hostname": name}
    with httpx.Client(verify=False) as client:
        return client.post(place, json=body, extensions=extensions, timeout=READY_S).status_code


def der(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def certificate(port: int, name: str) -> str:
    """SHA-256 of the one that is shown for that name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), READY_S) as connection,
        context.wrap_socket(connection, server_hostname=name) as secured,
    ):
        return hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()


def test_kubernetes_does_the_same(tmp_path: Path) -> None:
    """The same port, the same layer, the same question whether a node is ready."""
    objects = {one["kind"]: one for one in yaml.safe_load_all((CONTRIB / "kubernetes" / "noghost.yaml").read_text())}
    container = objects["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    probe = container["readinessProbe"]["httpGet"]
    assert re.findall(r"option httpchk GET (\S+)", FILE) == [probe["path"]]
    assert probe["scheme"] == "HTTPS"
    assert "check-ssl" in FILE
    assert set(re.findall(r"10\.0\.0\.\d+:(\d+)", FILE)) == {str(DEFAULT_PORT)}
    assert container["ports"][0]["containerPort"] == DEFAULT_PORT
    assert objects["Service"]["spec"]["ports"][0]["protocol"] == "TCP"
    assert "mode tcp" in FILE
    assert "mode http" not in FILE
