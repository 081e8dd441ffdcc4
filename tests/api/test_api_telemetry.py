"""FastAPI can report requests and exceptions to OpenTelemetry by itself; ours does not."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from noghost.api.app import make_app

NATIVE = "_native_telemetry"


@pytest.mark.skipif(not hasattr(FastAPI(), NATIVE), reason="this FastAPI has no telemetry of its own")
def test_the_telemetry_of_the_framework_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    config = make_app()._telemetry
    assert {name: config[name] for name, value in config.items() if value} == {}
    assert FastAPI()._telemetry["logs"], "control: it is on unless somebody switches it off"
