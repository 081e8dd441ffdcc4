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

THINK = (("<think>", "</think>"), ("[THINK]", "[/THINK]"))


@dataclass(frozen=True)
class Family:
    """Models that write alike.

    `words`: what its chat template holds, all of them; `not_words`: what it does not. `syntax` None is harmony, which
    is another kind. `inside`: markers that stand within a call. `ends`: control tokens that end an answer, and that a
    GGUF has no room for beside its own one to three (`Model.control_tokens` finds them).
    """

    name: str
    words: tuple[str, ...]
    syntax: Syntax | None
    inside: tuple[str, ...] = ()
    not_words: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()

    def wrote(self, template: str) -> bool:
        """Tell whether `template` is of this family."""
        return all(word in template for word in self.words) and not any(word in template for word in self.not_words)

    @property
    def markers(self) -> tuple[str, ...]:
        """What the parser has to see. Where one is a control token, its text must be shown (`Model.control_tokens`)."""
        return MARKERS if self.syntax is None else (*self.syntax.markers, *self.inside)

    def parser(self, prompt: str, tools: Sequence[Mapping[str, Any]] = ()) -> Parser:
        """Return a parser of one answer.

        `prompt` is the rendered template (its end counts: it may open the reasoning). `tools` is OpenAI's list; a call
        of another name stays text, and without tools every call does.
        """
        if self.syntax is None:
            return Parser(harmony, tools_of(tools), prompt, trims=False)
        return Parser(partial(tagged, self.syntax), tools_of(tools), prompt, trims=bool(self.syntax.markers))


FAMILIES = (
    Family("gpt-oss", ("<|channel|>", "<|message|>", "<|start|>"), None),
    Family(
        "glm",
        ("<tool_call>", KEY),
        Syntax(calls={"<tool_call>": glm_call}, thinks_to_call=True),
        inside=("</tool_call>", KEY, KEY_END, VALUE, VALUE_END),
        ends=("<|user|>", "<|observation|>"),  # eos_token_id of the models' generation_config.json
    ),
    Family(
        "deepseek-r1",
        ("<｜tool▁calls▁begin｜>", "<｜tool▁sep｜>", "```json"),
        Syntax(
            calls={"<｜tool▁call▁begin｜>": deepseek_call},
            layout=("<｜tool▁calls▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>"),
        ),
        inside=("<｜tool▁sep｜>",),
    ),
    Family("mistral", ("[TOOL_CALLS]",), Syntax(calls={"[TOOL_CALLS]": mistral_call}), inside=("[CALL_ID]", "[ARGS]")),
    Family(
        "hermes",  # Qwen 2.5 and 3
        ("<tool_call>",),
        Syntax(calls={"<tool_call>": partial(json_calls, close=("</tool_call>",))}),
        inside=("</tool_call>",),
        not_words=("<function=", "<invoke"),  # of Qwen3-Coder and MiniMax: another syntax behind the same marker
    ),
    Family(
        "llama-3",
        ("<|start_header_id|>", "ipython"),
        Syntax(calls={"": json_calls, "<|python_tag|>": json_calls}),
        not_words=("<function=",),
    ),
)
PLAIN = Family("plain", (), Syntax())


def family_of(template: str) -> Family:
    """Return the family that a chat template's source belongs to, with the tags of reasoning that it holds."""
    family = next((family for family in FAMILIES if family.wrote(template)), PLAIN)
    if family.syntax is None:
        return family
    think = next((tags for tags in THINK if tags[1] in template), None)
    return replace(family, syntax=replace(family.syntax, think=think))
