"""A model's chat template: Jinja as Hugging Face's transformers runs it.

Compiled in the warden, before fork (it comes with the weights); rendered in an instance.

Covered: the template runs in Jinja's immutable sandbox; an error it raises shows its own words, never a
message's. Not covered: a template that never ends, or one written to deceive: it is as trusted as the
weights that it came with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, NoReturn

import jinja2.debug  # noqa: F401  Jinja imports it when a template fails first, and an instance opens no file
from jinja2 import nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from noghost.engine.form import FORMED, Form, form_of
from noghost.errors import EngineError, RequestError

Message = Mapping[str, Any]

# Read once, in the warden: asking the C library for the local time later would have it look at
# /etc/localtime, and an instance may not open files. A change of daylight saving is seen at the next start.
_ZONE = datetime.now().astimezone().tzinfo

# The format of OpenAI's ChatML, for a GGUF that holds no template.
CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


class GenerationTag(Extension):
    """`{% generation %}…{% endgeneration %}`, which marks the assistant's words for training: no effect."""

    tags = frozenset({"generation"})  # type: ignore[assignment]  # Jinja reads it only; a set could be changed

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Return the block's body as it stands."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class ChatTemplate:
    """A compiled chat template. Raises EngineError if `source` is not one.

    `source` None means ChatML. `bos` and `eos` are the texts of these tokens.
    """

    def __init__(self, source: str | None, bos: str, eos: str) -> None:
        """Compile `source`."""
        self.source = CHATML if source is None else source
        self._tokens = {"bos_token": bos, "eos_token": eos}
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, loopcontrols]
        )
        environment.filters["tojson"] = _tojson
        environment.globals.update(raise_exception=_raise_exception, strftime_now=_strftime_now)
        try:
            self._template = environment.from_string(self.source)
        except Exception as error:  # Jinja's own, and those of Python's compiler, which it hands its code to
            raise EngineError(
                f"could not compile the model's chat template: {type(error).__name__}",
                "give the model a template that transformers can compile",
            ) from error

    @cached_property
    def _form(self) -> Form:
        """What tool calls, reasoning and tools need. In the instance: there alone a template runs."""
        return form_of(self.source, self._render)

    @property
    def takes_tools(self) -> bool:
        """Whether the template shows tools to the model; it drops them otherwise."""
        return self._form.takes_tools

    def render(
        self,
        messages: Sequence[Message],
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> str:
        """Return the prompt's text. `kwargs` are the template's own variables (`enable_thinking`).

        Messages and tools are OpenAI's, with `reasoning_content` as well; `engine/form.py` says what is done to them.
        Raises RequestError (400) if the template refuses the messages, EngineError if it fails on them.
        """
        formed = tools or any(not FORMED.isdisjoint(message) for message in messages)
        form = self._form if formed else Form()
        flat = form.messages([flatten(message) for message in messages])
        return self._render(flat, form.tools(tools), add_generation_prompt=add_generation_prompt, **kwargs)

    def _render(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] | None, **variables: Any) -> str:
        """Render messages and tools as they are."""
        try:
            return self._template.render(self._tokens | variables | {"messages": messages, "tools": tools})
        except _RefusedError as refusal:
            # Only the template's own words: a text that it put together could hold a message's.
            reason = f": {refusal.reason}" if refusal.reason and refusal.reason in self.source else ""
        except Exception as error:  # noqa: BLE001 - a template can fail in any way, and its error hold content
            # from None: the error and its traceback hold the messages
            raise EngineError(f"the chat template failed on these messages: {type(error).__name__}") from None
        raise RequestError(f"the chat template refused these messages{reason}", param="messages")

    def render_open(
        self,
        messages: Sequence[Message],
        opens_text: Callable[[str], str],
        *,
        add_generation_prompt: bool = True,
        continue_final_message: bool | None = None,
        **kwargs: Any,
    ) -> str:
        """Return the prompt that the answer follows.

        Where the last message is the assistant's, the answer goes on with its text, as in llama-server, unless
        `continue_final_message` is False; True asks for that (as vLLM calls it). `opens_text` says what stands before
        that text, behind the turn's opening (`Family.opens_text`). `kwargs` are those of `render`.
        Raises RequestError where there is nothing to continue, and as `render` does.
        """
        is_last = bool(messages) and messages[-1]["role"] == "assistant"
        if continue_final_message and not is_last:
            raise RequestError(
                "continue_final_message needs a last message of the assistant", param="continue_final_message"
            )
        if is_last and continue_final_message is not False:
            opened = self.render(messages[:-1], **kwargs)
            return opened + opens_text(opened) + str(flatten(messages[-1])["content"])
        return self.render(messages, add_generation_prompt=add_generation_prompt, **kwargs)


def flatten(message: Message) -> dict[str, Any]:
    """Return a copy of `message` whose content is one text.

    OpenAI's text parts are joined by line feeds (as llama.cpp and vLLM join them); null becomes "". Raises
    RequestError for a part that is not text.
    """
    content = message.get("content")
    return {**message, "content": content if isinstance(content, str) else _join(content or ())}


def _join(parts: Any) -> str:
    texts = []
    for part in parts if isinstance(parts, list | tuple) else (None,):
        text = part.get("text") if isinstance(part, Mapping) and part.get("type") == "text" else None
        if not isinstance(text, str):
            raise RequestError("a message's content must be text or a list of text parts", param="messages")
        texts.append(text)
    return "\n".join(texts)


class _RefusedError(TemplateError):
    """The template called `raise_exception`."""

    def __init__(self, reason: object) -> None:
        super().__init__()
        self.reason = reason if isinstance(reason, str) else ""


def _raise_exception(reason: object) -> NoReturn:
    raise _RefusedError(reason)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as transformers writes it: Jinja's own filter would escape for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _strftime_now(form: str) -> str:
    return datetime.now(_ZONE).strftime(form)
