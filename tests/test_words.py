"""One word for one thing: the code uses none of the words that docs/GLOSSARY.md has retired."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
GLOSSARY = HOUSE / "docs" / "GLOSSARY.md"
FOLDERS = ("botpit", "benchmarks", "proofs", "tests")


def retired() -> set[str]:
    """The words of each table's last column that are names of classes."""
    rows = (
        line
        for line in GLOSSARY.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ")
    )
    words = (word.strip() for row in rows for word in row.split("|")[3].split(","))
    return {word for word in words if word[:1].isupper()}


def definitions(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every name that a module gives to a class, a function, an argument or a type."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg


def faults(files: Iterator[Path], words: set[str]) -> list[str]:
    return [
        f"{path.relative_to(HOUSE) if path.is_relative_to(HOUSE) else path.name}:{line} says {name}"
        for path in files
        for line, name in definitions(ast.parse(path.read_text(encoding="utf-8")))
        if name in words
    ]


def sources() -> Iterator[Path]:
    yield from sorted(HOUSE.glob("*.py"))
    for folder in FOLDERS:
        yield from sorted((HOUSE / folder).rglob("*.py"))


def test_the_code_says_none_of_the_retired_words() -> None:
    words = retired()
    assert {"Floor", "Fanout", "Spectator"} <= words
    assert faults(sources(), words) == []


def test_a_retired_word_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(
        "class Floor:\n    pass\n\n\ndef opened(at: Place) -> None:\n    pass\n",
        encoding="utf-8",
    )
    assert faults(iter([planted]), retired()) == [
        "planted.py:1 says Floor",
        "planted.py:5 says Place",
    ]
