"""Pushing the metrics: a collector gets the closed list and no word of anybody; its troubles are its own."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.wire import ASKED, ask, exchange, get, head, post
from noghost import __version__
from noghost.metrics import FAMILIES, SIZE, exposition
from noghost.otlp.scrape import numbers_in
from otlp.collector import Collector, collecting
from running import Service, private_environment, running, title, wait_for
from test_metrics import allowed

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra `otel` is not installed")
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

pytestmark = pytest.mark.slow

MARKER = "canary-Zq7pLx"
END_S = 20.0
OPTIONS = ("--metrics", "127.0.0.1:0", "--context", "512", "--otlp-interval", "0.2")
# What the SDK would add to the resource, and where it would send to, were it asked.
SECRET = {
    "OTEL_RESOURCE_ATTRIBUTES": f"host.name={MARKER}",
    "OTEL_SERVICE_NAME": MARKER,
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "process,os,host",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
    "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED": "true",
}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Service]:
    with pytest.MonkeyPatch.context() as patched:
        for name, value in SECRET.items():
            patched.setenv(name, value)
        with running(tmp_path_factory.mktemp("pushed"), *OPTIONS, "--otlp", collector.url) as found:
            yield found


def exporters(service: Service) -> list[int]:
    """The exporter among the warden's children."""
    children = Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()
    return [int(pid) for pid in children if title(int(pid)) == "noghost: exporter"]


def wait_for_push(collector: Collector, more: int = 2) -> bytes:
    """The last of so many that come from now on: its scrape began now or later."""
    there = len(collector.pushes)
    wait_for(lambda: len(collector.pushes) >= there + more, END_S, "a push")
    return collector.pushes[-1][2]


def metrics_in(body: bytes) -> dict[str, Any]:
    (resource,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
    (scope,) = resource.scope_metrics
    return {metric.name: metric for metric in scope.metrics}


def not_in_the_list(body: bytes) -> list[str]:
    """Every name, label, value and attribute that is none of metrics.py."""
    (resource,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
    attributes = {one.key: one.value.string_value for one in resource.resource.attributes}
    found = [] if attributes == {"service.name": "noghost", "service.version": __version__} else [str(attributes)]
    families = {family.name: family for family in FAMILIES}
    for name, metric in metrics_in(body).items():
        if metric.description != families[name].help:
            found.append(metric.description)
        for point in [*metric.sum.data_points, *metric.gauge.data_points]:
            label = [(one.key, one.value.string_value) for one in point.attributes] or [("", "")]
            found += [] if len(label) == 1 and (name, *label[0]) in allowed() else [str(label)]
        for point in metric.histogram.data_points:
            is_bare = not point.attributes and not point.exemplars and not point.HasField("sum")
            is_bare = is_bare and not point.HasField("min") and not point.HasField("max")
            found += [] if is_bare and tuple(point.explicit_bounds) == families[name].bounds else [name]
    return found


def value(body: bytes, name: str, label: str = "") -> int:
    metric = metrics_in(body)[name]
    return next(
        point.as_int
        for point in [*metric.sum.data_points, *metric.gauge.data_points]
        if [one.value.string_value for one in point.attributes] == ([label] if label else [])
    )


def test_the_numbers_come_back_from_the_text() -> None:
    numbers = [number * 7 % 11 for number in range(SIZE)]
    assert numbers_in(exposition(numbers)) == numbers
    with pytest.raises(ValueError, match="a sample is missing"):
        numbers_in(exposition(numbers).replace("noghost_seats ", "noghost_other "))


def test_what_is_pushed_is_the_list_and_no_word_of_anybody(service: Service, collector: Collector) -> None:
    before = wait_for_push(collector)
    said = json.dumps(ASKED | {"messages": [{"role": "user", "content": MARKER}], "user": MARKER}).encode()
    assert post(service, said).status == 200
    assert get(service, f"/v1/{MARKER}").status == 404
    assert exchange(service, head("GET", "/healthz", f"X-Api-Key: {MARKER}")).status == 200
    opened = ("noghost_invocations_closed_total", "answered")
    wait_for(lambda: value(wait_for_push(collector, 1), *opened) == value(before, *opened) + 1, END_S, "it counts")
    after = collector.pushes[-1][2]
    assert set(metrics_in(after)) == {family.name for family in FAMILIES}
    prompts = metrics_in(after)["noghost_prompt_tokens"].histogram.data_points[0]
    assert (prompts.count, list(prompts.bucket_counts)) == (1, [0, 1, 0, 0, 0])
    for path, headers, body in list(collector.pushes):
        assert path == "/v1/metrics"
        assert not_in_the_list(body) == []
        sent = body + repr(headers).encode()
        for form in (MARKER, MARKER.lower(), base64.b64encode(MARKER.encode()).decode()[:12], os.uname().nodename):
            assert form.encode() not in sent
        assert str(service.home).encode() not in sent
    assert MARKER.encode() in MARKER.encode() + after, "control"


def test_a_request_with_more_than_the_list_would_be_found(collector: Collector, service: Service) -> None:
    """The control of the test before."""
    message = ExportMetricsServiceRequest.FromString(wait_for_push(collector))
    resource = message.resource_metrics[0]
    resource.resource.attributes.add(key="host.name").value.string_value = MARKER
    resource.scope_metrics[0].metrics[0].sum.data_points[0].attributes.add(key="who").value.string_value = MARKER
    assert len(not_in_the_list(message.SerializeToString())) == 2


def test_it_is_a_process_of_its_own_without_a_part_in_the_others(service: Service) -> None:
    (exporter,) = exporters(service)
    for pid, is_there in ((service.pid, False), (service.reaper_pid, False), (exporter, True)):
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert ("google/_upb" in maps) is is_there, "protobuf's own library is the exporter's alone"
    assert "NoNewPrivs:\t1" in Path(f"/proc/{exporter}/status").read_text()


def test_a_collector_that_says_no_is_said_once_and_tried_again(service: Service, collector: Collector) -> None:
    known = service.log.count("export_failed:")
    collector.status = 500
    wait_for(lambda: service.log.count("export_failed:") == known + 1, END_S, "a word of it")
    assert not_in_the_list(wait_for_push(collector, 3)) == []
    assert service.log.count("export_failed:") == known + 1
    assert ask(service).status == 200
    collector.status = 200
    wait_for_push(collector, 3)
    assert collector.url not in service.log
    assert "127.0.0.1" not in "".join(line for line in service.log.splitlines() if "export_failed" in line)


@pytest.mark.slow
def test_a_collector_that_is_down_or_slow_holds_nobody_up(tmp_path: Path) -> None:
    with running(tmp_path / "down", *OPTIONS, "--otlp", "http://127.0.0.1:1") as service:
        wait_for(lambda: "export_failed:" in service.log, END_S, "a word of it")
        assert ask(service).status == 200
        (exporter,) = exporters(service)
        assert service.stop() == 0
        wait_for(lambda: not Path(f"/proc/{exporter}").exists(), END_S, "its end")
    with collecting() as collector:
        collector.holds = threading.Event()
        with running(tmp_path / "slow", *OPTIONS, "--otlp", collector.url) as service:
            wait_for(lambda: collector.pushes, END_S, "a push that is not answered")
            assert ask(service).status == 200
            (exporter,) = exporters(service)
            assert service.stop() == 0
            wait_for(lambda: not Path(f"/proc/{exporter}").exists(), END_S, "its end, whatever it waits for")


@pytest.mark.slow
def test_off_means_no_such_process(tmp_path: Path) -> None:
    with running(tmp_path, *OPTIONS) as service:
        assert exporters(service) == []
        assert ask(service).status == 200
        children = Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()
        assert [title(int(pid)) for pid in children if int(pid) == service.reaper_pid] == ["noghost: reaper"]


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['opentelemetry.exporter.otlp.proto.http'] = None; "
    program = hidden + "sys.argv[0] = 'noghost'; from noghost.cli.main import main; main()"
    command = [sys.executable, "-c", program, "serve", "--port", "0", *OPTIONS, "--otlp", "http://127.0.0.1:1"]
    done = subprocess.run(command, env=private_environment(tmp_path), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert "which are not installed\nhint: run: pip install 'opentelemetry-sdk" in done.stderr
