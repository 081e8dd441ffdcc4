"""How a family writes its calls, for a grammar that holds an answer to them. PURE, in an instance."""

from __future__ import annotations

from dataclasses import dataclass

MOST_CALLS = 16  # in one answer that is held; without a bound a small model can go on for ever


@dataclass(frozen=True)
class Written:
    """A call is `opening`, its tool's name, `between`, its arguments, `closing`.

    `first` stands before the calls of an answer, `joint` between two, `last` behind them. `marker` is what `first` and
    `opening` begin with, and by which a call is known that comes after text; "" where none can be known so.
    `answer` opens an answer that is no call. `pairs`: the arguments are not one JSON object but GLM's pairs of key and
    value.
    """

    opening: str
    between: str
    closing: str
    first: str = ""
    joint: str = ""
    last: str = ""
    marker: str = ""
    answer: str = ""
    most: int = MOST_CALLS
    pairs: bool = False


HERMES = Written(
    '<tool_call>\n{"name": "', '", "arguments": ', "}\n</tool_call>", joint="\n", marker="<tool_call>"
)  # and the form for templates that show no tools
GLM = Written("<tool_call>", "", "</tool_call>", marker="<tool_call>", pairs=True)
MISTRAL_2024 = Written(
    '{"name": "', '", "arguments": ', "}", first="[TOOL_CALLS][", joint=", ", last="]", marker="[TOOL_CALLS]"
)
MISTRAL = Written("[TOOL_CALLS]", "[ARGS]", "", marker="[TOOL_CALLS]")
DEEPSEEK = Written(
    "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
    "\n```json\n",
    "\n```<｜tool▁call▁end｜>",
    first="<｜tool▁calls▁begin｜>",
    joint="\n",
    last="<｜tool▁calls▁end｜>",
    marker="<｜tool▁calls▁begin｜>",
)
# One call an answer: Llama's templates refuse more, and gpt-oss ends its message with the call.
LLAMA = Written('{"name": "', '", "parameters": ', "}", most=1)
HARMONY = Written(
    "<|channel|>commentary to=functions.",
    " <|constrain|>json<|message|>",
    "",
    answer="<|channel|>final<|message|>",
    most=1,
)
