"""The plan of the house, held by a test: who may import whom, which rooms are pure, where no float may be.

The check reads the source (`ast`), so that it sees imports inside functions and files that no other
test runs. What it finds are sentences; a test plants faults of every kind into a copy of the tree
and expects the sentence that names each, with its line.
"""

from __future__ import annotations

import ast
import graphlib
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.house_files import PURE, ROWS

HOUSE = Path(__file__).resolve().parent.parent

STDLIB = "stdlib"
MAINS = {
    "exchange_server": "exchange", "market_data_server": "relay", "bot_client": "bot", "bot_battle_runner": "battle",
    "monitor_client": "monitor", "exporter": "export",
}  # fmt: skip
"""Program at the top of a clone -> its file in botpit/cli/."""
PROGRAMS = (*MAINS.values(), "archive", "check", "replay", "demo")
_STRUCTS = {"msgspec.Struct", "msgspec.field", "msgspec.structs"}
"""A faster dataclass, and no more of that library than this."""
_CORE = {
    STDLIB,
    *_STRUCTS,
    "botpit.core",
    "botpit.wire",
    "botpit.settings",
    "botpit.venue.rates",
    "message_schemas",
}
_HISTORY = _CORE - {"botpit.settings", "botpit.venue.rates"} | {
    "botpit.history",
    "botpit.io",
    "msgspec",
}

MAY_IMPORT: dict[str, set[str]] = {
    "botpit": {STDLIB, "botpit.compiled"},
    "botpit.compiled": {STDLIB},
    "message_schemas": {STDLIB, "msgspec"},
    "bot_strategies": {STDLIB, "msgspec", "pydantic", "message_schemas", "botpit.wire"},
    "botpit.core": {STDLIB, *_STRUCTS},
    "botpit.settings": {STDLIB, "pydantic", "botpit.core"},
    "botpit.wire": {STDLIB, "message_schemas", "botpit.core", "pydantic", "msgspec"},
    "botpit.io": {STDLIB, "picows", "websockets", "uvloop"},
    "botpit.history.journal": {STDLIB, "botpit.io", "msgspec"},
    "botpit.history": _HISTORY,
    "botpit.venue.rates": {STDLIB},
    "botpit.venue.tokens": {STDLIB, "botpit.io"},
    "botpit.venue.feed": _CORE | {"botpit.clients.feed_session", "botpit.clients.requests"},
    "botpit.venue.gateway": _CORE | {"botpit.venue.feed"},
    "botpit.venue.turn": {STDLIB, "botpit.venue.feed", "botpit.venue.gateway"},
    "botpit.venue": _HISTORY | {"botpit.settings"},
    "botpit.clients": {STDLIB, "message_schemas"},
    "botpit.bots": {STDLIB, "msgspec", "message_schemas", "bot_strategies", "botpit.clients"},
    "botpit.battle": {STDLIB, "pydantic", "message_schemas", "botpit.clients", "botpit.wire"},
    "botpit.battle.live": {STDLIB, "botpit.battle", "botpit.io"},
    "botpit.runs.audit": {STDLIB, "pydantic"},
    "botpit.runs.export": {
        STDLIB,
        "pydantic",
        "aiofiles",
        "message_schemas",
        "botpit.clients",
        "botpit.io",
    },
    "botpit.runs": {STDLIB, "botpit.io"},
    "botpit.screen": {
        STDLIB,
        "message_schemas",
        "botpit.clients",
        "botpit.battle",
        "botpit.io",
        "msgspec",
        "rich",
    },
}
"""Room -> what its files may import: rooms, libraries, parts of libraries. Its own room, those
within it and around it, and the docstring of `botpit` are always allowed; a room within another may
import what its own row says, and no more.
"""
_ROOMS_AND_LIBRARIES = set(MAY_IMPORT).union(*MAY_IMPORT.values()) - {"botpit"}
MAY_IMPORT |= {main: {STDLIB, f"botpit.cli.{program}"} for main, program in MAINS.items()}
_SHARED_BY_PROGRAMS = {"botpit.cli.program", "botpit.cli.battle_file", "botpit.cli.bot_links"}
MAY_IMPORT |= {
    f"botpit.cli.{program}": _ROOMS_AND_LIBRARIES | _SHARED_BY_PROGRAMS for program in PROGRAMS
}
MAY_IMPORT |= {
    "botpit.cli.battle_file": {STDLIB, "bot_strategies", "botpit.battle", "botpit.io"}
}
MAY_IMPORT |= {"botpit.cli.bot_links": {STDLIB, "botpit.bots", "botpit.io", "message_schemas"}}
MAY_IMPORT |= {"botpit.cli": {STDLIB}, "botpit.cli.program": {STDLIB, "botpit.io"}}
MAY_IMPORT |= {"botpit.__main__": {STDLIB, "botpit.compiled"}}

FILES = {
    f"{room}.{file}".rstrip("."): {
        f"{room}.{name}" if name in rows else name for name in allowed.split()
    }
    for room, rows in ROWS.items()
    for file, allowed in rows.items()
}
"""File -> what it may import, beside the standard library; here a file's own room does not help it."""
PURE_FILES = frozenset(
    f"{room}.{file}" for room, files in PURE.items() for file in files.split()
)

PURE_STDLIB = frozenset(
    {
        "__future__",
        "abc",
        "array",
        "bisect",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "fractions",
        "functools",
        "hashlib",
        "heapq",
        "html",
        "itertools",
        "json",
        "math",
        "operator",
        "random",
        "re",
        "statistics",
        "string",
        "struct",
        "textwrap",
        "types",
        "typing",
        "zlib",
    }
)
"""What a pure room may take from the standard library: nothing that knows a clock, a file, a socket
or a process.
"""
IMPURE = frozenset(
    {
        "asyncio",
        "concurrent",
        "ctypes",
        "http",
        "logging",
        "multiprocessing",
        "os",
        "posix",
        "queue",
        "sched",
        "secrets",
        "select",
        "selectors",
        "signal",
        "socket",
        "socketserver",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "_thread",
        "time",
        "urllib",
        "uuid",
    }
)
"""What also the modules that pure rooms stand on (`bot_strategies`, `botpit.settings`, …) may not import."""
CLOCKS = frozenset({"now", "utcnow", "today"})
INEXACT = frozenset({"math", "cmath", "decimal", "fractions", "statistics", "numbers"})
NEVER_IMPORTED = frozenset(
    {"pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve", "yaml"}
)
NEVER_CALLED = frozenset({"eval", "exec", "compile", "__import__"})
MAY_COMPILE = {"botpit/wire/forms.py": {"exec", "compile"}}
"""Makes functions of a table of its own, at import (docs/decisions/0013-writers-compiled-from-fields.md)."""
NOT_IN_PURE_ROOMS = frozenset({"open", "input", "print", "breakpoint"})


@dataclass(frozen=True)
class Module:
    """One source file of the house."""

    name: str
    path: str
    tree: ast.Module
    is_package: bool

    @property
    def room(self) -> str:
        return _room_of(self.name)

    @property
    def pure(self) -> bool:
        return self.name in PURE_FILES

    def at(self, node: ast.AST) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


@dataclass(frozen=True)
class Import:
    """`target` is a module of the house, or the first word of a library's name; `name` what was
    asked for, in full.

    An import under `if TYPE_CHECKING` is one like any other: no two files name each other's types.
    """

    node: ast.AST
    name: str
    target: str


def faults(root: Path) -> list[str]:
    """What is wrong with the house at `root`, one sentence each: `file:line what, and which rule`."""
    house = {module.name: module for module in _modules(root)}
    imports = {module.name: list(_imports(module, house)) for module in house.values()}
    found = [
        fault for module in house.values() for fault in _faults_of(module, imports[module.name])
    ]
    found += [
        fault
        for name in _under_pure_rooms(house, imports)
        for fault in _impurities(house[name], imports[name])
    ]
    found += _circles(
        {
            name: {i.target for i in those if i.target in house}
            for name, those in imports.items()
        }
    )
    found += [fault for path in _python_files(root) for fault in _dangers(path, root)]
    return sorted(set(found))


# -------------------------------------------------------------------------------- reading the house


def _python_files(root: Path) -> Iterator[Path]:
    yield from sorted(root.glob("*.py"))
    for folder in ("botpit", "benchmarks", "docs", "examples", "proofs", "tests"):
        yield from sorted((root / folder).rglob("*.py"))


def _modules(root: Path) -> Iterator[Module]:
    for path in (
        path
        for path in _python_files(root)
        if path.parent == root or path.is_relative_to(root / "botpit")
    ):
        parts = path.relative_to(root).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        yield Module(
            name,
            str(path.relative_to(root)),
            ast.parse(path.read_text(encoding="utf-8")),
            is_package,
        )


def _imports(module: Module, house: dict[str, Module]) -> Iterator[Import]:
    for node in ast.walk(module.tree):
        for name in _imported_names(module, node):
            yield Import(node, name, _target(name, house))


def _imported_names(module: Module, node: ast.AST) -> list[str]:
    """Every imported thing by its full dotted name: `from a.b import c` is `a.b.c`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    parents = module.name.split(".") if module.is_package else module.name.split(".")[:-1]
    start = parents[: len(parents) - node.level + 1] if node.level else []
    return [
        ".".join([*start, *([node.module] if node.module else []), alias.name])
        for alias in node.names
    ]


def _target(name: str, house: dict[str, Module]) -> str:
    """The longest beginning of `name` that is a file of the house or a room of the table; else the
    library's first word.
    """
    beginnings = _beginnings(name)
    return next(
        (each for each in beginnings if each in house or each in MAY_IMPORT), beginnings[-1]
    )


def _room_of(name: str) -> str:
    """The innermost room of the table that a module or a name lies in; of what is in none, its
    first two words.
    """
    rooms = (
        each
        for each in _beginnings(name)
        if each in MAY_IMPORT and (each != "botpit" or name == "botpit")
    )
    return next(rooms, ".".join(name.split(".")[:2]))


def _beginnings(name: str) -> list[str]:
    """a.b.c, a.b, a."""
    words = name.split(".")
    return [".".join(words[:length]) for length in range(len(words), 0, -1)]


def _words(tree: ast.AST, words: frozenset[str]) -> Iterator[tuple[ast.AST, str]]:
    return (
        (node, node.id)
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id in words
    )


# ---------------------------------------------------------------------------------------- the rules


def _faults_of(module: Module, imports: list[Import]) -> Iterator[str]:
    if module.room not in MAY_IMPORT:
        yield f"{module.path}:1 {module.room} is not in the import table"
        return
    for each in imports:
        room = _room_of(each.target)
        word = STDLIB if room.split(".")[0] in sys.stdlib_module_names else room
        inside = room == "botpit" or f"{room}.".startswith(f"{module.room}.")
        if not inside and MAY_IMPORT[module.room].isdisjoint({word, *_beginnings(each.name)}):
            yield f"{module.at(each.node)} imports {each.name}, which {module.room} may not"
    if f"{module.name}.".startswith(tuple(f"{room}." for room in ROWS)):
        yield from _faults_by_file(module, imports)
    if module.pure:
        yield from _stdlib_faults(module, imports)
    if module.room == "botpit.core":
        yield from _inexactness(module, imports)


def _faults_by_file(module: Module, imports: list[Import]) -> Iterator[str]:
    """What a file imports that is not in its own row, though its room may import it."""
    allowed = FILES.get(module.name, set())
    if module.name not in FILES and not module.is_package:
        yield f"{module.path}:1 {module.name} is not in the table of files"
    for each in imports:
        is_stdlib = each.target.split(".")[0] in sys.stdlib_module_names
        if not is_stdlib and allowed.isdisjoint(_beginnings(each.name)):
            yield f"{module.at(each.node)} imports {each.name}, which is not in the row of {module.name}"


def _stdlib_faults(module: Module, imports: list[Import]) -> Iterator[str]:
    for each in imports:
        word = each.target.split(".")[0]
        if word in sys.stdlib_module_names and word not in PURE_STDLIB:
            yield f"{module.at(each.node)} imports {each.name}, which is not pure"
    for node, word in _words(module.tree, NOT_IN_PURE_ROOMS):
        yield f"{module.at(node)} uses {word}, which is not pure"


def _inexactness(module: Module, imports: list[Import]) -> Iterator[str]:
    for each in imports:
        if each.target in INEXACT:
            yield f"{module.at(each.node)} imports {each.name}: the engine knows integers only"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield f"{module.at(node)} has the float {node.value}: the engine knows integers only"
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield f"{module.at(node)} divides with /: the engine knows integers only"
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in (
            "float",
            "complex",
            "operator.truediv",
        ):
            yield f"{module.at(node)} uses {ast.unparse(node)}: the engine knows integers only"


def _impurities(module: Module, imports: list[Import]) -> Iterator[str]:
    """Clocks, sockets, logs and chance, in a pure room or in what one stands on."""
    for each in imports:
        if each.target.split(".")[0] in IMPURE:
            yield f"{module.at(each.node)} imports {each.name}, and a pure room stands on it"
        if each.name.startswith("random.") and each.name != "random.Random":
            yield f"{module.at(each.node)} imports {each.name}: chance is handed in"
    for node in ast.walk(module.tree):
        text = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Call) else ""
        if (
            isinstance(node, ast.Attribute)
            and text.startswith("random.")
            and text != "random.Random"
        ):
            yield f"{module.at(node)} uses {text}: chance is handed in"
        if text in ("random.Random()", "Random()"):
            yield f"{module.at(node)} makes a Random without a seed: chance is handed in"
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS and "date" in text:
            yield f"{module.at(node)} reads a clock with {text}: time is handed in"


def _under_pure_rooms(house: dict[str, Module], imports: dict[str, list[Import]]) -> set[str]:
    """The modules of the pure rooms and all that these import, however far away."""
    reached: set[str] = set()
    waiting = [module.name for module in house.values() if module.pure]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [each.target for each in imports[name] if each.target in house]
    return reached


def _circles(graph: dict[str, set[str]]) -> list[str]:
    """One circle of names that lead to each other, if there is any. Whoever names himself (`from .
    import x`) is no circle.
    """
    try:
        graphlib.TopologicalSorter(
            {name: targets - {name} for name, targets in graph.items()}
        ).prepare()
    except graphlib.CycleError as error:
        return [f"these import each other in a circle: {' <- '.join(error.args[1])}"]
    return []


def _dangers(path: Path, root: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    where = path.relative_to(root)
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            if name.split(".")[0] in NEVER_IMPORTED:
                yield f"{where}:{getattr(node, 'lineno', 1)} imports {name}, which runs or believes what it reads"
    for node, word in _words(tree, NEVER_CALLED - MAY_COMPILE.get(where.as_posix(), set())):
        yield f"{where}:{getattr(node, 'lineno', 1)} uses {word}, which runs what it reads"


# ---------------------------------------------------------------------------------------- the tests

PLANTED = [
    (
        "botpit/core/book.py",
        "from botpit import wire",
        "imports botpit.wire, which botpit.core may not",
    ),
    (
        "botpit/core/book.py",
        "from ..io import server",
        "imports botpit.io.server, which botpit.core may not",
    ),
    (
        "botpit/core/book.py",
        "def late(): import botpit.settings",
        "imports botpit.settings, which botpit.core may not",
    ),
    ("botpit/core/book.py", "import msgspec", "imports msgspec, which botpit.core may not"),
    (
        "botpit/core/book.py",
        "from msgspec import json",
        "imports msgspec.json, which botpit.core may not",
    ),
    ("botpit/core/book.py", "FEE = 0.5", "has the float 0.5: the engine knows integers only"),
    ("botpit/core/book.py", "HALF = 1 / 2", "divides with /: the engine knows integers only"),
    ("botpit/core/book.py", "FEE /= 2", "divides with /: the engine knows integers only"),
    ("botpit/core/book.py", "ONE = float('1')", "uses float: the engine knows integers only"),
    ("botpit/core/book.py", "import math", "imports math: the engine knows integers only"),
    (
        "botpit/core/book.py",
        "from decimal import Decimal",
        "imports decimal.Decimal: the engine knows integers only",
    ),
    ("botpit/core/book.py", "import asyncio", "imports asyncio, which is not pure"),
    ("botpit/core/book.py", "import time as t", "imports time, which is not pure"),
    ("botpit/core/book.py", "import logging", "imports logging, which is not pure"),
    ("botpit/core/book.py", "from os import path", "imports os.path, which is not pure"),
    (
        "botpit/core/book.py",
        "datetime.now()",
        "reads a clock with datetime.now: time is handed in",
    ),
    (
        "botpit/core/book.py",
        "LUCK = random.random()",
        "uses random.random: chance is handed in",
    ),
    (
        "botpit/core/book.py",
        "from random import choice",
        "imports random.choice: chance is handed in",
    ),
    (
        "botpit/core/book.py",
        "RNG = random.Random()",
        "makes a Random without a seed: chance is handed in",
    ),
    ("botpit/core/book.py", "open('orders.txt')", "uses open, which is not pure"),
    (
        "botpit/core/book.py",
        "from botpit.core.market import Market",
        "imports botpit.core.market.Market, which is not in the row of botpit.core.book",
    ),
    (
        "botpit/core/book.py",
        "from msgspec import Struct",
        "imports msgspec.Struct, which is not in the row of botpit.core.book",
    ),
    ("botpit/core/planted.py", "", "botpit.core.planted is not in the table of files"),
    (
        "botpit/core/risk/planted.py",
        "",
        "botpit.core.risk.planted is not in the table of files",
    ),
    (
        "botpit/core/__init__.py",
        "from botpit.core import book",
        "imports botpit.core.book, which is not in the row of botpit.core",
    ),
    (
        "botpit/history/journal/planted.py",
        "",
        "botpit.history.journal.planted is not in the table of files",
    ),
    (
        "botpit/history/journal/reading.py",
        "from botpit.core import exchange",
        "imports botpit.core.exchange, which botpit.history.journal may not",
    ),
    (
        "botpit/history/journal/reading.py",
        "from botpit.history import vocabulary",
        "imports botpit.history.vocabulary, which is not in the row of botpit.history.journal.reading",
    ),
    ("botpit/history/journal/records.py", "import os", "imports os, which is not pure"),
    ("botpit/history/vocabulary.py", "import time", "imports time, which is not pure"),
    ("botpit/clients/mirror.py", "import socket", "imports socket, which is not pure"),
    ("botpit/clients/mirror.py", "import rich", "imports rich, which botpit.clients may not"),
    ("message_schemas.py", "import time", "imports time, and a pure room stands on it"),
    (
        "message_schemas.py",
        "import bot_strategies",
        "imports bot_strategies, which message_schemas may not",
    ),
    (
        "botpit/io/run.py",
        "import botpit.venue.gateway",
        "imports botpit.venue.gateway, which botpit.io may not",
    ),
    (
        "botpit/io/run.py",
        "from proofs.harness import main",
        "imports proofs.harness.main, which botpit.io may not",
    ),
    (
        "botpit/io/child.py",
        "import benchmarks.flows",
        "imports benchmarks.flows, which botpit.io may not",
    ),
    ("botpit/helpers.py", "", "botpit.helpers is not in the import table"),
    ("common.py", "", "common is not in the import table"),
    ("exporter.py", "import monitor_client", "imports monitor_client, which exporter may not"),
    (
        "botpit/cli/export.py",
        "import botpit.cli.monitor",
        "imports botpit.cli.monitor, which botpit.cli.export may not",
    ),
    ("exporter.py", "import pickle", "imports pickle, which runs or believes what it reads"),
    (
        "exporter.py",
        "from yaml import load",
        "imports yaml, which runs or believes what it reads",
    ),
    ("exporter.py", "eval('1')", "uses eval, which runs what it reads"),
    ("examples/planted.py", "exec('a = 1')", "uses exec, which runs what it reads"),
]
"""File, line added at its end, what must be said about that line."""


def test_the_house_is_built_to_plan() -> None:
    assert faults(HOUSE) == []


def test_every_row_is_of_a_file_or_a_folder_that_is_there() -> None:
    places = [HOUSE / row.replace(".", "/") for row in MAY_IMPORT]
    assert [
        place
        for place in places
        if not place.with_suffix(".py").exists() and not place.is_dir()
    ] == []
    files = (
        {row for rows in FILES.values() for row in rows if row.count(".") > 1}
        | FILES.keys()
        | PURE_FILES
    )
    places = [HOUSE / file.replace(".", "/") for file in files]
    assert [
        place
        for place in places
        if not place.with_suffix(".py").is_file() and not place.is_dir()
    ] == []


def test_the_rows_of_files_are_in_order() -> None:
    """Each file stands on those before it, so nobody can put a circle into the table."""
    for room, rows in ROWS.items():
        before: set[str] = set()
        for file, allowed in rows.items():
            assert {name for name in allowed.split() if name in rows} <= before, (
                f"{room}.{file}"
            )
            before.add(file)


def test_both_pages_draw_the_tree_as_it_is() -> None:
    trees = []
    for page in ("README.md", "docs/ARCHITECTURE.md"):
        blocks = re.findall(
            r"^```text\n(botpit/\n.*?)^```$",
            (HOUSE / page).read_text(encoding="utf-8"),
            re.M | re.S,
        )
        trees += blocks
    assert len(trees) == 2 and trees[0] == trees[1]
    drawn = {line.split()[0] for line in trees[0].splitlines()[1:]}
    assert drawn == {
        f"{init.parent.name}/" for init in (HOUSE / "botpit").glob("*/__init__.py")
    }
    within = {f"{init.parent.name}/" for init in (HOUSE / "botpit").glob("*/*/__init__.py")}
    assert within - {"demo/"} == {
        word.strip(",:") for word in re.findall(r"\b[a-z]+/", trees[0])
    } - drawn - {"botpit/"}


def test_the_table_itself_has_no_circle() -> None:
    assert (
        _circles({room: allowed & MAY_IMPORT.keys() for room, allowed in MAY_IMPORT.items()})
        == []
    )


def test_every_planted_fault_is_found_where_it_is(tmp_path: Path) -> None:
    _copy_of_the_house(tmp_path)
    expected = set()
    for file, line, sentence in PLANTED:
        number = _plant(tmp_path / file, line)
        expected.add(f"{file}:{number if line else 1} {sentence}")
    assert expected - set(faults(tmp_path)) == set()


@pytest.mark.parametrize(
    "way_back",
    ["from botpit.core.one import thing", "if TYPE_CHECKING: import botpit.core.one"],
)
def test_a_planted_circle_is_found(tmp_path: Path, way_back: str) -> None:
    _plant(tmp_path / "botpit/core/one.py", "from botpit.core import two")
    _plant(tmp_path / "botpit/core/two.py", way_back)
    assert [
        fault
        for fault in faults(tmp_path)
        if "circle" in fault and "one <-" in fault and "two <-" in fault
    ]


def _copy_of_the_house(to: Path) -> None:
    for path in _python_files(HOUSE):
        copy = to / path.relative_to(HOUSE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)


def _plant(file: Path, line: str) -> int:
    """Add the line at the end of the file (made when it is not there) and return its number."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    file.write_text(f"{text.rstrip()}\n{line}\n", encoding="utf-8")
    return text.rstrip().count("\n") + 2
