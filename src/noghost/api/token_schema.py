"""What requests to tokenise may say: vLLM's fields and llama-server's. In an instance."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, model_validator

from noghost.api.schemas import CONTINUING, MOST_TOKENS, OPENING, ChatMessage, ChatOptions, ChatRequest
from noghost.api.strict import Strict, UnsupportedError, say_null
from noghost.api.thinking import ThinkingFields
from noghost.api.tool_schema import ToolFields

FORMS = {"prompt": {"type": "string"}, "content": {"type": "string"}, "messages": {"type": "array"}}
ONE = "send one of prompt, content (texts) and messages"
WHOLE = "messages have the tokens of a chat request, each special one once; leave add_special_tokens out"

NO_TOOLS = "tools are shown beside messages alone; send messages, or leave tools out"


def say_one(schema: dict[str, Any]) -> None:
    """In the document: one of the three forms, the others null or left out."""
    say_null(schema)
    schema["oneOf"] = [{"required": [name], "properties": {name: kind}} for name, kind in FORMS.items()]


class TokenizeRequest(ToolFields, ThinkingFields):
    """POST /v1/tokenize."""

    model_config = ConfigDict(json_schema_extra=say_one)
    model: str = "default"
    prompt: str | None = Field(default=None, description="a text, with the special tokens that the model wants")
    content: str | None = Field(default=None, description="a text, without them unless add_special is true")
    messages: list[ChatMessage] | None = Field(default=None, json_schema_extra={"minItems": 1})
    add_special_tokens: bool | None = Field(default=None, description="null: for a prompt, not for content")
    add_special: bool | None = Field(default=None, description="the same, as llama-server calls it")
    parse_special: bool = Field(default=True, description="read <|…|> as a control token, not as text")
    return_token_strs: bool = Field(default=False, description="each token's text too, in token_strs")
    with_pieces: bool = Field(default=False, description="tokens as llama-server's objects of id and piece")
    add_generation_prompt: bool = Field(default=True, description=OPENING)
    continue_final_message: bool | None = Field(default=None, description=CONTINUING)
    noghost: ChatOptions = ChatOptions()

    @model_validator(mode="after")
    def one_form(self) -> TokenizeRequest:
        """One of the three, and nothing that contradicts it."""
        given = [name for name in FORMS if getattr(self, name) is not None]
        if len(given) != 1 or self.messages == []:
            raise UnsupportedError(given[-1] if given else "prompt", ONE)
        if self.messages and self.adds_special:
            raise UnsupportedError("add_special_tokens", WHOLE)
        if self.tools and not self.messages:
            raise UnsupportedError("tools", NO_TOOLS)
        return self

    @property
    def own_switch(self) -> bool | None:
        """Of thinking."""
        return self.noghost.thinking

    @property
    def of_chat(self) -> dict[str, Any]:
        """The fields of the chat request that begins with the same tokens."""
        return self.model_dump(include=set(ChatRequest.model_fields), exclude_unset=True)

    @property
    def adds_special(self) -> bool:
        """Whether a text gets the tokens that the model wants before and after it."""
        asked = self.add_special if self.add_special_tokens is None else self.add_special_tokens
        return self.prompt is not None if asked is None else asked


class DetokenizeRequest(Strict):
    """POST /v1/detokenize."""

    model: str = "default"
    tokens: list[int] = Field(json_schema_extra={"items": {"type": "integer", "minimum": 0, "maximum": MOST_TOKENS}})
