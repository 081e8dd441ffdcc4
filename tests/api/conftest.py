"""Fixtures of the API's tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

from api.certificates import write_signed
from api.kinds import three_kinds
from api.provider import Provider, providing
from running import Service, running


@pytest.fixture(scope="session")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with narrow limits."""
    launcher = str(Path(__file__).with_name("strict_service.py"))
    with running(tmp_path_factory.mktemp("strict"), command=(sys.executable, launcher)) as found:
        yield found


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of three models."""
    with three_kinds(tmp_path_factory.mktemp("kinds")) as found:
        yield found


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Another's service, over TLS of an authority of its own."""
    folder = tmp_path_factory.mktemp("provider")
    write_signed(folder)
    with providing(folder) as found:
        yield found


@pytest.fixture(scope="session")
def client(service: Service) -> Iterator[OpenAI]:
    """OpenAI's own client; it retries nothing, so that every fault shows."""
    with OpenAI(base_url=service.url + "/v1", api_key="none", max_retries=0, timeout=60) as found:
        yield found
