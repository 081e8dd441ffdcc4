"""What an answer is held to that calls tools: a grammar in llguidance's Lark, in the syntax of the model's family.

PURE, in an instance.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from noghost.engine.families.family import Family
from noghost.engine.pairs import pairs
from noghost.engine.rules import Rules
from noghost.engine.schema import Schema
from noghost.errors import RequestError

PARAMETERS = "tools[{}].function.parameters"


class Calls:
    """Calls of some tools, each with arguments that its schema allows.

    Raises RequestError, which names the tool by its number, for arguments that cannot be held.
    """

    def __init__(
        self,
        family: Family,
        prompt: str,
        tools: Mapping[int, Mapping[str, Any]],
        *,
        most: int = 1,
        free: bool = False,
        thinks: bool = False,
        otherwise: Schema | None = None,
    ) -> None:
        """`tools`: OpenAI's functions by their place in the request; none, where `otherwise` is given. `most`: so many
        calls at most. `free`: text may stand before and behind them, and instead of them. `thinks`: reasoning comes
        first. `otherwise`: JSON of this schema may stand instead of them.
        """
        self.param = "tools" if tools else "response_format"
        self._written = family.written
        self._most = min(most, family.written.most)
        self._schemas = {number: _schema_of(number, function) for number, function in tools.items()}
        self._names = {number: function["name"] for number, function in tools.items()}
        self._free, self._otherwise = free, otherwise
        self._think = family.think if thinks else None
        self._opened = bool(family.close(prompt))

    def lark(self, rules: Rules) -> str:
        """The grammar's text."""
        return rules.text(self._among_text(rules) if self._free else f"{self._reasoning(rules)} {self._held(rules)}")

    def _held(self, rules: Rules) -> str:
        """Calls, or the JSON that may stand instead of them."""
        either = []
        if self._names:
            either.append(f"{rules.literal(self._written.first + self._written.opening)} {self._calls(rules)}")
        if self._otherwise is not None:
            either.append(f"{rules.literal(self._written.answer)} {rules.json(json.loads(self._otherwise.text))}")
        return f"({' | '.join(either)})"

    def _calls(self, rules: Rules) -> str:
        """Calls behind what opens the first."""
        one = rules.define(" | ".join(self._call(rules, number) for number in self._names))
        again = f"({rules.literal(self._written.joint + self._written.opening)} {one}){{0,{self._most - 1}}}"
        return f"{one} {again if self._most > 1 else ''} {rules.literal(self._written.last)}"

    def _reasoning(self, rules: Rules) -> str:
        if self._think is None:
            return ""
        begin, end = self._think
        return f"{'' if self._opened else rules.literal(begin)} {rules.until(end)}"

    def blame(self, fails: Callable[[str], bool]) -> RequestError:
        """The error for the first schema of which `fails` is true."""
        for number, schema in self._schemas.items():
            if fails(schema.text):
                return placed(schema.blame(fails), number)
        if self._otherwise is not None and fails(self._otherwise.text):
            return self._otherwise.blame(fails)
        message = "could not hold the answer to calls of these tools"
        return RequestError(message, code="unsupported_schema", param=self.param)

    def _call(self, rules: Rules, number: int) -> str:
        """A call behind what opens it."""
        written, schema = self._written, json.loads(self._schemas[number].text)
        try:
            arguments = pairs(schema, rules) if written.pairs else rules.json(schema)
        except RequestError as error:
            raise placed(error, number) from None
        return f"{rules.literal(self._names[number] + written.between)} {arguments} {rules.literal(written.closing)}"

    def _among_text(self, rules: Rules) -> str:
        """Text, and calls behind the marker that tells them from it."""
        marker, calls = self._written.marker, self._calls(rules)
        opened = rules.literal((self._written.first + self._written.opening).removeprefix(marker))
        times = "*" if self._most > 1 else "?"
        return f"({rules.until(marker)} {opened} {calls}){times} ({rules.without(marker)})?"


def _schema_of(number: int, function: Mapping[str, Any]) -> Schema:
    """Of a tool's arguments; what it does not say about others is read as no."""
    parameters = {"type": "object", "additionalProperties": False, **(function.get("parameters") or {})}
    try:
        return Schema(parameters)
    except RequestError as error:
        raise placed(error, number) from None


def placed(error: RequestError, number: int) -> RequestError:
    """An error about the arguments of the tool with this number."""
    error.param = PARAMETERS.format(number)
    return error


def chosen(tools: Sequence[Mapping[str, Any]], name: str | None) -> dict[int, Mapping[str, Any]]:
    """The functions of these tools, or the one with this name, by their places."""
    functions = enumerate(tool["function"] for tool in tools)
    return {number: function for number, function in functions if name in (None, function["name"])}
