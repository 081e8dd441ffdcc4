"""On which line a key stands, for everything that TOML allows to stand there."""

from __future__ import annotations

import tomllib

import pytest

from noghost.toml_lines import lines_of, places

TEXT = '''\
# a comment with port = 1
a = 1   # and one behind

  b.c = """
a = 2
[not.a.table]
"""
"d e" = [
  1,  # a = 3
  { x = 1 },
]
[t]
a = \'\'\'
[[u]]
\'\'\'
[[u]]
n = 1
[[u]]

n = 2
s = { k = "]", l = "#" }
[[v.w]]
[ v.w.x ]
y = 1
'''


def test_every_key_has_the_line_on_which_it_begins() -> None:
    assert lines_of(TEXT) == {
        ("a",): 2,
        ("b",): 4,
        ("b", "c"): 4,
        ("d e",): 8,
        ("d e", 1): 8,
        ("d e", 1, "x"): 8,
        ("t",): 12,
        ("t", "a"): 13,
        ("u", 0): 16,
        ("u", 0, "n"): 17,
        ("u", 1): 18,
        ("u", 1, "n"): 20,
        ("u", 1, "s"): 21,
        ("u", 1, "s", "k"): 21,
        ("u", 1, "s", "l"): 21,
        ("v", "w", 0): 22,
        ("v", "w", "x"): 23,
        ("v", "w", "x", "y"): 24,
    }


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_the_ends_of_lines_change_nothing(ends: str) -> None:
    assert lines_of(TEXT.replace("\n", ends)) == lines_of(TEXT)


def test_nothing_has_no_lines() -> None:
    assert lines_of("") == lines_of("\n# nothing\n") == {}


def test_nothing_is_missed() -> None:
    """Every top-level key of the document has a line."""
    named = {place[0] for place in lines_of(TEXT)}
    assert named == {place[0] for place in places(tomllib.loads(TEXT))}
