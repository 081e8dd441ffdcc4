"""The configuration file: what it knows is read, all else is an error that names it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from noghost.config import Config, TemplateSource
from noghost.config_file import read_settings
from noghost.errors import ConfigError
from noghost.settings import BY_NAME, KEYS, LIMIT, Setting, Settings


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

[[template]]
name = "own"
"""
    one, two = TemplateSource("one", "Grüße\r\n"), TemplateSource("two", "Grüße\r\n", "[]", "default")
    assert read(folder, text).templates == (one, two, TemplateSource("own"))
    digests = {source.digest for source in (one, two, TemplateSource("own"), TemplateSource("own", ""))}
    assert len(digests) == 4, "none is not an empty one"


def test_model_tables_are_the_two_lists(folder: Path) -> None:
    (folder / "own.gguf").write_bytes(b"")
    tables = ['name = "default"', 'name = "own.gguf"\nload = "on-demand"', 'name = "x"\nload = "always"']
    settings = read(folder, "port = 1\n" + "".join(f"[[model]]\n{table}\n" for table in tables))
    source = f"{folder / 'noghost.toml'}:2"
    assert settings.values["model"] == Setting(("default", "x"), source)
    assert settings.values["on_demand"] == Setting((str(folder / "own.gguf"),), source)
    lists = read(folder, 'port = 1\nmodel = ["default", "x"]\non_demand = ["own.gguf"]')
    assert {key: one.value for key, one in lists.values.items()} == {
        key: one.value for key, one in settings.values.items()
    }


def test_an_empty_file_sets_nothing(folder: Path) -> None:
    assert read(folder, "# nothing\n") == Settings()


def test_every_key_can_stand_in_the_file(folder: Path) -> None:
    examples = {bool: "true", int: "7", float: "7", str: '"a"', Path: '"a"'}
    one = {key.name: f"[{examples[key.kind]}]" if key.many else examples[key.kind] for key in KEYS}
    del one["template"], one["upstream"]  # these are tables
    limits = [name for name in one if name.startswith(LIMIT)]
    lines = [f"{name} = {one[name]}" for name in one if name not in limits]
    lines += ["[limit]", *(f"{name.removeprefix(LIMIT)} = {one[name]}" for name in limits)]
    settings = read(folder, "\n".join(lines))
    assert set(settings.values) == set(one)
    for name, setting in settings.values.items():
        value = setting.value[0] if BY_NAME[name].many else setting.value
        assert isinstance(value, BY_NAME[name].kind), name
        assert (
            setting.source
            == f"{folder / 'noghost.toml'}:{lines.index(f'{name.removeprefix(LIMIT)} = {one[name]}') + 1}"
        )


def test_paths_are_relative_to_the_file(folder: Path) -> None:
    (folder / "own.gguf").write_bytes(b"")
    values = read(folder, 'unix = "run/socket"\nledger = "/var/ledger"\nmodel = ["own.gguf", "default"]').values
    assert values["unix"].value == folder / "run/socket"
    assert values["ledger"].value == Path("/var/ledger")
    assert values["model"].value == (str(folder / "own.gguf"), "default")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nports = 80", "toml:2: unknown key `ports`; did you mean `port`?"),
        ("idle-exit = 80", "toml:1: unknown key `idle-exit`; did you mean `idle_exit`?"),
        ("queue = 80", "toml:1: unknown key `queue`; did you mean `limit.queue`?"),
        ('"limit.queue" = 80', "toml:1: unknown key `limit.queue`"),
        ("[limit]\n# of it\nque = 1", "toml:3: unknown key `limit.que`; did you mean `limit.queue`?"),
        ("zzz = 1", "toml:1: unknown key `zzz`"),
        ("[server]\nport = 1", "toml:1: unknown key `server`"),
        ('port = "80"', "toml:1: port is not a whole number"),
        ("port = true", "toml:1: port is not a whole number"),
        ("tls = 1", "toml:1: tls is not true or false"),
        ('model = "a"', "toml:1: model is not a list of text"),
        ("model = [\n  1]", "toml:1: model is not a list of text"),
        ('unix = ["a"]', "toml:1: unix is not a path"),
        ('[[model]]\nname = "a"\nload = "never"', 'toml:3: load is not "always" or "on-demand"'),
        ('[[model]]\nload = "always"', "toml:1: this model has no `name`"),
        ('[[model]]\nname = "a"\nlod = "always"', "toml:3: unknown key `lod`; did you mean `load`?"),
        ('on_demand = ["b"]\n[[model]]\nname = "a"', "toml:1: on_demand stands beside [[model]]"),
        ('model = ["a", {name = "b"}]', "toml:1: model is not an array of tables"),
        ("limit = 3", "toml:1: limit is not a table"),
        (
            '[[template]]\nname = "a"\nsystem = "system.txt"\ntool = "x"',
            "toml:4: unknown key `tool`; did you mean `tools`",
        ),
        ('[[template]]\nsystem = "system.txt"', "toml:1: this template has no `name`"),
        ('[template]\nname = "a"', "toml:1: template is not an array of tables"),
        ("template = [1]", "toml:1: template is not an array of tables"),
        ('[[template]]\nname = 5\nsystem = "system.txt"', "toml:2: name is not text"),
        ('[[template]]\nname = "a"\nsystem = "gone.txt"', "toml:1: cannot read "),
        ('[[template]]\nname = "A b"\nsystem = "system.txt"', "toml:1: this is no name for a template"),
        ("port = 1\ntemplate = [", "no TOML: .*(at end of document)"),
        ("port = 1\nport = 2", "no TOML: .*(at line 2"),
    ],
)
def test_what_is_wrong_is_named(folder: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message).replace(r"\.\*", ".*")) as raised:
        read(folder, text)
    assert raised.value.hint


def test_a_file_that_cannot_be_read(folder: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        read_settings(folder / "none.toml")
    (folder / "latin.toml").write_bytes(b"# \xff")
    with pytest.raises(ConfigError, match="not valid UTF-8 at byte 2"):
        read_settings(folder / "latin.toml")


def test_two_templates_have_two_names() -> None:
    with pytest.raises(ConfigError, match="one name"):
        Config(templates=(TemplateSource("a", "x"), TemplateSource("a", "y")))
