"""Tests use product code, proofs and benchmarks by their public names only; so do proofs and benchmarks.

A fault is planted, and a state looked at, through what is public: a test that reaches inside stands in the
way of whoever changes the inside. What still does is named below, with its reason, and may only shrink.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parent.parent
ROOMS = ("proofs", "benchmarks")
OURS = ("tests", *ROOMS)
PRODUCT = ("botpit", *(path.stem for path in HOME.glob("*.py")))
_WATCH = "to ask a margin watch is to take, and a copy has nothing else to begin with"
ALLOWED = {
    "tests/stories/stage.py: _heaps": _WATCH,
    "tests/stories/stage.py: _stirred": _WATCH,
    "tests/stories/stage.py: _due_for_check": _WATCH,
    "tests/processes/test_server_end.py: _transport": "the socket library hands it to a connection that is up",
}
"""`file: name`, and why there is no public way. It may only shrink."""


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def faults(source: str) -> Iterator[str]:
    """The private names of proofs and benchmarks in a test's source: `proofs.stress._seen`."""
    tree = ast.parse(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(ROOMS):
            names |= {
                alias.asname or alias.name: f"{node.module}.{alias.name}"
                for alias in node.names
            }
    for name, full in names.items():
        if private(name):
            yield full
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in names and private(
                attr
            ):
                yield f"{names[name]}.{attr}"


def test_no_test_takes_a_private_name_of_a_proof_or_a_benchmark() -> None:
    found = [
        fault
        for path in (HOME / "tests").rglob("*.py")
        for fault in faults(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_a_private_name_is_found() -> None:
    source = "from proofs import stress\nfrom benchmarks.flows import _text, rest\nstress._seen()\nrest.public\n"
    assert list(faults(source)) == ["benchmarks.flows._text", "proofs.stress._seen"]


# --------------------------------------------------------------------------------- those of the product


def defined(source: str) -> set[str]:
    """The private names that a source gives to something of its own."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                found.add(name)
    return {name for name in found if private(name) and name != "_"}


@cache
def of_the_product() -> frozenset[str]:
    sources = [*HOME.glob("*.py"), *(HOME / "botpit").rglob("*.py")]
    return frozenset().union(*(defined(path.read_text(encoding="utf-8")) for path in sources))


def inside(source: str) -> set[str]:
    """The product's private names that a source uses, also as an argument: `setattr(Lock, "_take", ...)`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name) | ast.alias(name=name):
                found.add(name)
            case ast.Call(args=arguments):
                texts = (each.value for each in arguments if isinstance(each, ast.Constant))
                found |= {str(text).rpartition(".")[2] for text in texts}
    return of_the_product() & (found - defined(source) | overridden(source))


def overridden(source: str) -> set[str]:
    """The private methods of classes whose base comes from the product: they are its own, by chance or not."""
    tree = ast.parse(source)
    foreign: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PRODUCT):
            foreign |= {alias.asname or alias.name for alias in node.names}
    return {
        each.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base).partition(".")[0] in foreign for base in node.bases)
        for each in node.body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_nobody_takes_a_private_name_of_the_product() -> None:
    """A name that its file defines too is passed over: whose it is there cannot be told."""
    found = {
        f"{path.relative_to(HOME).as_posix()}: {name}"
        for room in OURS
        for path in (HOME / room).rglob("*.py")
        for name in inside(path.read_text(encoding="utf-8"))
    }
    assert found - ALLOWED.keys() == set()
    assert ALLOWED.keys() - found == set(), "these exceptions are not needed any more"


@pytest.mark.parametrize(
    "source",
    [
        "from botpit.venue.tokens import _read",
        "sheets._sizes = {}",
        "monkeypatch.setattr(Sheets, '_sizes', {})",
        "patch('botpit.venue.tokens._read')",
        "class Mine(Sheets):\n    def rows(self):\n        return self._sizes",
        "from botpit.venue import tokens\nclass Mine(tokens.Token):\n    def _read(self): ...",
    ],
)
def test_a_private_name_of_the_product_is_found(source: str) -> None:
    assert inside(source) in ({"_read"}, {"_sizes"})


def test_what_a_test_calls_its_own_is_its_own() -> None:
    assert inside("class Mine:\n    def _read(self): ...\nMine()._read()") == set()
