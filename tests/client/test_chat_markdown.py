"""What of an answer is settled while it arrives, and that nothing of it reaches the terminal but text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from noghost.client.chat.markdown import PARSER, Blocks, harmless, settled

TEXT = """\
# The sea

A paragraph
of two lines.

1. one
2. two

   and more of two

- other

```python
# not a heading

print(1)
```

| a | b |
|---|---|
| 1 | 2 |

The end
=======
"""


def shown(text: str, width: int = 40) -> str:
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(Blocks(text))
    return capture.get()


def blocks(text: str) -> list[str]:
    """As they settle, one character after the other, and what is left."""
    held, found = "", []
    for character in text:
        held += character
        if end := settled(held):
            found.append(held[:end])
            held = held[end:]
    return [*found, held]


def test_blocks_settle_one_after_the_other_and_are_the_same_as_at_once() -> None:
    found = blocks(TEXT)
    assert "".join(found) == TEXT
    assert [one.split("\n")[0] for one in found] == [
        "# The sea",
        "A paragraph",
        "1. one",
        "- other",
        "```python",
        "| a | b |",
        "The end",
    ]
    assert "".join(PARSER.render(one) for one in found) == PARSER.render(TEXT)


@given(st.text(alphabet="ab \n#>-1.`|*=\t", max_size=60))
def test_what_is_settled_stays_as_it_is_whatever_follows(text: str) -> None:
    assert "".join(PARSER.render(one) for one in blocks(text)) == PARSER.render(text)


def test_html_and_addresses_are_shown() -> None:
    text = shown("A `List` of <b>x</b> and List<String>, [here](http://example.org/there).\n\n<div>all</div>", 120)
    assert "<b>x</b>" in text
    assert "List<String>" in text
    assert "http://example.org/there" in text
    assert "<div>all</div>" in text


def test_headings_stand_at_the_left_and_blank_lines_around_are_left_out() -> None:
    assert [line.rstrip() for line in shown("# The sea\n\n- a\n- b\n").splitlines()] == ["The sea", "", " • a", " • b"]


def test_no_more_lines_than_the_terminal_has() -> None:
    console = Console(width=40, color_system=None)
    with console.capture() as capture:
        console.print(Blocks("\n\n".join(f"line {number}" for number in range(50)), 5))
    assert capture.get().split() == ["line", "47", "line", "48", "line", "49"]


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("\x1b]0;owned\x07", "␛]0;owned␇"),
        ("a\rb\x9b2J\x7f", "a␍b�2J�"),
        ("tab\tline\nü 👻", "tab\tline\nü 👻"),
        ("half \ud800", "half �"),
    ],
)
def test_control_characters_are_shown_not_sent(given: str, seen: str) -> None:
    assert harmless(given) == seen
