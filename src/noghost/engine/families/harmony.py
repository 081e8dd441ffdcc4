"""gpt-oss's answers: messages, each with a header that names its channel. PURE, in an instance.

`<|channel|>analysis<|message|>…<|end|>` is reasoning, `final` the answer, and so is `commentary`, unless it is written
to a tool: `<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{…}<|call|>`. The recipient may stand
before the channel too, as the chat template writes it. A header that does not read so is text.
(cookbook.openai.com: OpenAI Harmony response format)
"""

from __future__ import annotations

from noghost.engine.families.output import Output
from noghost.engine.families.reader import Emit, Reader, Step
from noghost.engine.families.tools import Tools

START, CHANNEL, MESSAGE, CONSTRAIN = "<|start|>", "<|channel|>", "<|message|>", "<|constrain|>"
ENDS = ("<|end|>", "<|call|>", "<|return|>")
MARKERS = (START, CHANNEL, MESSAGE, CONSTRAIN, *ENDS)


def harmony(reader: Reader, out: Output, tools: Tools, prompt: str) -> Step[None]:
    """Read an answer to `prompt`, which ends in `<|start|>assistant`, or else within the answer's text."""
    begins = prompt.endswith(f"{START}assistant")
    emit = ((yield from _header(reader, out, tools, START)) if begins else None) or out.content
    while marker := (yield from reader.until((START, CHANNEL, *ENDS), emit)):
        if marker in ENDS:
            out.end()
            emit = out.content
        elif message := (yield from _header(reader, out, tools, marker)):
            emit = message
        else:
            emit(marker)


def _header(reader: Reader, out: Output, tools: Tools, marker: str) -> Step[Emit | None]:
    """Read the rest of a header, and return where its message goes; None, and nothing read, if none stands here."""
    reader.hold()
    name, named = "", marker == CHANNEL
    if marker == START:
        yield from reader.maybe("assistant")
        name = yield from _recipient(reader, tools)
        named = yield from reader.in_order(CHANNEL)
    channel = (yield from reader.one_of("analysis", "commentary", "final")) if named else ""
    name = name or (yield from _recipient(reader, tools))
    yield from reader.maybe(CONSTRAIN)
    yield from reader.maybe("json")
    if not channel or not (yield from reader.in_order(MESSAGE)):
        reader.back()
        return None
    reader.release()
    out.end()
    return _place(out, channel, name)


def _place(out: Output, channel: str, name: str) -> Emit:
    if name:
        out.begin(name)
        return out.arguments
    return out.reasoning if channel == "analysis" else out.content


def _recipient(reader: Reader, tools: Tools) -> Step[str]:
    """Read ` to=functions.NAME`, of a tool that there is; "" if that is not what stands here."""
    reader.hold()
    name = ""
    if (yield from reader.in_order("to=functions.")):
        name = yield from reader.one_of(*tools)
    if name:
        reader.release()
    else:
        reader.back()
    return name
