"""The parts of `noghost talk` that are pure: words as they are spoken, latency, items, captions on the screen."""

from __future__ import annotations

from datetime import UTC, datetime

from noghost.client.talk.exchange import Exchange
from noghost.client.talk.items import items_of, said
from noghost.client.talk.latency import Latency
from noghost.client.talk.pace import Pace
from noghost.client.talk.screen import parts, question
from noghost.client.talk.speaker import first_loud
from noghost.client.transcript import Turn

NOW = datetime(2026, 3, 1, 14, 5, tzinfo=UTC)
TEXT = "One two three four."


def test_words_are_shown_as_they_are_spoken() -> None:
    pace = Pace()
    assert pace.spoken(TEXT, 0.0, None) == ""
    assert pace.spoken(TEXT, 0.3, None) == "One two"
    assert pace.spoken(TEXT, 0.4, 10.0) == "One two", "never fewer than before"
    assert pace.spoken(TEXT, 7.0, 10.0) == "One two three"
    assert pace.spoken(TEXT, 10.0, 10.0) == TEXT
    assert Pace(1.5).spoken(TEXT, 0.6, None) == "One two three"
    assert Pace().spoken(TEXT, 0.0, 0.0) == TEXT, "an answer without sound"


def test_latency_tells_what_was_measured() -> None:
    assert Latency().line() == ""
    assert Latency(1.0, 1.25).line() == "release → text 0.25 s"
    whole = Latency(1.0, 1.25, 1.5, 2.0).line()
    assert whole == "release → text 0.25 s, → first word 0.25 s, → first sound 0.50 s; voice to voice 1.00 s"


def test_turns_as_items() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns = [
        Turn("system", "Be short."),
        Turn("user", "Hello!"),
        Turn("assistant", "", {"message": {"tool_calls": [call, {"id": "b"}, 7]}}),
        Turn("tool", "1", {"message": {"tool_call_id": "a"}}),
        Turn("assistant", "Hi."),
    ]
    assert list(items_of(turns)) == [
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be short."}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello!"}]},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]},
    ]
    assert said({"content": [{"type": "output_audio", "transcript": "Hi."}]}) == "Hi."


def test_a_caption_is_grey_until_it_is_firm() -> None:
    exchange = Exchange(NOW, Pace(), firm="What is the", open="cat\x1b[2J")
    shown = question(exchange)
    assert shown.plain == "› What is the cat␛[2J"
    assert [shown.plain[span.start : span.end] for span in shown.spans if span.style == "told"] == ["cat␛[2J"]
    exchange.asked = "What is the capital?"
    assert question(exchange).plain == "› What is the capital?"
    assert not [span for span in question(exchange).spans if span.style == "told"]


def test_of_an_answer_what_was_heard_is_kept() -> None:
    exchange = Exchange(NOW, Pace(), asked="Who?", text="Nobody at all.", spoken="Nobody", cut_s=0.4)
    assert [part.plain for part in parts(exchange)] == ["› Who?", "Nobody —"]
    assert [(turn.role, turn.text) for turn in exchange.turns(NOW, "m")] == [("user", "Who?"), ("assistant", "Nobody")]
    unheard = Exchange(NOW, Pace(), asked="Who?", text="Nobody.")
    assert [turn.role for turn in unheard.turns(NOW, "m")] == ["user"]
    assert Exchange(NOW, Pace(), asked="").turns(NOW, "m") == []


def test_the_first_sound() -> None:
    assert first_loud(bytes(10)) is None
    assert first_loud(bytes(6) + (400).to_bytes(2, "little") + b"\0") == 6
