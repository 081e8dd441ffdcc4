"""A template's tokens, its state in a file, and which prompt starts from which."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from noghost.engine.batches import held_of
from noghost.engine.chat import ChatTemplate
from noghost.engine.context import Context
from noghost.engine.model import Model
from noghost.engine.prefill import prefill
from noghost.engine.prefix import PROBES, Prefix, longest, tokens_of
from noghost.errors import EngineError

SYSTEM = "You answer questions about trains. " * 30


def prompt_for(model: Model, template: ChatTemplate, text: str, system: str = SYSTEM) -> list[int]:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    return model.tokenize_prompt(template.render(messages))


def prefix(model: Model, name: str, tokens: list[int]) -> Prefix:
    """With a context that holds as many tokens of a cheap kind: only the choice is looked at."""
    context = Context(model, 512)
    context.start_threads(1)
    context.decode(tokens, 0)
    return Prefix(name, "", tuple(tokens), context)


@pytest.fixture
def fresh(model: Model) -> Context:
    """In which nothing was computed."""
    return Context(model, 512)


def test_every_users_message_leaves_the_tokens_as_they_are(model: Model, template: ChatTemplate) -> None:
    tokens = tokens_of(model, template, SYSTEM, None)
    for text in (*PROBES, "Hello!", "\n\nHello", " ", "👻", "<|im_end|>", "\t"):
        assert prompt_for(model, template, text)[: len(tokens)] == tokens, text
    assert len(tokens) > len(model.tokenize(SYSTEM, add_special=False, parse_special=True))


def test_without_a_system_message_it_is_what_the_chat_template_begins_with(
    model: Model, template: ChatTemplate
) -> None:
    tokens = tokens_of(model, template, None, None)
    assert b"".join(model.piece(token, special=True) for token in tokens).endswith(b"<|im_start|>user")
    for text in (*PROBES, "Hello!", "\n\nHello"):
        asked = model.tokenize_prompt(template.render([{"role": "user", "content": text}]))
        assert asked[: len(tokens)] == tokens, text


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_a_prompt_from_a_short_one_has_the_same_bytes(
    model: Model, template: ChatTemplate, fresh: Context, threads: int
) -> None:
    """What is compared is the whole state, K and V of every token; tests/promises/test_p6_template.py: the logits."""
    tokens = tokens_of(model, template, None, None)
    assert held_of(tokens, model.is_control) == len(tokens) < 64
    short = Prefix("own", "", tuple(tokens), None, prefill(model.path, 256, tokens, 2))
    whole = model.tokenize_prompt(template.render([{"role": "user", "content": "What is a train? " * 4}]))
    assert len(tokens) < len(whole) < 64
    start = longest(model, (short,), whole, fresh)
    assert start is not None
    assert (start.prefix, start.tokens, start.context.position) == (short, len(tokens), len(tokens))
    other = Context(model, 512)
    for context, done in ((fresh, len(tokens)), (other, 0)):
        context.start_threads(threads)
        context.set_threads(threads)
        context.decode(whole[done:], done)
    assert fresh.save() == other.save()
    long = model.tokenize_prompt(template.render([{"role": "user", "content": "What is a train? " * 12}]))
    assert longest(model, (short,), long, Context(model, 512)) is None, "that is computed in the other way"


def test_tools_come_into_it_where_the_chat_template_takes_them(model: Model) -> None:
    source = "{{ tools | tojson }}{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"
    template = ChatTemplate(source, "", "")
    tools = [{"type": "function", "function": {"name": "departures"}}]
    text = b"".join(model.piece(token, special=True) for token in tokens_of(model, template, "Be kind.", tools))
    assert (
        text == b'[{"type": "function", "function": {"name": "departures"}}]<|im_start|>Be kind.<|im_end|><|im_start|>'
    )


@pytest.mark.slow
def test_the_longest_that_matches_is_taken_and_cut_back(model: Model, template: ChatTemplate, fresh: Context) -> None:
    whole = prompt_for(model, template, "Which is the fastest?")
    held = held_of(tokens_of(model, template, SYSTEM, None), model.is_control)
    short, long = prefix(model, "short", whole[:80]), prefix(model, "long", whole[:held])
    other = prefix(model, "other", [*whole[: held - 1], 0, 0, 0])
    start = longest(model, (short, long, other), whole, fresh)
    assert start is not None
    assert (start.prefix, start.tokens, start.context.position) == (long, held, held)
    alone = longest(model, (short,), whole, fresh)
    assert alone is not None
    assert alone.tokens == alone.context.position == min(80, held - 64), "what is left of the segment has 64 tokens"
    assert other.context is not None
    assert other.context.position == held + 2, "the others are left as they are"
    assert fresh.position == 0


def test_a_prompt_that_begins_otherwise_starts_from_nothing(
    model: Model, template: ChatTemplate, fresh: Context
) -> None:
    whole = prompt_for(model, template, "Which is the fastest?")
    one = prefix(model, "one", [whole[0], 5, *whole[2:80]])
    assert longest(model, (one,), whole, fresh) is None
    assert longest(model, (one,), list(one.tokens[:40]), fresh) is None, "shorter than the template"
    assert one.context is not None
    assert (one.context.position, fresh.position) == (80, 0)


@pytest.mark.slow
def test_a_state_computed_elsewhere_is_the_one_computed_here(model: Model) -> None:
    tokens = list(range(200, 320))
    here = Context(model, 512)
    here.start_threads(1)
    here.decode(tokens, 0)
    state = prefill(model.path, 512, tokens, 2)
    assert state == here.save()
    other = Context(model, 512)
    other.restore(state, len(tokens))
    assert other.save() == state


def test_a_state_of_other_tokens_is_refused(model: Model) -> None:
    state = prefill(model.path, 256, list(range(200, 280)), 1)
    with pytest.raises(EngineError, match="refused"):
        Context(model, 256).restore(state, 79)


def test_what_cannot_be_computed_says_so(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="could not compute a template"):
        prefill(tmp_path / "none.gguf", 256, [1, 2], 1)


@pytest.mark.slow
def test_a_file_holds_the_pages_and_copy_on_write_goes_on() -> None:
    script = Path(__file__).with_name("prefix_probe.py")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=110)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["anonymous before"] > found["held"] / 2, "control: before, they are the process's own memory"
    assert found["anonymous after"] == 0
    assert found["same state"], "the context reads as before"
    assert found["child decoded"], "a child goes on from it"
    assert found["anonymous after a child"] == 0
    assert found["same state after a child"], "and what it wrote is its own"
    assert found["with a second thread"] == "refused to release pages in a process that has a second thread"
    assert found["cannot be written"], "then all is as it was"
    assert found["anonymous after a decode here"] > 0, "control: what is added to it would be seen"
