"""What a request may say of tools: OpenAI's fields. In an instance."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from noghost.api.strict import Strict, UnsupportedError

MOST_TOOLS = 128
NAME = "^[a-zA-Z0-9_-]{1,64}$"
USE_TOOLS = "functions and function_call are not supported; use tools, tool_choice and tool_calls in their place"
NO_OBJECT = "the arguments of a tool call are not the JSON text of an object"
OLD: dict[str, tuple[Any, ...]] = {"functions": ([],), "function_call": ("none", "auto")}


class Function(Strict):
    """A tool's name, what it does, and the JSON schema of its arguments."""

    name: str = Field(pattern=NAME)
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool = Field(default=False, description="hold the arguments of every call to their schema")

    @field_validator("parameters")
    @classmethod
    def of_an_object(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        """Arguments have names."""
        if value and value.get("type", "object") != "object":
            raise ValueError("parameters is not the schema of an object")
        return value


class Tool(Strict):
    """One tool."""

    type: Literal["function"]
    function: Function


class Named(Strict):
    """The name of a tool."""

    name: str = Field(pattern=NAME)


class NamedTool(Strict):
    """The one tool that is to be called."""

    type: Literal["function"]
    function: Named


class CalledFunction(Strict):
    """What was called."""

    name: str = Field(pattern=NAME)
    arguments: str = Field(default="", description="JSON text of an object")

    @field_validator("arguments")
    @classmethod
    def of_an_object(cls, value: str) -> str:
        """A template may want the object itself."""
        try:
            read = json.loads(value or "{}")
        except (ValueError, RecursionError):
            read = None
        if not isinstance(read, dict):
            raise ValueError(NO_OBJECT)
        return value


class ToolCall(Strict):
    """One call of an earlier turn."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class ToolFields(Strict):
    """What a conversation's request says of tools."""

    tools: list[Tool] = Field(default=[], max_length=MOST_TOOLS)
    tool_choice: Literal["none", "auto", "required"] | NamedTool = "auto"
    parallel_tool_calls: bool = True

    @model_validator(mode="before")
    @classmethod
    def refuse_functions(cls, body: Any) -> Any:
        """What came before tools."""
        for name, harmless in OLD.items():
            if isinstance(body, dict) and body.get(name) is not None and body[name] not in harmless:
                raise UnsupportedError(name, USE_TOOLS)
        return body

    @field_validator("tools")
    @classmethod
    def different_names(cls, tools: list[Tool]) -> list[Tool]:
        """A call names its tool."""
        if len({tool.function.name for tool in tools}) < len(tools):
            raise ValueError("tools has two functions with the same name")
        return tools

    @model_validator(mode="after")
    def choose_what_there_is(self) -> ToolFields:
        """A choice is of these tools."""
        if self.must_call and not self.tools:
            raise UnsupportedError("tool_choice", "tool_choice asks for a call, and there are no tools")
        if self.chosen is not None and self.chosen not in {tool.function.name for tool in self.tools}:
            raise UnsupportedError("tool_choice", "tool_choice names a function that is not in tools")
        return self

    @property
    def offered(self) -> list[dict[str, Any]]:
        """The tools that the model may call, as OpenAI's API writes them."""
        if self.tool_choice == "none":
            return []
        return [tool.model_dump(exclude_unset=True, exclude_none=True) for tool in self.tools]

    @property
    def must_call(self) -> bool:
        """Whether the answer has to be a call."""
        return self.tool_choice not in ("none", "auto")

    @property
    def chosen(self) -> str | None:
        """The one tool that has to be called."""
        return self.tool_choice.function.name if isinstance(self.tool_choice, NamedTool) else None

    @property
    def most_calls(self) -> int | None:
        """How many calls an answer may have; None for any number."""
        return None if self.parallel_tool_calls and self.chosen is None else 1

    @property
    def holds_calls(self) -> bool:
        """Whether calls are held to their schemas where the model may answer otherwise."""
        return not self.parallel_tool_calls or any(tool.function.strict for tool in self.tools)
