"""A proxy that ends TLS, nginx as Debian has it: what is sealed is not in its memory nor in its logs.

Positive control and mutant in one: the same hunter through the same proxy, not sealed, finds the canary in both.
"""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from api.certificates import write_pair
from noghost.client.hunt import HuntResult, hunt
from noghost.client.sealed import Trust
from noghost.weights.find import find
from running import Service, running, wait_for

NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
CONFIG = """\
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
  log_format all escape=none '$request $request_body';
  access_log {folder}/access.log all;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  map $http_upgrade $upgrades {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/certificate.pem;
    ssl_certificate_key {folder}/key.pem;
    location / {{
      proxy_pass {service};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $upgrades;
    }}
  }}
}}
"""
pytestmark = [pytest.mark.slow, pytest.mark.skipif(NGINX is None, reason="nginx is not installed")]


@dataclass
class Proxy:
    """nginx before a service."""

    service: Service
    pid: int
    url: str
    folder: Path
    fingerprint: str

    def hunt(self, trust: Trust | None) -> HuntResult:
        return hunt(
            self.url,
            [self.pid, self.service.pid],
            [self.folder, self.service.home],
            tokenizer=find().path,
            fingerprint=self.fingerprint,
            trust=trust,
        )


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    folder = tmp_path / "nginx"
    folder.mkdir()
    write_pair(folder)
    der = ssl.PEM_cert_to_DER_cert((folder / "certificate.pem").read_text())
    with running(tmp_path / "service") as service:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        (folder / "conf").write_text(CONFIG.format(folder=folder, port=port, service=service.url))
        process = subprocess.Popen([str(NGINX), "-c", str(folder / "conf"), "-e", str(folder / "error.log")])
        try:
            wait_for(lambda: listens(port), 20, "nginx")
            yield Proxy(service, process.pid, f"https://127.0.0.1:{port}", folder, sha256(der).hexdigest())
        finally:
            process.terminate()
            process.wait(20)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_proxy_has_nothing_of_what_is_sealed(proxy: Proxy, tmp_path: Path) -> None:
    sealed = proxy.hunt(Trust(proxy.url, seen_dir=tmp_path / "seen"))
    assert sealed.copies == 0
    assert "/v1/sealed" in (proxy.folder / "access.log").read_text()
    plain = proxy.hunt(None)
    assert {"nginx", "access.log"} <= {word for found in plain.finds for word in found.place.replace("/", " ").split()}
