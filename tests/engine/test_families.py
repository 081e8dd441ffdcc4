"""What each family documents as its output is read as it is meant: whole, and split at every character."""

from __future__ import annotations

import json

import pytest

from engine.families import TOOLS, Answer, family, read, source_of
from noghost.engine.families.events import CallArguments, CallBegun, CallEnded, Content, Reasoning
from noghost.engine.families.family import FAMILIES, PLAIN, family_of
from noghost.engine.model import Model

WEATHER = '{"city": "Köln", "days": 3}'
GPT = "<|start|>assistant"
THINKS = "<|assistant|><think>"
HERMES = '<tool_call>\n{"name": "%s", "arguments": %s}\n</tool_call>'
NEMO = '{"name": "%s", "arguments": %s, "id": "abc123DEF"}'
R1 = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>%s\n```json\n%s\n```<｜tool▁call▁end｜>"
R1_END = "<｜tool▁calls▁end｜>"
ANALYSIS = "<|channel|>analysis<|message|>They ask.<|end|>"
GPT_CALL = "<|channel|>commentary to=functions.%s <|constrain|>json<|message|>%s<|call|>"
GLM_4_5 = "<arg_key>city</arg_key>\n<arg_value>Köln</arg_value>\n<arg_key>days</arg_key>\n<arg_value>3</arg_value>"
GLM_BARE = "<tool_call>get_time\n</tool_call>"
GLM_4_7 = GLM_4_5.replace("\n", "")
TIME = ("get_time", "{}")
CUT = ("get_weather", WEATHER[:-1])

# template, end of the prompt, answer, what it says
DOCUMENTED: list[tuple[str, str, str, Answer]] = [
    # Hermes, as Qwen 2.5 and 3 write it
    ("qwen3", "", "<think>\nThey ask.\n</think>\n\nIt is warm.", Answer("They ask.", "It is warm.")),
    ("qwen3", "<think>\n", "They ask.\n</think>\n\nIt is warm.", Answer("They ask.", "It is warm.")),
    ("qwen3", "<think>\n\n</think>\n\n", "It is warm.", Answer("", "It is warm.")),
    (
        "qwen3",
        "",
        f"<think>\nLook.\n</think>\n\nI look.\n{HERMES % ('get_weather', WEATHER)}\n{HERMES % ('get_time', '{}')}",
        Answer("Look.", "I look.", [("get_weather", WEATHER), ("get_time", "{}")]),
    ),
    (
        "qwen2.5",
        "",
        '<tool_call>\n{"name": "get", "arguments": {"what": "a \\"}{</tool_call>\\" b"}}\n</tool_call>',
        Answer("", "", [("get", '{"what": "a \\"}{</tool_call>\\" b"}')]),
    ),
    # Llama 3.x: bare JSON, alone or several; with the tag that stood for code; with a type
    ("llama3.1", "", '{"name": "get_time", "parameters": {}}', Answer("", "", [("get_time", "{}")])),
    (
        "llama3.2",
        "",
        f'<|python_tag|>{{"type": "function", "name": "get_weather", "parameters": {WEATHER}}}',
        Answer("", "", [("get_weather", WEATHER)]),
    ),
    (
        "llama3.2",
        "",
        f'\n{{"name": "get_weather", "parameters": {WEATHER}}}; {{"name": "get_time", "parameters": {{}}}}',
        Answer("", "", [("get_weather", WEATHER), ("get_time", "{}")]),
    ),
    # Mistral: the list of 2024, the two forms of 2025, reasoning
    (
        "mistral-nemo",
        "",
        f"[TOOL_CALLS][{NEMO % ('get_weather', WEATHER)}, {NEMO % ('get_time', '{}')}]",
        Answer("", "", [("get_weather", WEATHER), ("get_time", "{}")]),
    ),
    (
        "mistral-small-3.2",
        "",
        f"[TOOL_CALLS]get_weather[CALL_ID]abc123DEF[ARGS]{WEATHER}[TOOL_CALLS]get_time[CALL_ID]abc123DEG[ARGS]{{}}",
        Answer("", "", [("get_weather", WEATHER), ("get_time", "{}")]),
    ),
    (
        "ministral-3-reasoning",
        "",
        f"[THINK]They ask.[/THINK]I look.[TOOL_CALLS]get_weather[ARGS]{WEATHER}[TOOL_CALLS]get_time[ARGS]{{}}",
        Answer("They ask.", "I look.", [("get_weather", WEATHER), ("get_time", "{}")]),
    ),
    # DeepSeek-R1
    ("deepseek-r1-distill", "<think>\n", "They ask.\n</think>\n\nIt is warm.", Answer("They ask.", "It is warm.")),
    (
        "deepseek-r1-distill",
        "<think>\n",
        f"They ask.</think><｜tool▁calls▁begin｜>{R1 % ('get_weather', WEATHER)}\n{R1 % ('get_time', '{}')}{R1_END}",
        Answer("They ask.", "", [("get_weather", WEATHER), ("get_time", "{}")]),
    ),
    # gpt-oss: the recipient after the channel, as it writes, and before it, as its template does
    (
        "gpt-oss",
        GPT,
        f"{ANALYSIS}{GPT}<|channel|>final<|message|>It is warm.<|return|>",
        Answer("They ask.", "It is warm."),
    ),
    (
        "gpt-oss",
        GPT,
        f"{ANALYSIS}{GPT}<|channel|>commentary<|message|>I look.<|end|>{GPT}{GPT_CALL % ('get_weather', WEATHER)}",
        Answer("They ask.", "I look.", [("get_weather", WEATHER)]),
    ),
    (
        "gpt-oss",
        GPT,
        f" to=functions.get_weather<|channel|>commentary json<|message|>{WEATHER}",
        Answer("", "", [("get_weather", WEATHER)]),
    ),
    # GLM-4.5, 4.6: line feeds; 4.7: none; a call ends the reasoning; without arguments, with and without line feed
    ("glm-4.5", "<|assistant|>", "\n<think>They ask.</think>\nIt is warm.", Answer("They ask.", "It is warm.")),
    (
        "glm-4.6",
        "<|assistant|>",
        f"\n<think>They ask.</think>\nI look.\n<tool_call>get_weather\n{GLM_4_5}\n</tool_call>",
        Answer("They ask.", "I look.", [("get_weather", WEATHER)]),
    ),
    ("glm-4.7", THINKS, "They ask.</think>It is warm.", Answer("They ask.", "It is warm.")),
    ("glm-4.7", "<|assistant|></think>", "It is warm.", Answer("", "It is warm.")),
    (
        "glm-4.7",
        THINKS,
        f"They ask.<tool_call>get_weather{GLM_4_7}</tool_call><tool_call>get_time</tool_call>{GLM_BARE}",
        Answer("They ask.", "", [("get_weather", WEATHER), ("get_time", "{}"), ("get_time", "{}")]),
    ),
    # no syntax of their own: everything is the answer
    ("gemma3", "", " Some <tool_call> {} <think>\n", Answer("", " Some <tool_call> {} <think>\n")),
]

# What is no call stays text, and what follows it is read on; a call that has begun keeps what it has.
# None: all of it is content.
MALFORMED: list[tuple[str, str, str, Answer | None]] = [
    # of no tool
    ("qwen3", "", 'a <tool_call>{"name": "gets", "arguments": {}}</tool_call>', None),
    ("glm-4.7", "</think>", "a <tool_call>gets<arg_key>a</arg_key><arg_value>b</arg_value></tool_call>", None),
    ("llama3.1", "", ' {"name": "Ada", "parameters": {}}', None),
    ("mistral-nemo", "", '[TOOL_CALLS][{"name": "gets", "arguments": {}}]', None),
    ("ministral-3-reasoning", "", "[TOOL_CALLS]gets[ARGS]{}", None),
    ("gpt-oss", GPT, "<|channel|>commentary to=browser.search code<|message|>{}", None),
    # not of the form
    ("qwen3", "", '<tool_call>["get_time"]</tool_call> is <tool_call> as {"name": "get_time"', None),
    ("qwen3", "", '<tool_call>{"name": "get_time", "arguments": 5}</tool_call>', None),
    ("llama3.1", "", '{"answer": 5}', None),
    ("llama3.1", "", '<|python_tag|>print("get_time")', None),
    ("mistral-small-3.2", "", "[TOOL_CALLS]get_time[CALL_ID]abc\n[ARGS]{}", None),
    ("gpt-oss", GPT, "<|channel|>other<|message|>x <|message|> <|start|>user", None),
    ("glm-4.7", "</think>", "The tag <tool_call>get_time is such", None),
    # cut before the call is one
    ("qwen3", "", 'I look.\n<tool_call>\n{"name": "get_wea', None),
    ("glm-4.7", "</think>", "I look.<tool_call>get_weather\n<arg_k", None),
    ("mistral-small-3.2", "", "I look.[TOOL_CALLS]get_time[AR", None),
    ("deepseek-r1-distill", "", "I look.<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_time\n```js", None),
    # in reasoning it stays reasoning
    ("glm-4.7", THINKS, "A <tool_call> is a tag.</think>Yes.", Answer("A <tool_call> is a tag.", "Yes.")),
    (
        "qwen3",
        "",
        '<think><tool_call>{"name": "get_time", "arguments": {}}</tool_call></think>Yes.',
        Answer('<tool_call>{"name": "get_time", "arguments": {}}</tool_call>', "Yes."),
    ),
    # cut in the arguments
    ("qwen3", "", '<tool_call>{"name": "get", "arguments": {"what": "a', Answer("", "", [("get", '{"what": "a')])),
    (
        "glm-4.7",
        "</think>",
        "<tool_call>get_weather<arg_key>city</arg_key><arg_value>Kö",
        Answer("", "", [("get_weather", '{"city": "Kö')]),
    ),
    (
        "glm-4.7",
        "</think>",
        "<tool_call>get_weather<arg_key>days</arg_key><arg_value>3</arg_val",
        Answer("", "", [("get_weather", '{"days": 3</arg_val')]),
    ),
    (
        "glm-4.7",
        "</think>",
        "<tool_call>get_weather<arg_key>days</arg_key><arg_value>3</arg_value>",
        Answer("", "", [("get_weather", '{"days": 3')]),
    ),
    ("ministral-3-reasoning", "", "[TOOL_CALLS]get[ARGS]{", Answer("", "", [("get", "{")])),
    # cut where the call is whole: within its id, or within what closes it
    ("mistral-nemo", "", '[TOOL_CALLS][{"name": "get_time", "arguments": {}, "id": "ab', Answer("", "", [TIME])),
    ("qwen3", "", 'Now.\n<tool_call>\n{"name": "get_time", "arguments": {}}\n</', Answer("", "Now.", [TIME])),
    ("qwen3", "", '<tool_call>{"name": "get_time", "arguments": {}}</tool_call', Answer("", "", [TIME])),
    ("qwen3", "", '<tool_call>{"name": "get_time", "arguments": {}}\n</tool_cat', Answer("", "</tool_cat", [TIME])),
    ("glm-4.7", "</think>", f"<tool_call>get_weather{GLM_4_7}</tool_c", Answer("", "", [CUT])),
    ("glm-4.7", "</think>", f"<tool_call>get_weather{GLM_4_7}<arg_", Answer("", "", [CUT])),
    ("deepseek-r1-distill", "", (R1 % ("get_time", "{}"))[:-19], Answer("", "", [TIME])),
    ("deepseek-r1-distill", "", (R1 % ("get_time", "{}"))[:-3], Answer("", "", [TIME])),
    # wrong arguments: as they stand, up to the call's end
    (
        "qwen3",
        "",
        '<tool_call>{"name": "get", "arguments": {"what": oops</tool_call>Well.',
        Answer("", "Well.", [("get", '{"what": oops')]),
    ),
    (
        "qwen3",
        "",
        '<tool_call>{"name": "get", "arguments": {"what": 1}</tool_call>Well.',
        Answer("", "Well.", [("get", '{"what": 1}')]),
    ),
    (
        "qwen3",
        "",
        '<tool_call>{"name": "get", "arguments": "{\\"what\\": \\"ü\\"}"}</tool_call>',
        Answer("", "", [("get", '{"what": "ü"}')]),
    ),
    (
        "qwen3",
        "",
        '<tool_call>{"name": "get", "arguments": "{\\x}"}</tool_call>',
        Answer("", "", [("get", '"{\\x}"')]),
    ),
    (
        "qwen3",
        "",
        '<tool_call>{"name": "get", "arguments": "\\ud800"}</tool_call>',
        Answer("", "", [("get", '"\\ud800"')]),
    ),
    (
        "glm-4.7",
        "</think>",
        "<tool_call>get_weather<arg_key>city<arg_key>days</arg_key><arg_value>3</arg_value> so </tool_call>Well.",
        Answer("", "<arg_key>city so Well.", [("get_weather", '{"days": 3}')]),
    ),
    (
        "glm-4.7",
        "</think>",
        f"<tool_call>get_weather{GLM_4_7}<tool_call>get_time</tool_call>",
        Answer("", "", [("get_weather", WEATHER), ("get_time", "{}")]),
    ),
    (
        "gpt-oss",
        GPT,
        "<|channel|>commentary to=functions.get<|message|>no JSON<|call|>",
        Answer("", "", [("get", "no JSON")]),
    ),
]


@pytest.mark.parametrize(("template", "prompt", "text", "says"), [*DOCUMENTED, *MALFORMED])
def test_an_answer_is_read_alike_however_it_is_split(
    template: str, prompt: str, text: str, says: Answer | None
) -> None:
    of, says = family(template), says or Answer(content=text)
    assert read(of, [text], prompt) == says
    assert read(of, list(text), prompt) == says
    for cut in range(1, len(text)):
        assert read(of, [text[:cut], "", text[cut:]], prompt) == says, f"split at {cut}"


@pytest.mark.parametrize(("template", "text"), [(template, text) for template, _prompt, text, _says in DOCUMENTED])
def test_without_tools_nothing_is_called_and_nothing_is_lost(template: str, text: str) -> None:
    answer = read(family(template), [text], tools=[])
    assert answer.calls == []
    for word in ("They ask.", "It is warm.", "I look.", "get_weather", "Köln"):
        assert (word in answer.reasoning + answer.content) == (word in text)


def test_each_family_is_recognised_by_its_template() -> None:
    names = {
        "gpt-oss": ["gpt-oss"],
        "glm": ["glm-4.5", "glm-4.6", "glm-4.7"],
        "deepseek-r1": ["deepseek-r1-distill", "deepseek-r1-llama.cpp"],
        "mistral": ["mistral-nemo", "mistral-small-3.2", "ministral-3-reasoning"],
        "hermes": ["qwen2.5", "qwen3"],
        "llama-3": ["llama3.1", "llama3.2"],
        "plain": ["gemma3"],
    }
    assert {of: [family(name).name for name in templates] for of, templates in names.items()} == {
        of: [of] * len(templates) for of, templates in names.items()
    }
    assert names.keys() == {of.name for of in (*FAMILIES, PLAIN)}


def test_a_template_with_reasoning_alone_is_read_by_its_tags(model: Model) -> None:
    assert read(family_of("... </think> ..."), ["<think>a</think>b"]) == Answer("a", "b")
    assert model.chat_template is not None
    assert read(family_of(model.chat_template), ["<think>a</think>b"]) == Answer("", "<think>a</think>b")
    assert family_of("<tool_call><function=").name == "plain", "of Qwen3-Coder, which writes otherwise"


def test_what_is_certain_comes_at_once() -> None:
    parser = family("qwen3").parser("<think>\n", TOOLS)
    assert parser.feed("They") == [Reasoning("They")]
    assert parser.feed(" ask.\n</thi") == [Reasoning(" ask.")]
    assert parser.feed("nk>\n\nI <to") == [Content("I")]
    assert parser.feed("ok. <tool_call>\n{") == [Content(" <took.")]
    assert parser.feed('"name": "get_weather", "argu') == []
    assert parser.feed('ments": {"ci') == [CallBegun(0, "get_weather"), CallArguments(0, '{"ci')]
    assert parser.feed('ty": "Kö') == [CallArguments(0, 'ty": "Kö')]
    assert parser.feed('ln"}}') == [CallArguments(0, 'ln"}'), CallEnded(0)]
    assert parser.feed("\n</tool_call>") == []
    assert parser.finish() == []


def test_a_text_argument_of_glm_comes_as_it_is_written() -> None:
    parser = family("glm-4.7").parser("</think>", TOOLS)
    parser.feed("<tool_call>get_weather<arg_key>city</arg_key><arg_value>")
    assert parser.feed('"Kö\n') == [CallArguments(0, '\\"Kö\\n')]
    assert parser.feed("</arg_") == []
    assert parser.feed("x") == [CallArguments(0, "</arg_x")]


@pytest.mark.parametrize(
    ("schema", "written", "argument"),
    [
        ({"type": "string"}, "3", "3"),
        ({"type": "string"}, ' a "b"\n', ' a "b"\n'),
        ({"type": "integer"}, " 3 ", 3),
        ({"type": "number"}, "3", 3),
        ({"type": "number"}, "three", "three"),
        ({"type": "boolean"}, "true", True),
        ({"type": "object"}, '{"a": [1, null]}', {"a": [1, None]}),
        ({"type": ["string", "null"]}, "null", None),
        ({"type": ["string", "null"]}, "3", "3"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "3", 3),
        ({"enum": ["1", "2"]}, "1", "1"),
        ({"enum": [1, 2]}, "1", 1),
        ({}, "[1", "[1"),
        ({}, "NaN", "NaN"),
        ({}, "3", 3),
        (True, "3", 3),
        ({}, "[" * 100_000, "[" * 100_000),
        ({}, "9" * 5000, "9" * 5000),
    ],
)
def test_an_argument_of_glm_is_of_the_type_that_the_tool_says(schema: object, written: str, argument: object) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"k": schema}}}}
    text = f"<tool_call>f<arg_key>k</arg_key><arg_value>{written}</arg_value></tool_call>"
    ((_name, arguments),) = read(family("glm-4.7"), [text], "</think>", [tool]).calls
    assert json.loads(arguments) == {"k": argument}


def test_an_event_has_no_repr_that_shows_content() -> None:
    assert "secret" not in repr(
        [Reasoning("secret"), Content("secret"), CallArguments(0, "secret"), CallBegun(0, "secret")]
    )


def test_the_markers_are_what_a_tokeniser_may_have_as_control_tokens(model: Model) -> None:
    for of, markers in {
        "ministral-3-reasoning": {"[THINK]", "[/THINK]", "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"},
        "llama3.1": {"<|python_tag|>"},
        "glm-4.7": {"<think>", "</think>", "<tool_call>", "</tool_call>", "<arg_key>", "</arg_value>"},
        "gpt-oss": {"<|channel|>", "<|message|>", "<|start|>", "<|end|>", "<|call|>", "<|constrain|>"},
        "deepseek-r1-distill": {"<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁calls▁end｜>"},
        "gemma3": set(),
    }.items():
        assert markers <= set(family(of).markers)
        assert all(marker in source_of(of) or of == "gpt-oss" or "CALL_ID" in marker for marker in markers)
    assert model.control_tokens(family("qwen3").markers) == frozenset(), "this model has none of them"
