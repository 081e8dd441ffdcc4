"""What the sizes of encrypted records tell: with padding nothing of a token's length, without it all of it."""

from __future__ import annotations

import itertools
import json
import ssl
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai import OpenAI

from api.certificates import write_pair
from api.records import Watcher, watching
from noghost.api import pad
from noghost.api.chat import CHAT
from running import Service, running

LIST = [{"role": "user", "content": "List animals and plants: a cow, an anthropomorphic chimpanzee, a rhododendron,"}]
ASKED: dict[str, Any] = {"model": "default", "messages": LIST, "max_tokens": 48, "seed": 3, "temperature": 1.2}
OVERHEAD_BYTES = 17  # of a record: the inner type and the AEAD's tag (RFC 8446, 5.2)
CHUNK_BYTES = len(b"200\r\n" + b"\r\n")  # of HTTP's chunked coding
HANDSHAKE_RECORDS = 4  # EncryptedExtensions, Certificate, CertificateVerify (its signature varies), Finished
HEAD_RECORDS = HANDSHAKE_RECORDS + 1  # the answer's header
END_BYTES = [len(b"0\r\n\r\n") + OVERHEAD_BYTES, 2 + OVERHEAD_BYTES]  # of the coding, and close_notify


@pytest.fixture(scope="module")
def padded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Over TLS, where padding is the default."""
    home = tmp_path_factory.mktemp("padded")
    with running(home, *write_pair(home)) as found:
        yield found


@pytest.fixture(scope="module")
def unpadded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The same without: the control."""
    home = tmp_path_factory.mktemp("unpadded")
    with running(home, *write_pair(home), "--no-pad") as found:
        yield found


def client_of(service: Service, watcher: Watcher) -> OpenAI:
    context = ssl.create_default_context(cafile=str(service.home / "certificate.pem"))
    http = httpx.Client(verify=context)
    return OpenAI(base_url=f"https://127.0.0.1:{watcher.port}/v1", api_key="none", max_retries=0, http_client=http)


def stream(service: Service, **options: Any) -> tuple[list[Any], list[int]]:
    """(the chunks that OpenAI's client gives, the lengths of the records after the greeting)."""
    with watching(service.port) as watcher:
        with client_of(service, watcher) as client:
            chunks = list(client.chat.completions.create(**ASKED, **options, stream=True))
        assert watcher.done.wait(30)
    return chunks, watcher.lengths


def texts(chunks: list[Any]) -> list[str]:
    return [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]


def events(lengths: list[int]) -> list[int]:
    """Without what comes before and after the events, and tells nothing of the answer."""
    assert lengths[-2:] == END_BYTES
    return lengths[HEAD_RECORDS:-2]


@pytest.mark.parametrize("usage", [False, True])
def test_all_records_of_a_padded_stream_have_one_size(padded: Service, usage: bool) -> None:
    chunks, lengths = stream(padded, stream_options={"include_usage": usage})
    said = texts(chunks)
    assert len({len(text.encode()) for text in said}) > 3, "tokens of several lengths"
    assert set(events(lengths)) == {pad.EVENT_BYTES + CHUNK_BYTES + OVERHEAD_BYTES}
    assert len(events(lengths)) == len(chunks) + 1, "one record an event, [DONE] with them"


def test_control_without_padding_the_records_tell_each_length(unpadded: Service) -> None:
    chunks, lengths = stream(unpadded)
    said = [len(text.encode()) for text in texts(chunks)]
    seen = events(lengths)[1 : 1 + len(said)]
    constant = {size - length for size, length in zip(seen, said, strict=True)}
    assert len(set(said)) > 3
    assert len(constant) <= 2, "size of record = length of text + a constant (JSON writes two bytes for a line's end)"


def test_a_caller_can_do_without(padded: Service) -> None:
    chunks, lengths = stream(padded, stream_options={"include_obfuscation": False})
    assert len(set(events(lengths))) > 3
    assert [chunk.obfuscation for chunk in chunks if chunk.obfuscation] == []


def test_a_caller_can_ask_for_it(unpadded: Service) -> None:
    chunks, lengths = stream(unpadded, stream_options={"include_obfuscation": True})
    assert len(set(events(lengths))) == 1
    assert all(chunk.obfuscation for chunk in chunks)


def test_whole_answers_come_in_steps(padded: Service) -> None:
    sizes = set()
    for words in ("Hi", "Tell me of many things."):
        with watching(padded.port) as watcher:
            with client_of(padded, watcher) as client:
                messages: Any = [{"role": "user", "content": words}]
                raw = client.chat.completions.with_raw_response.create(**ASKED | {"messages": messages})
            assert raw.parse().choices
        sizes.add((len(raw.content), tuple(watcher.lengths[HANDSHAKE_RECORDS:])))
    assert {size for size, _ in sizes} == {pad.WHOLE_BYTES}
    assert len(sizes) == 1, "and the records are the same"


def test_text_completions_are_padded_too(padded: Service) -> None:
    with watching(padded.port) as watcher:
        with client_of(padded, watcher) as client:
            asked: dict[str, Any] = {"model": "default", "prompt": "One, two,", "max_tokens": 12, "stream": True}
            assert list(client.completions.create(**asked))
        assert watcher.done.wait(30)
    assert len(set(events(watcher.lengths))) == 1


@pytest.mark.parametrize("text", ["", "a", "ghost", 'quote " and \\', "\u2028", "\U0001f47b", "x" * 400, "y" * 2000])
def test_an_event_is_its_data_whatever_is_in_it(text: str) -> None:
    """As server-sent events are read (WHATWG HTML, 9.2.6): lines, comments dropped, data taken."""
    data = {"object": "chat.completion.chunk", "choices": [CHAT.delta(text, None, None)]}
    written = pad.event(data, pads=True)
    assert len(written) % pad.EVENT_BYTES == 0
    assert read_event(written) == data | {"obfuscation": read_event(written)["obfuscation"]}
    assert read_event(pad.event(data, pads=False)) == data


def test_an_error_has_a_comment_instead() -> None:
    error = {"error": {"message": "something went wrong"}}
    written = pad.event(error, pads=True)
    assert len(written) == pad.EVENT_BYTES
    assert read_event(written) == error


def test_every_length_comes_out_full() -> None:
    for length in itertools.chain(range(600), (4095, 4096, 4097)):
        data = {"object": "o", "x": "a" * length}
        assert len(pad.event(data, pads=True)) % pad.EVENT_BYTES == 0
        assert len(pad.whole(data, pads=True)) % pad.WHOLE_BYTES == 0
        assert json.loads(pad.whole(data, pads=True)) == data
        assert len(pad.commented(b"data: " + b"a" * length + b"\n\n")) % pad.EVENT_BYTES == 0


def read_event(written: bytes) -> Any:
    """The data of one event."""
    assert written.endswith(b"\n\n")
    lines = [line for line in written.decode().split("\n") if line and not line.startswith(":")]
    assert all(line.startswith("data: ") for line in lines)
    return json.loads("\n".join(line.removeprefix("data: ") for line in lines))
