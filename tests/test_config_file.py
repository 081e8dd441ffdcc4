"""The configuration file: what it knows is read, all else is an error that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from noghost.config import Config, TemplateSource
from noghost.config_file import Settings, read_settings
from noghost.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "system.txt").write_bytes("Grüße\r\n".encode())
    (tmp_path / "tools.json").write_text("[]")
    return tmp_path


def read(folder: Path, text: str) -> Settings:
    (folder / "noghost.toml").write_text(text)
    return read_settings(folder / "noghost.toml")


def test_templates_are_read_with_their_files_byte_for_byte(folder: Path) -> None:
    text = """
[[template]]
name = "one"
system = "system.txt"

[[template]]
name = "two"
system = "./system.txt"
tools = "tools.json"
model = "default"
"""
    one, two = TemplateSource("one", "Grüße\r\n"), TemplateSource("two", "Grüße\r\n", "[]", "default")
    assert read(folder, text).templates == (one, two)


def test_an_empty_file_sets_nothing(folder: Path) -> None:
    assert read(folder, "# nothing\n") == Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("port = 80", "unknown key 'port'"),
        ('[[template]]\nname = "a"\nsystem = "system.txt"\ntool = "x"', "template 1 of .* unknown key 'tool'"),
        ('[[template]]\nname = "a"', "template 1 of .* has no system"),
        ('[template]\nname = "a"', "no array of tables"),
        ("template = [1]", "no array of tables"),
        ('[[template]]\nname = 5\nsystem = "system.txt"', "name in template 1 of .* is no text"),
        ('[[template]]\nname = "a"\nsystem = "gone.txt"', "cannot read .*gone.txt"),
        ('[[template]]\nname = "A b"\nsystem = "system.txt"', "no name for a template"),
        ("template = [", "no TOML"),
    ],
)
def test_what_is_wrong_is_named(folder: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(folder, text)


def test_a_file_that_cannot_be_read(folder: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        read_settings(folder / "none.toml")
    (folder / "latin.toml").write_bytes(b"# \xff")
    with pytest.raises(ConfigError, match="not valid UTF-8 at byte 2"):
        read_settings(folder / "latin.toml")


def test_two_templates_have_two_names() -> None:
    with pytest.raises(ConfigError, match="one name"):
        Config(templates=(TemplateSource("a", "x"), TemplateSource("a", "y")))
