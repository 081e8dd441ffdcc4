"""Forms with a file, read from memory."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noghost.api.forms import read_form
from noghost.errors import RequestError


def encoded(texts: dict[str, str], file: bytes) -> tuple[bytearray, bytes]:
    """As httpx, which OpenAI's client is built on, writes it."""
    request = httpx.Request("POST", "http://x", data=texts, files={"file": ("a.wav", file)})
    return bytearray(request.read()), request.headers["content-type"].partition("boundary=")[2].encode()


@given(st.dictionaries(st.text("abcdefgh_[]", min_size=1, max_size=9), st.text(max_size=40), max_size=5), st.binary())
def test_what_a_client_writes_is_read(texts: dict[str, str], file: bytes) -> None:
    form = read_form(*encoded(texts, file))
    assert form.texts == {name: [value] for name, value in texts.items()}
    assert bytes(form.files["file"]) == file


def test_the_file_is_not_copied() -> None:
    body, boundary = encoded({}, b"sound" * 1000)
    assert read_form(body, boundary).files["file"].obj is body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        b"--b--",
        b"preamble\r\n--b\r\n\r\n--b--",
        b'--b\r\nContent-Disposition: form-data; name="file"',
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b',
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--bxx',
        b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--",
        b"--b\r\nno header\r\n--b--",
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--b--',
        b"--b\r\n" + b"x" * 5000 + b"\r\n\r\nx\r\n--b--",
        b"".join(b'--b\r\nContent-Disposition: form-data; name="a%d"\r\n\r\nx\r\n' % at for at in range(70)) + b"--b--",
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nx\r\n' * 2 + b"--b--",
    ],
)
def test_a_broken_form_is_refused(body: bytes) -> None:
    if body == b"--b--":  # an empty form is one, and has no file
        assert not read_form(bytearray(body), b"b").files
        return
    with pytest.raises(RequestError) as refused:
        read_form(bytearray(body), b"b")
    assert refused.value.code == "invalid_form"
