"""The families of models, and how one is recognised by its chat template. PURE; in the warden, with the template.

As llama.cpp does it (common/chat.cpp): by words that the template has to hold because the model was trained on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from noghost.engine.families.glm_call import KEY, KEY_END, VALUE, VALUE_END, glm_call
from noghost.engine.families.harmony import MARKERS, harmony
from noghost.engine.families.json_call import json_calls
from noghost.engine.families.named_call import deepseek_call, mistral_call
from noghost.engine.families.parser import Parser
from noghost.engine.families.tagged import Syntax, tagged
from noghost.engine.families.tools import tools_of
from noghost.engine.families.written import DEEPSEEK, GLM, HARMONY, HERMES, LLAMA, MISTRAL, MISTRAL_2024, Written

THINK = (("<think>", "</think>"), ("[THINK]", "[/THINK]"))


@dataclass(frozen=True)
class Family:
    """Models that write alike.

    `words`: what its chat template holds, all of them; `not_words`: what it does not. `syntax` None is harmony, which
    is another kind. `inside`: markers that stand within a call. `written`: how calls are written. `ends`: control
    tokens that end an answer, and that a GGUF has no room for beside its own one to three (`Model.control_tokens` finds
    them).
    """

    name: str
    words: tuple[str, ...]
    syntax: Syntax | None
    inside: tuple[str, ...] = ()
    not_words: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    written: Written = HERMES

    def wrote(self, template: str) -> bool:
        """Tell whether `template` is of this family."""
        return all(word in template for word in self.words) and not any(word in template for word in self.not_words)

    @property
    def markers(self) -> tuple[str, ...]:
        """What the parser has to see. Where one is a control token, its text must be shown (`Model.control_tokens`)."""
        return MARKERS if self.syntax is None else (*self.syntax.markers, *self.inside)

    @property
    def think(self) -> tuple[str, str] | None:
        """The tags around reasoning; None where it has none, or channels in their place."""
        return self.syntax.think if self.syntax else None

    @property
    def reasons(self) -> bool:
        """Whether an answer may hold reasoning."""
        return self.syntax is None or self.syntax.think is not None

    def close(self, prompt: str) -> str:
        """Return what ends the reasoning that `prompt` has opened; "" where it has opened none."""
        return self.think[1] if self.think and prompt.rstrip().endswith(self.think[0]) else ""

    def opens_text(self, prompt: str) -> str:
        """Return what stands between an opened turn and words of the answer itself: the reasoning is past."""
        return self.close(prompt) + self.written.answer

    def parser(self, prompt: str, tools: Sequence[Mapping[str, Any]] = ()) -> Parser:
        """Return a parser of one answer.

        `prompt` is the rendered template (its end counts: it may open the reasoning). `tools` is OpenAI's list; a call
        of another name stays text, and without tools every call does.
        """
        if self.syntax is None:
            return Parser(harmony, tools_of(tools), prompt, trims=False)
        return Parser(partial(tagged, self.syntax), tools_of(tools), prompt, trims=bool(self.syntax.markers))


_CALLS_OF_HERMES = Syntax(calls={"<tool_call>": partial(json_calls, close=("</tool_call>",))})
_MISTRAL = Family(
    "mistral",
    ("[TOOL_CALLS]", "[ARGS]"),
    Syntax(calls={"[TOOL_CALLS]": mistral_call}),
    inside=("[CALL_ID]", "[ARGS]"),
    written=MISTRAL,
)
FAMILIES = (
    Family("gpt-oss", ("<|channel|>", "<|message|>", "<|start|>"), None, written=HARMONY),
    Family(
        "glm",
        ("<tool_call>", KEY),
        Syntax(calls={"<tool_call>": glm_call}, thinks_to_call=True),
        inside=("</tool_call>", KEY, KEY_END, VALUE, VALUE_END),
        ends=("<|user|>", "<|observation|>"),  # eos_token_id of the models' generation_config.json
        written=GLM,
    ),
    Family(
        "deepseek-r1",
        ("<｜tool▁calls▁begin｜>", "<｜tool▁sep｜>", "```json"),
        Syntax(
            calls={"<｜tool▁call▁begin｜>": deepseek_call},
            layout=("<｜tool▁calls▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>"),
        ),
        inside=("<｜tool▁sep｜>",),
        written=DEEPSEEK,
    ),
    _MISTRAL,
    replace(_MISTRAL, words=("[TOOL_CALLS]",), written=MISTRAL_2024),
    Family(
        "hermes",  # Qwen 2.5 and 3
        ("<tool_call>",),
        _CALLS_OF_HERMES,
        inside=("</tool_call>",),
        not_words=("<function=", "<invoke"),  # of Qwen3-Coder and MiniMax: another syntax behind the same marker
    ),
    Family(
        "llama-3",
        ("<|start_header_id|>", "ipython"),
        Syntax(calls={"": json_calls, "<|python_tag|>": json_calls}),
        not_words=("<function=",),
        written=LLAMA,
    ),
)
PLAIN = Family("plain", (), Syntax())
# For a template that shows no tools (engine/told_tools.py).
TOLD = Family("plain", (), _CALLS_OF_HERMES, inside=("</tool_call>",))


def family_of(template: str) -> Family:
    """Return the family that a chat template's source belongs to, with the tags of reasoning that it holds."""
    return _thinking(next((family for family in FAMILIES if family.wrote(template)), PLAIN), template)


def told_of(template: str) -> Family:
    """Return the family of a model that is told of its tools in a message, since its template shows none."""
    return _thinking(TOLD, template)


def _thinking(family: Family, template: str) -> Family:
    if family.syntax is None:
        return family
    think = next((tags for tags in THINK if tags[1] in template), None)
    return replace(family, syntax=replace(family.syntax, think=think))
