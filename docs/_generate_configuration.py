"""Write docs/configuration.md from the table of settings.

python docs/_generate_configuration.py
"""

from __future__ import annotations

from pathlib import Path

from noghost.settings import KEYS, LIMIT, Key

TARGET = Path(__file__).with_name("configuration.md")
HEAD = """\
# Configuration

What `noghost serve` can be told. Generated from `src/noghost/settings.py` by `python docs/_generate_configuration.py`;
a test compares the two. Do not edit.

Every setting can stand in a file (`--config FILE`, or `NOGHOST_CONFIG`), in the environment, and on the command line. A
flag goes before the environment, the environment before the file, the file before the default. A list is taken whole
from the first of them that has it, limits one by one.

```toml
port = 8462

[limit]
queue = 8

[[model]]                    # see models.md; again for more; the first is the default
name = "default"             # a known name, or the path of a GGUF file

[[model]]
name = "/srv/models/large.gguf"
load = "on-demand"           # or "always"

[[template]]                 # see templates.md; again for more
name = "support"
system = "support.txt"

[[upstream]]                 # see upstream.md; again for more
name = "z-ai/glm-4.7"
url = "https://openrouter.ai/api/v1"
```

```console
$ noghost config check noghost.toml       # exit status 1 for a mistake
noghost: noghost.toml:1: unknown key `ports`; did you mean `port`?
hint: docs/configuration.md has all of them, `noghost config show` what is in force
$ noghost config show --config noghost.toml --seats 2
host = "127.0.0.1"  # default
port = 8462  # noghost.toml:1
...
seats = 2  # --seats
```

- Whatever the file says that is not below is an error; so is a value of another kind, which is not repeated, since it
  may be a secret that came to the wrong place. Every error names file and line, the variable or the flag.
- `[[model]]` tables stand in the place of two lists: `model = ["default"]` and `on_demand = ["/srv/models/large.gguf"]`
  say the same.
- Paths in the file are relative to its folder; so is a model that is there. `~` is the home directory.
- In the environment a list is divided by commas; true is `true`, `yes`, `on` or `1`, false is `false`, `no`, `off` or
  `0`. A variable that is empty sets nothing.
- A switch that is on in the file is turned off by `--no-…`, such as `--no-tls`.
- `noghost config show` takes the options of `serve`, reads the same file and environment, and says of each setting
  where it came from; `--json` for programs. It shows no secret: none is a setting. Its text is itself a file that sets
  the same, but for templates and upstreams.
- `noghost config check` tries no model, certificate or address.
- The settings are those of `noghost serve`. Of other commands, `ask`, `receipts` and `status` take the ledger from
  there, by the same flags, variables and file, and nothing else; all have flags of their own, and callers read
  `NOGHOST_API_KEY`.
- In Kubernetes a Service that is called `noghost` would put `NOGHOST_PORT=tcp://…` into every container beside it,
  which is refused at start: set `enableServiceLinks: false` in the pod, or call the Service something else.

"""
TABLE = "| key | takes | default | environment | flag | |\n|---|---|---|---|---|---|\n"


def generate() -> str:
    """The whole document."""
    return (
        HEAD + "## Settings\n\n" + TABLE + rows(False) + "\n## Limits, in the table `[limit]`\n\n" + TABLE + rows(True)
    )


def rows(limits: bool) -> str:
    """The table's lines, of limits or of all else."""
    return "".join(row(key) for key in KEYS if key.name.startswith(LIMIT) == limits)


def row(key: Key) -> str:
    """One setting."""
    arrays = {"template": "names", "upstream": "NAME=URL"}
    taken = f"tables, or a list of {arrays[key.name]} as a variable or flag" if key.name in arrays else key.wanted
    taken = "tables, or a list of text" if key.name == "model" else taken
    names = (f"`{key.name.removeprefix(LIMIT)}`", taken, default(key), f"`{key.variable}`", f"`{key.flag}`", key.help)
    return f"| {' | '.join(names)} |\n"


def default(key: Key) -> str:
    """As one writes it in the file; nothing where there is none."""
    if key.default is None or key.many:
        return "-"
    return f"`{str(key.default).lower() if key.kind is bool else key.default}`"


if __name__ == "__main__":
    TARGET.write_text(generate(), "utf-8")
