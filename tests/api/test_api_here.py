"""Which model a request means by the name that it gives."""

from __future__ import annotations

from typing import cast

import pytest

from noghost.api.here import Here, Recorder, Served
from noghost.config import Limits
from noghost.errors import RequestError
from noghost.timeline import Timeline


def here(*served: tuple[str, str]) -> Here:
    models = tuple(Served(name, "00" * 32, 1, 1, None, source=source) for name, source in served)
    return Here(bytes(16), Timeline(), models, cast(Recorder, None), Limits(), 1, lambda: 1)


def test_a_prepared_model_answers_to_its_sources_name_where_that_is_not_here() -> None:
    now = here(("other", ""), ("m.q8_0", "m"), ("m.q4_0", "m"))
    assert [now.find_model(name) for name in ("default", "other", "m.q8_0", "m.q4_0", "m")] == [0, 0, 1, 2, 1]
    assert here(("m.q8_0", "m"), ("m", "")).find_model("m") == 1, "that itself"
    for name in ("", "n", "M"):
        with pytest.raises(RequestError, match="there is no such model here") as refused:
            now.find_model(name)
        assert (refused.value.status, refused.value.code) == (404, "model_not_found")
