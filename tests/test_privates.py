"""Tests use proofs and benchmarks by their public names only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOMS = ("proofs", "benchmarks")


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
        for path in TESTS.rglob("*.py")
        for fault in faults(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_a_private_name_is_found() -> None:
    source = "from proofs import stress\nfrom benchmarks.flows import _text, rest\nstress._seen()\nrest.public\n"
    assert list(faults(source)) == ["benchmarks.flows._text", "proofs.stress._seen"]
