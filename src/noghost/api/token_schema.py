"""What requests to tokenise may say: vLLM's fields and llama-server's. In an instance.

A conversation is checked as the chat request that it stands for (`TokenizeRequest.as_chat`), and not here: a second
copy of that schema would be memory of the warden.
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, model_validator

from noghost.api.schemas import MOST_TOKENS
from noghost.api.strict import Strict, UnsupportedError, say_null

TEXTS = ("prompt", "content")
ONE = "send one of prompt, content (texts) and messages"
WHOLE = "messages have the tokens of a chat request, each special one once; leave add_special_tokens out"
NO_TOOLS = "tools are shown beside messages alone; send messages, or leave tools out"
# Fields of a chat request that its prompt depends on.
OF_CHAT = (
    "messages",
    "tools",
    "tool_choice",
    "response_format",
    "reasoning_effort",
    "thinking",
    "chat_template_kwargs",
    "add_generation_prompt",
    "continue_final_message",
    "noghost",
)


def say_one(schema: dict[str, Any]) -> None:
    """In the document: one of the three forms, the others null or left out; beside messages what chat takes."""
    say_null(schema)
    none: dict[str, Any] = {"anyOf": [{"type": "array", "maxItems": 0}, {"type": "null"}]}
    texts = [{"required": [name], "properties": {name: {"type": "string"}, "tools": none}} for name in TEXTS]
    chat = {name: {"$ref": f"#/components/schemas/ChatRequest/properties/{name}"} for name in OF_CHAT}
    schema["oneOf"] = [*texts, {"required": ["messages"], "properties": chat}]


class TokenizeRequest(Strict):
    """POST /v1/tokenize."""

    model_config = ConfigDict(extra="allow", json_schema_extra=say_one)
    model: str = "default"
    prompt: str | None = Field(default=None, description="a text, with the special tokens that the model wants")
    content: str | None = Field(default=None, description="a text, without them unless add_special is true")
    messages: list[Any] | None = None
    add_special_tokens: bool | None = Field(default=None, description="null: for a prompt, not for content")
    add_special: bool | None = Field(default=None, description="the same, as llama-server calls it")
    parse_special: bool = Field(default=True, description="read <|…|> as a control token, not as text")
    return_token_strs: bool = Field(default=False, description="each token's text too, in token_strs")
    with_pieces: bool = Field(default=False, description="tokens as llama-server's objects of id and piece")

    @model_validator(mode="after")
    def one_form(self) -> TokenizeRequest:
        """One of the three, and nothing that contradicts it."""
        given = [name for name in (*TEXTS, "messages") if getattr(self, name) is not None]
        if len(given) != 1 or self.messages == []:
            raise UnsupportedError(given[-1] if given else "prompt", ONE)
        if self.messages and self.adds_special:
            raise UnsupportedError("add_special_tokens", WHOLE)
        if not self.messages and (self.model_extra or {}).get("tools") not in (None, []):
            raise UnsupportedError("tools", NO_TOOLS)
        return self

    @property
    def as_chat(self) -> dict[str, Any]:
        """The chat request that begins with the same tokens, unchecked."""
        return {"model": self.model, "messages": self.messages, **(self.model_extra or {})}

    @property
    def adds_special(self) -> bool:
        """Whether a text gets the tokens that the model wants before and after it."""
        asked = self.add_special if self.add_special_tokens is None else self.add_special_tokens
        return self.prompt is not None if asked is None else asked


class DetokenizeRequest(Strict):
    """POST /v1/detokenize."""

    model: str = "default"
    tokens: list[int] = Field(json_schema_extra={"items": {"type": "integer", "minimum": 0, "maximum": MOST_TOKENS}})
