"""Scrape the metrics and push them to a collector, again and again. In the exporter, as long as the service runs.

    python -m noghost.otlp.exporter URL INTERVAL_S PATH|HOST PORT    standard input is what the warden holds

Covered: it knows no more than who may scrape; a collector that is down, slow or says no is left alone until the next
time, and said once; no trace, no log, nothing of the library's own metrics; its log is closed (its words can hold an
address). OTEL_EXPORTER_OTLP_HEADERS and OTEL_EXPORTER_OTLP_CERTIFICATE hold, for the collector; no proxy, no netrc.
Not covered: what the collector and the way to it make of it; https is encrypted, http is not.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

import requests
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import MetricExportResult

from noghost.instance.sandbox import give_up_rights
from noghost.log import Event, log
from noghost.otlp.figures import data_of
from noghost.otlp.scrape import scrape
from noghost.reaper.spawn import OUTLIVED
from noghost.title import take_title

PATH = "/v1/metrics"  # as OTLP/HTTP has it, below the collector's address
PATIENCE_S = 10.0


def main() -> None:
    """Until the warden is gone, whatever is being sent then."""
    url, interval_s, *place = sys.argv[1:]
    take_title("noghost: exporter")
    for number in OUTLIVED:
        signal.signal(number, signal.SIG_IGN)
    give_up_rights()
    logging.disable(logging.CRITICAL)
    gc.freeze()
    threading.Thread(target=push_again_and_again, args=(url, float(interval_s), place), daemon=True).start()
    os.read(0, 1)
    os._exit(0)


def push_again_and_again(url: str, interval_s: float, place: Sequence[str]) -> None:
    """For ever; what fails is said when it begins to."""
    exporter = exporter_to(url)
    start_ns, worked = time.time_ns(), True
    while True:
        works = push(exporter, place, start_ns)
        if worked and not works:
            log(Event.EXPORT_FAILED)
        worked = works
        time.sleep(interval_s)


def exporter_to(url: str) -> OTLPMetricExporter:
    """The library's, that asks nobody else and adds nothing."""
    os.environ.pop("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", None)
    session = requests.Session()
    session.trust_env = False
    return OTLPMetricExporter(endpoint=url.rstrip("/") + PATH, timeout=PATIENCE_S, session=session)


def push(exporter: OTLPMetricExporter, place: Sequence[str], start_ns: int) -> bool:
    """Once; whether the collector took it."""
    try:
        done = exporter.export(data_of(scrape(place), start_ns, time.time_ns()))
    except Exception:  # noqa: BLE001  whatever library and host raise: the next time is another
        return False
    return bool(done == MetricExportResult.SUCCESS)


if __name__ == "__main__":
    main()
