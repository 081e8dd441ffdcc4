"""The shape of the code: imports go one way, the folders that never see content cannot reach it, modules stay small.

Covered: every import statement under src/noghost, wherever it stands (in functions and under TYPE_CHECKING too), and
what importing a module brings with it: the packages above it, and all that those import.
Not covered: a module name that is put together at run time. `noghost.cli.main` alone does that; a test holds it to it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"

# From the bottom up. A module imports from layers below its own, and from its own unit (the first name after noghost).
LAYERS = (
    {"", "errors"},  # "": the package itself, which holds the version
    {"upstream", "sent"},
    {"config", "messages", "log", "host", "metrics", "timeline", "title", "toml_lines", "arena"},
    {"weights", "engine", "ledger", "keys", "settings", "board", "speech"},
    {"sealed"},
    {"instance", "reaper", "client", "api", "templates", "preparing", "config_file", "witness"},
    {"warden", "doctor", "scraping", "models", "otlp"},
    {"voice"},
    {"service"},
    {"cli"},
)

# (module, what it imports from beside it, why)
SIDEWAYS = {
    ("noghost.api.realtime.door", "noghost.instance.talk"): "a conversation has another deadline than it was born with",
    ("noghost.api.turn", "noghost.instance.identity"): "a seed comes from the instance's own fresh randomness",
    ("noghost.keys.store", "noghost.ledger.files"): "a file is replaced and locked in one way only",
    ("noghost.weights.names", "noghost.ledger.files"): "a file is replaced and locked in one way only",
    ("noghost.weights.prepared", "noghost.ledger.files"): "a file is replaced and locked in one way only",
    ("noghost.weights.store", "noghost.ledger.files"): "a file is replaced and locked in one way only",
    ("noghost.weights.unfinished", "noghost.ledger.files"): "a file is written in one way only",
}

# (module, what it imports in a function that none of our modules calls, why)
LAZY = {("noghost", "noghost.client.transcript"): "noghost.Transcript is for callers; asks_the_package() finds our own"}
LATE = {"Transcript"}

# Of instance/, what holds no content: names, bounds, closed messages. The long-lived sides may import these.
CONTENT_FREE_INSTANCE = {
    "noghost.instance",
    "noghost.instance.calls",
    "noghost.instance.exit",
    "noghost.instance.fitness",
    "noghost.instance.landlock",
    "noghost.instance.line",
    "noghost.instance.memory",
    "noghost.instance.newborn",
    "noghost.instance.sandbox",
    "noghost.instance.seccomp",
}
CONTENT_FREE_UNITS = {"", "errors", "upstream", "config", "messages", "log", "host", "board", "metrics", "timeline"}
CONTENT_FREE_UNITS |= {"title", "weights", "arena", "sent"}
CONTENT_FREE_UNITS |= {"ledger", "reaper", "warden", "witness"}
BOTH_SIDES = ("service", "voice")  # the second is to its children what the service is to instances
NEVER_SEES_CONTENT = ("ledger", "reaper", "warden", "witness")
SERVES = {"api", "engine", "instance", "reaper", "warden", "witness", "service", "speech", "voice"}

# What the doctor tries as the reaper does it, and nothing else that serves.
DOCTOR_USES = {"noghost.reaper", "noghost.reaper.trace", "noghost.reaper.wipe"}

PROTECTING_FOLDERS = ("warden", "instance", "reaper", "ledger", "keys", "witness")
ALSO_PROTECTING = {
    "noghost.metrics",
    "noghost.messages",
    "noghost.log",
    "noghost.title",
    "noghost.engine.context",
    "noghost.engine.pages",
    "noghost.engine.capsule",
    "noghost.engine.state",
    "noghost.api.body",
    "noghost.api.capsule",
    "noghost.api.parts",
    "noghost.api.connection",
    "noghost.api.equipment",
    "noghost.api.wyoming.caller",
    "noghost.api.wyoming.events",
    "noghost.api.errors",
    "noghost.api.certificate",
    "noghost.api.host",
    "noghost.api.pad",
    "noghost.api.page",
    "noghost.api.sealed",
    "noghost.api.tls",
    "noghost.api.upstream.faults",
    "noghost.api.upstream.link",
    "noghost.api.upstream.ready",
    "noghost.api.upstream.request",
    "noghost.api.upstream.terms",
    "noghost.client.reach",
    "noghost.api.keys",
    "noghost.api.metrics",
    "noghost.client.hunt",
    "noghost.client.receipts",
    "noghost.client.claim",
    "noghost.client.commitment",
    "noghost.client.verification.evidence",
    "noghost.api.commitment",
    "noghost.client.transcript",
    "noghost.client.transcript.file",
    "noghost.client.transcript.redact",
    "noghost.sealed.frames",
    "noghost.sealed.records",
    "noghost.sealed.request",
}
# In those folders, what protects nothing by itself; a new module there says what it covers, or is named here.
PLAIN = {
    "noghost.instance.share": "chooses a number of threads",
    "noghost.reaper.duty": "a record",
    "noghost.reaper.lives": "a record",
    "noghost.warden.ear": "listens, or not; listen.py and hatch.py say when",
    "noghost.warden.process": "a title, limits, a quiet collector; instance/memory.py says what it covers",
    "noghost.warden.births": "forks; what it must not do (read the connection) is in warden/listen.py",
    "noghost.instance.calls": "a table; seccomp.py says what it covers",
    "noghost.instance.identity": "names and seeds",
    "noghost.instance.line": "questions and answers of fixed form; messages.py says what they cannot carry",
    "noghost.instance.newborn": "a record",
    "noghost.instance.question": "a record",
    "noghost.reaper.fork": "forks; the role protects",
    "noghost.reaper.start": "starts the reaper; watch.py, trace.py and wipe.py protect",
    "noghost.reaper.role": "opens the ledger; watch.py, trace.py and wipe.py protect",
    "noghost.reaper.seats": "counts",
    "noghost.ledger.checkpoint": "a format; note.py verifies",
    "noghost.ledger.files": "file duties",
    "noghost.ledger.keys": "a format",
    "noghost.ledger.lookup": "a search",
    "noghost.ledger.proof": "a format; receipt.py verifies",
    "noghost.ledger.submission": "a format; witness/judge.py verifies",
    "noghost.ledger.tiles": "a format; audit.py verifies",
    "noghost.ledger.tree": "hashes and proofs, pure",
}
MOST_MODULE_LINES = 400
MOST_FUNCTION_LINES = 60

Graph = Mapping[str, set[str]]


# --- reading the tree -----------------------------------------------------------------------------------------


def read_tree(source: Path) -> dict[str, ast.Module]:
    """Module name to its parsed text, for every module under `source`/noghost."""
    trees = {}
    for path in sorted((source / "noghost").rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        trees[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text("utf-8"))
    return trees


def graph_of(trees: Mapping[str, ast.Module]) -> dict[str, set[str]]:
    """Each module and the modules of ours that it names in an import."""
    found = {name: set(imported(tree, set(trees))) - {name} for name, tree in trees.items()}
    return {name: {target for target in targets if (name, target) not in LAZY} for name, targets in found.items()}


def imported(tree: ast.Module, modules: set[str]) -> Iterator[str]:
    """`from a import b` names the module a.b where there is one, else a. Relative imports are refused by ruff (TID)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module in modules:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules else node.module


def closure(graph: Graph, start: str) -> set[str]:
    """All modules that importing `start` brings with it, `start` and the packages above it included."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph.get(name, ())
            waiting += [name.rpartition(".")[0]] if "." in name else []
    return found


def unit(name: str) -> str:
    """`noghost.ledger.store` is of the unit `ledger`; `noghost` itself of ""."""
    return [*name.split("."), ""][1]


# --- rules: each yields what breaks it ------------------------------------------------------------------------


def wrong_way(graph: Graph) -> Iterator[str]:
    """Imports that go up, or sideways without being listed."""
    rank = {name: height for height, layer in enumerate(LAYERS) for name in layer}
    for name, targets in graph.items():
        if unit(name) not in rank:
            yield f"{name}: its unit stands in no layer"
            continue
        for target in targets:
            below = rank.get(unit(target), len(LAYERS)) < rank[unit(name)]
            if not below and unit(target) != unit(name) and (name, target) not in SIDEWAYS:
                yield f"{name} imports {target}"


def circles(graph: Graph) -> Iterator[str]:
    """Imports from which one can come back."""
    reached = {name: reachable(graph, graph[name]) for name in graph}
    for name in graph:
        if name in reached[name]:
            yield f"{name} imports itself through {', '.join(sorted(n for n in graph[name] if name in reached[n]))}"


def reachable(graph: Graph, start: Iterable[str]) -> set[str]:
    """All modules that can be reached by named imports alone."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph.get(name, ())
    return found


def can_hold_content(name: str) -> bool:
    """Everything that is not known to be free of content."""
    return unit(name) not in CONTENT_FREE_UNITS and name not in CONTENT_FREE_INSTANCE


def reaches_content(graph: Graph) -> Iterator[str]:
    """Modules of the long-lived sides whose imports lead to where content can be."""
    for name in graph:
        if unit(name) in NEVER_SEES_CONTENT or name in CONTENT_FREE_INSTANCE:
            for target in sorted(closure(graph, name)):
                if can_hold_content(target):
                    yield f"{name} reaches {target}"


def knows_both_sides(graph: Graph) -> Iterator[str]:
    """Modules that reach the long-lived sides and content too; and all that name both, but the service."""
    for name, targets in graph.items():
        reached = closure(graph, name)
        both = any(unit(n) in ("warden", "reaper") for n in reached) and any(holds_requests(n) for n in reached)
        named = any(unit(n) in ("warden", "reaper") for n in targets) and any(holds_requests(n) for n in targets)
        if (both and unit(name) not in (*BOTH_SIDES, "cli")) or (named and unit(name) not in BOTH_SIDES):
            yield name


def holds_requests(name: str) -> bool:
    """The side of the content: what an instance runs."""
    return unit(name) in ("api", "engine", "instance", "speech") and name not in CONTENT_FREE_INSTANCE


def client_reaches_server(graph: Graph) -> Iterator[str]:
    """Modules of the caller's side whose imports lead to what serves."""
    for name in graph:
        if unit(name) == "client":
            yield from (f"{name} reaches {target}" for target in closure(graph, name) if unit(target) in SERVES)


def doctor_reaches_server(graph: Graph) -> Iterator[str]:
    """Modules of the doctor whose imports lead to what serves, tracing and wiping left out."""
    for name in graph:
        if unit(name) == "doctor":
            reached = closure(graph, name) - DOCTOR_USES
            yield from (f"{name} reaches {target}" for target in reached if unit(target) in SERVES)


def made_up_names(trees: Mapping[str, ast.Module]) -> Iterator[str]:
    """Modules that import a name which is put together at run time."""
    for name, tree in trees.items():
        for node in ast.walk(tree):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called.split(".")[-1] in ("import_module", "__import__"):
                assert isinstance(node, ast.Call)
                if not isinstance(node.args[0], ast.Constant):
                    yield name


def asks_the_package(trees: Mapping[str, ast.Module]) -> Iterator[str]:
    """Modules that take from the package itself what it imports only then."""
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "noghost":
                yield from (name for alias in node.names if alias.name in LATE)
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "noghost" and node.attr in LATE:
                yield name


def functions_over(trees: Mapping[str, ast.Module], lines: int) -> Iterator[str]:
    """Functions longer than that, signature and docstring included."""
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > lines:
                    yield f"{name}.{node.name}: {length} lines"


def does_not_say_what_it_covers(trees: Mapping[str, ast.Module]) -> Iterator[str]:
    """Modules that protect and whose docstring lacks one of the two words."""
    for name, tree in trees.items():
        in_folder = unit(name) in PROTECTING_FOLDERS and name.count(".") > 1 and name not in PLAIN
        text = ast.get_docstring(tree) or ""
        if (in_folder or name in ALSO_PROTECTING) and not ("Covered" in text and "Not covered" in text):
            yield name


# --- the code as it is ----------------------------------------------------------------------------------------

TREES = read_tree(SOURCE)
GRAPH = graph_of(TREES)


def test_the_tree_was_read() -> None:
    """Positive control of the reader: modules and imports of which we know are there."""
    assert len(TREES) > 50
    assert "noghost.reaper.wipe" in GRAPH["noghost.reaper.watch"]
    assert "noghost.engine.loaded" in GRAPH["noghost.models"], "an import in a function counts"
    assert "noghost.api.here" in GRAPH["noghost.service"], "an import under TYPE_CHECKING counts"


def test_imports_go_one_way() -> None:
    assert list(wrong_way(GRAPH)) == []


def test_every_listed_exception_is_still_needed() -> None:
    assert [pair for pair in SIDEWAYS if pair[1] not in GRAPH.get(pair[0], ())] == []
    assert [pair for pair in LAZY if pair[1] not in imported(TREES[pair[0]], set(TREES))] == []
    assert PLAIN.keys() <= TREES.keys()
    assert TREES.keys() >= ALSO_PROTECTING | CONTENT_FREE_INSTANCE


def test_there_is_no_circle() -> None:
    assert list(circles(GRAPH)) == []


def test_ledger_reaper_and_warden_cannot_reach_content() -> None:
    assert list(reaches_content(GRAPH)) == []


def test_only_the_service_knows_both_sides() -> None:
    assert list(knows_both_sides(GRAPH)) == []
    assert any(holds_requests(name) for name in GRAPH["noghost.service"])


def test_the_client_reaches_nothing_that_serves() -> None:
    assert list(client_reaches_server(GRAPH)) == []


def test_the_doctor_reaches_nothing_that_serves_but_the_wipe() -> None:
    assert list(doctor_reaches_server(GRAPH)) == []
    assert closure(GRAPH, "noghost.doctor.checks") > DOCTOR_USES


def test_only_the_command_line_imports_by_a_made_up_name() -> None:
    assert set(made_up_names(TREES)) == {"noghost.cli.main"}


def test_none_of_our_modules_asks_the_package_for_what_it_imports_late() -> None:
    assert list(asks_the_package(TREES)) == []


def test_every_module_has_a_docstring() -> None:
    assert [name for name, tree in TREES.items() if not ast.get_docstring(tree)] == []


def test_modules_that_protect_say_what_is_covered_and_what_is_not() -> None:
    assert list(does_not_say_what_it_covers(TREES)) == []


def test_no_module_and_no_function_is_too_long() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in SOURCE.rglob("*.py")}
    assert [f"{path.name}: {n} lines" for path, n in lengths.items() if n > MOST_MODULE_LINES] == []
    assert list(functions_over(TREES, MOST_FUNCTION_LINES)) == []


# --- the checker finds what it should -------------------------------------------------------------------------


def made_up(folder: Path, modules: Mapping[str, str]) -> dict[str, ast.Module]:
    """A tree of modules, each with its text, read as the real one is."""
    for name, text in {"noghost": "", **modules}.items():
        path = folder.joinpath(*name.split("."))
        is_package = name == "noghost" or any(other.startswith(f"{name}.") for other in modules)
        file = path / "__init__.py" if is_package else path.with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return read_tree(folder)


CLEAN = {
    "noghost.errors": "",
    "noghost.ledger": "",
    "noghost.ledger.store": "from noghost.errors import LedgerError",
    "noghost.reaper": "",
    "noghost.reaper.watch": "from noghost.ledger import store",
    "noghost.instance": "",
    "noghost.instance.newborn": "",
    "noghost.warden": "from noghost.instance.newborn import Newborn",
    "noghost.engine": "",
    "noghost.engine.generate": "",
    "noghost.api": "from noghost.engine.generate import generate",
    "noghost.client": "from noghost.ledger.store import Ledger",
    "noghost.doctor": "",
    "noghost.service": "import noghost.warden\ndef serve():\n    from noghost.api import app",
}
RULES = (wrong_way, circles, reaches_content, knows_both_sides, client_reaches_server, doctor_reaches_server)


def test_a_clean_tree_is_clean(tmp_path: Path) -> None:
    graph = graph_of(made_up(tmp_path, CLEAN))
    assert {rule.__name__: list(rule(graph)) for rule in RULES} == {rule.__name__: [] for rule in RULES}


@pytest.mark.parametrize(
    ("module", "text", "broken"),
    [
        ("noghost.ledger.store", "from noghost import service", "wrong_way"),
        ("noghost.reaper.watch", "from noghost.instance import newborn", "wrong_way"),
        ("noghost.errors", "def late():\n    import noghost.ledger.store", "wrong_way"),
        ("noghost.errors", "from noghost.ledger.store import Ledger", "circles"),
        ("noghost.ledger.store", "import noghost.engine.generate", "reaches_content"),
        ("noghost.ledger", "from noghost.engine import generate", "reaches_content"),
        ("noghost.errors", "from noghost.engine.generate import generate", "reaches_content"),
        ("noghost.warden", "from noghost.api import make_app", "reaches_content"),
        ("noghost.instance.newborn", "from noghost.api import Request", "reaches_content"),
        ("noghost.warden", "if TYPE_CHECKING:\n    from noghost.api import make_app", "knows_both_sides"),
        ("noghost.api", "from noghost.reaper import watch\nimport noghost.engine.generate", "knows_both_sides"),
        ("noghost.client", "import noghost.engine.generate", "client_reaches_server"),
        ("noghost.ledger.store", "from noghost.reaper import watch", "client_reaches_server"),
        ("noghost.doctor", "from noghost.reaper import watch", "doctor_reaches_server"),
        ("noghost.surprise", "", "wrong_way"),
    ],
)
def test_a_broken_tree_is_found(tmp_path: Path, module: str, text: str, broken: str) -> None:
    graph = graph_of(made_up(tmp_path, CLEAN | {module: text}))
    assert list(next(rule for rule in RULES if rule.__name__ == broken)(graph)) != []


def test_the_other_checks_find_what_they_should(tmp_path: Path) -> None:
    long = "def long():\n" + "    x = 1\n" * MOST_FUNCTION_LINES
    trees = made_up(
        tmp_path,
        {
            "noghost.reaper": "",
            "noghost.reaper.fresh": '"""Covered: all."""\n' + long,
            "noghost.log": "import importlib\ndef f(n):\n    return importlib.import_module(n)",
            "noghost.host": "from noghost import Transcript, __version__, log",
            "noghost.board": "import noghost.log\ndef f():\n    return noghost.Transcript, noghost.log",
        },
    )
    assert list(does_not_say_what_it_covers(trees)) == ["noghost.log", "noghost.reaper.fresh"]
    assert list(functions_over(trees, MOST_FUNCTION_LINES)) == ["noghost.reaper.fresh.long: 61 lines"]
    assert list(made_up_names(trees)) == ["noghost.log"]
    assert list(asks_the_package(trees)) == ["noghost.board", "noghost.host"]
