"""The compiled engine is optional and never older than its source; building it is for CI, which runs laws and stories on it."""

from __future__ import annotations

import inspect
import shutil
import subprocess
import sys
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

from botpit import compiled
from botpit.compiled import STAMP, engine, fingerprint

HOUSE = Path(__file__).resolve().parent.parent
FAST = run_path(str(HOUSE / "tools" / "fast.py"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree as a build leaves it, but for the extensions."""
    kept_out = shutil.ignore_patterns("__pycache__", "*.so", "*.pyd")
    shutil.copytree(HOUSE / "botpit", tmp_path / "botpit", ignore=kept_out)
    (tmp_path / STAMP).write_text(fingerprint(tmp_path), encoding="utf-8")
    return tmp_path


def imported(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import botpit"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )


def test_extensions_of_these_sources_are_taken(tree: Path) -> None:
    assert imported(tree).returncode == 0


EDITED = [
    "core/exchange.py",
    "core/commands.py",
    "core/risk/margin.py",
    "venue/gateway/gateway.py",
    "venue/rates.py",
]


@pytest.mark.parametrize("edited", EDITED)
def test_extensions_of_other_sources_are_refused(tree: Path, edited: str) -> None:
    with (tree / "botpit" / edited).open("a", encoding="utf-8") as file:
        file.write("# edited since\n")
    refused = imported(tree)
    assert refused.returncode == 1
    assert (
        "StaleExtension: the engine was compiled from other sources than those beside it: "
        "run `make fast`" in refused.stderr
    )


def test_what_is_compiled_is_there_and_stamped() -> None:
    stamped = {HOUSE / name for name in compiled.FILES}.union(
        *((HOUSE / room).glob("*.py") for room in compiled.ROOMS)
    )
    for name in FAST["COMPILED"]:
        assert HOUSE / name in stamped


def natively(folder: Path, file: str) -> dict[str, Any]:
    """What the build makes of a file of records."""
    source = folder / "records.py"
    source.write_text(
        FAST["natively"]((HOUSE / file).read_text(encoding="utf-8")), encoding="utf-8"
    )
    return run_path(str(source))


@pytest.mark.parametrize("file", FAST["RECORDS"])
def test_the_records_take_the_same_arguments_in_both(tmp_path: Path, file: str) -> None:
    native, structs = natively(tmp_path, file), run_path(str(HOUSE / file))
    names = [
        name
        for name, each in structs.items()
        if isinstance(each, type) and each.__module__ == structs["__name__"]
    ]
    with_fields = [name for name in names if hasattr(structs[name], "__struct_fields__")]
    assert with_fields
    for name in with_fields:
        expected = ["self", *structs[name].__struct_fields__]
        assert list(inspect.signature(native[name].__init__).parameters) == expected


def test_a_record_made_plain_shares_no_default(tmp_path: Path) -> None:
    native = natively(tmp_path, "botpit/core/prospects.py")
    one, other = native["Match"](1), native["Match"](1)
    assert one.fills == [] and one.fills is not other.fills


def test_every_struct_of_the_engine_that_is_compiled_is_a_record() -> None:
    """A compiled module that holds a struct crashes when it is imported."""
    with_structs = {
        name
        for name in FAST["COMPILED"]
        if "(Struct" in (HOUSE / name).read_text(encoding="utf-8")
    }
    assert with_structs == set(FAST["RECORDS"])


def test_it_says_which_engine_runs() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "botpit", "--version"],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip().endswith(f"({engine()} engine)")
