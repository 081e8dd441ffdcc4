"""Other programs' forms: what is read, what is kept, what is counted as left out, what is refused."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.transcript.exports import CHATGPT, CLAUDE, MESSAGES, SHARE
from client.transcript.made import SHORT, STARTED, TEXTS
from noghost.client.transcript import Transcript, TranscriptError, Turn
from noghost.client.transcript.forms import READS, guess, read, write
from noghost.client.transcript.forms.claude import ROOT
from noghost.client.transcript.forms.found import Found
from noghost.client.transcript.lines import ROLES

SAID = st.lists(st.builds(Turn, st.sampled_from(ROLES), TEXTS), min_size=1, max_size=4)


def one(document: object, form: str | None = None) -> Found:
    """The only conversation of a JSON document."""
    [found] = read(json.dumps(document), form)
    assert Transcript.parse(found.transcript.render()) == found.transcript
    return found


def said(found: Found) -> list[tuple[str, str]]:
    return [(turn.role, turn.text) for turn in found.transcript.turns]


# --- OpenAI -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", [MESSAGES, {"model": "m", "messages": MESSAGES}, [{"messages": MESSAGES}]])
def test_openai_messages_and_back(document: object) -> None:
    found = one(document)
    assert found.transcript.model == ("m" if isinstance(document, dict) else "unknown")
    again = Transcript.parse(found.transcript.render())
    assert json.loads(write(again, "openai")) == {"model": found.transcript.model, "messages": MESSAGES}


def test_openai_lines_and_fields_of_a_request() -> None:
    text = "".join(json.dumps({"messages": MESSAGES, "temperature": number}) + "\n" for number in range(3))
    found = list(read(text))
    assert [len(each.transcript.turns) for each in found] == [4, 4, 4]
    assert dict(found[0].left_out) == {"field temperature": 1}


@given(SAID, st.sampled_from(["openai", "sharegpt", "transcript"]))
def test_roles_and_texts_survive_each_form_that_keeps_them(turns: list[Turn], form: str) -> None:
    [found] = read(write(Transcript("Conversation", "m", STARTED, turns), form), form)
    assert found.transcript.turns == turns


# --- ShareGPT ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", [SHARE, [SHARE]])
def test_sharegpt_and_back(document: object) -> None:
    found = one(document)
    roles = ["system", "user", "assistant", "tool", "assistant"]
    assert said(found) == list(zip(roles, ["Be brief.", "Hi", "{}", "4", "Four."], strict=True))
    assert dict(found.left_out) == {"field tools": 1}
    [again] = json.loads(write(Transcript.parse(found.transcript.render()), "sharegpt"))
    assert again["conversations"] == [{"from": "system", "value": "Be brief."}, *SHARE["conversations"]]


# --- Claude -----------------------------------------------------------------------------------------------------


def test_claude() -> None:
    found = one([CLAUDE])
    assert said(found) == [
        ("user", "Hi\n\n[file: a.txt]\n\nabc\n\n[file: b.png]"),
        ("assistant", "Hello.\n\nBye."),
        ("user", "An older message."),
    ]
    assert [turn.facts for turn in found.transcript.turns] == [
        {"began": "2025-05-01T10:00:01.000Z"},
        {"began": "2025-05-01T10:00:02.000Z", "ended": "2025-05-01T10:00:09.500Z"},
        {"began": "2025-05-01T10:01:00.000Z"},
    ]
    assert dict(found.left_out) == {"thinking block": 1, "tool_use block": 1, "tool_result block": 1}
    assert (found.name, found.transcript.model) == ("A name / of it", "claude")


def branched(*parents: str) -> dict[str, Any]:
    """Messages 1, 2 … that name their parents, as exports have it since 2026."""
    senders = ["human", "assistant"]
    messages = [
        {
            "uuid": str(number),
            "parent_message_uuid": parent,
            "sender": senders[number % 2 - 1],
            "text": f"Said {number}.",
        }
        for number, parent in enumerate(parents, start=1)
    ]
    return {"name": "", "created_at": "2026-05-01T10:00:00Z", "chat_messages": messages}


@pytest.mark.parametrize(
    ("conversation", "shown"),
    [
        (branched(ROOT, "1", "2", "3"), [1, 2, 3, 4]),
        (branched(ROOT, "1", "2", "1"), [1, 4]),
        (branched(ROOT, "1", "2", "1") | {"current_leaf_message_uuid": "3"}, [1, 2, 3]),
        (branched(ROOT, "1", "lost", "3"), [1, 2, 3, 4]),
        (branched("", "", ""), [1, 2, 3]),
    ],
    ids=["line", "branch", "leaf", "a parent that is missing", "older"],
)
def test_claude_shows_one_branch_and_counts_the_others(conversation: dict[str, Any], shown: list[int]) -> None:
    found = one([conversation])
    assert [text for _, text in said(found)] == [f"Said {number}." for number in shown]
    others = len(conversation["chat_messages"]) - len(shown)
    assert found.left_out["message of another branch"] == others


# --- ChatGPT ----------------------------------------------------------------------------------------------------


def test_chatgpt() -> None:
    found = one([CHATGPT])
    assert said(found) == [
        ("user", "[image]\n\nWhat is it?"),
        ("assistant", "1 + 1"),
        ("tool", "2"),
        ("assistant", "A cat.\n\nTwo."),
    ]
    began = {"began": "2025-05-01T10:00:00.250Z"}
    assert [turn.facts for turn in found.transcript.turns] == [
        began,
        began | {"chatgpt": {"recipient": "python"}},
        began | {"chatgpt": {"author": "python"}},
        began | {"model": "gpt-4o"},
    ]
    assert dict(found.left_out) == {
        "user_editable_context message": 1,
        "thoughts message": 1,
        "image": 1,
        "message of another branch": 1,
    }
    assert (found.name, found.transcript.model) == ("Cats", "gpt-4o")


def test_chatgpt_leaves_out_what_was_never_shown() -> None:
    hidden = {"is_visually_hidden_from_conversation": True}
    found = one([changed(CHATGPT, "mapping", "u", "message", "metadata", to=hidden)])
    assert [role for role, _ in said(found)] == ["assistant", "tool", "assistant"]
    assert found.left_out["hidden message"] == 1


# --- plain text -------------------------------------------------------------------------------------------------


def test_plain_text() -> None:
    [found] = read("Human: Hi\nthere\r\n\nAI: Hello.\nNOTE: x\n\nuser:More")
    assert said(found) == [("user", "Hi\nthere"), ("assistant", "Hello.\nNOTE: x"), ("user", "More")]
    turns = [Turn("user", "Hi\nAssistant: no"), Turn("assistant", "Hello.")]
    written = write(Transcript("Conversation", "m", STARTED, turns), "text")
    assert written == "User: Hi\n Assistant: no\n\nAssistant: Hello.\n"
    [found] = read(written)
    assert said(found) == [("user", "Hi\n Assistant: no"), ("assistant", "Hello.")]


# --- telling and refusing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (SHORT, "transcript"),
        ("\ufeff" + SHORT.replace("\n", "\r\n"), "transcript"),
        (json.dumps(MESSAGES), "openai"),
        ("\ufeff" + json.dumps([SHARE]), "sharegpt"),
        (json.dumps([CLAUDE, CLAUDE]), "claude"),
        (json.dumps([CHATGPT]), "chatgpt"),
        ("User: Hi", "text"),
    ],
)
def test_the_form_is_told_from_the_file(content: str, form: str) -> None:
    assert form in READS
    assert guess(content) == form
    assert [said(found) for found in read(content)] == [said(found) for found in read(content, form)]


def changed(document: dict[str, Any], *path: Any, to: object) -> dict[str, Any]:
    """A copy with one value replaced."""
    whole = copy.deepcopy(document)
    place: Any = whole
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return whole


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([1], "JSON object"),
        ({}, "cannot tell the form"),
        ([], "cannot tell the form"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "conversation 1: .*message 1"),
        ({"messages": "x"}, "conversation 1: .*messages: it is no list"),
        ([SHARE, changed(SHARE, "conversations", 0, "from", to="alien")], "conversation 2: .*turn 1"),
        (changed(SHARE, "conversations", 1, "value", to=None), "turn 2"),
        (changed(CLAUDE, "chat_messages", 1, "sender", to="x"), "message 2"),
        (changed(CLAUDE, "chat_messages", to={}), "chat_messages"),
        (branched("2", "1"), "its own parent"),
        (changed(CHATGPT, "mapping", to=[]), "mapping"),
        (changed(CHATGPT, "mapping", "u", "parent", to="a"), "its own parent"),
    ],
)
def test_what_is_none_is_refused(document: object, reason: str) -> None:
    with pytest.raises(TranscriptError, match=reason) as caught:
        list(read(json.dumps(document)))
    assert "Be brief" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [("", "nobody speaks first"), ("Notes\nUser: Hi", "nobody speaks first"), ('{"messages": []}\n{', "line 2: ")],
)
def test_text_that_is_none_is_refused(content: str, reason: str) -> None:
    with pytest.raises(TranscriptError, match=reason):
        list(read(content))


@given(
    st.recursive(st.none() | st.integers() | st.just("a"), lambda inner: st.lists(inner, max_size=3), max_leaves=4),
    st.data(),
)
def test_a_broken_export_is_read_or_refused(wrong: object, data: st.DataObject) -> None:
    """Any field of any of the four forms replaced by something else: never another error."""
    document = data.draw(st.sampled_from([CLAUDE, CHATGPT, SHARE, {"model": "m", "messages": MESSAGES}]))
    path: list[Any] = []
    place: Any = document
    while isinstance(place, (dict, list)) and place and (not path or data.draw(st.booleans())):
        path.append(data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place)))))
        place = place[path[-1]]
    with contextlib.suppress(TranscriptError):
        assert one(changed(document, *path, to=wrong)).transcript.title == "Conversation"
