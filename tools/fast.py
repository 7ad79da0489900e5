"""Compile the engine and its hot neighbours with mypyc, as extension modules (`make fast`).

    python tools/fast.py            build them into this clone
    python tools/fast.py --clean    remove them

Without this, pure Python runs; it stays the reference for the tests. All work is done in a copy of the tree
under build/, so that an interrupted build leaves nothing. A stamp of the compiled sources lies beside the
extensions, and botpit/compiled.py compares it at each start.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path

HOME = Path(__file__).resolve().parent.parent
# Not imported: an import of botpit refuses a stale engine, and this program replaces one.
_compiled = run_path(str(HOME / "botpit" / "compiled.py"))
STAMP: str = _compiled["STAMP"]
fingerprint: Callable[[Path], str] = _compiled["fingerprint"]
WORKSHOP = HOME / "build" / "fast"
RECORDS = ["botpit/core/orders.py", "botpit/core/prospects.py"]
"""Their structs become plain classes."""
COMPILED = [
    *RECORDS, "botpit/core/accounts.py", "botpit/core/admin.py", "botpit/core/book.py",
    "botpit/core/entry.py",
    "botpit/core/exchange.py", "botpit/core/ledger.py", "botpit/core/market.py", "botpit/core/matching.py",
    "botpit/core/phases.py", "botpit/core/positions.py", "botpit/core/refusals.py", "botpit/core/sessions.py",
    "botpit/core/ticks.py", "botpit/core/timers.py", "botpit/core/valuation.py", "botpit/core/risk/checks.py",
    "botpit/core/risk/liquidation.py", "botpit/core/risk/margin.py", "botpit/core/risk/watch.py",
    "botpit/wire/sequencer.py",
    "botpit/venue/gateway/gateway.py", "botpit/venue/gateway/private.py", "botpit/venue/gateway/sessions.py",
    "botpit/venue/rates.py", "botpit/history/journal/records.py",
]  # fmt: skip
"""What pays, by measurement (docs/decisions/0008); a name here must be a file."""
SETUP = """\
import sys
from mypyc.build import mypycify
from setuptools import setup
setup(name="botpit-fast", ext_modules=mypycify(sys.argv[1:], opt_level="3", debug_level="0"),
      script_args=["build_ext", "--inplace"])
"""
EXIT_OK, EXIT_FAILED, EXIT_MISSING = 0, 1, 2


def missing() -> str:
    """The advice to install what is missing; empty when nothing is."""
    for module in ("mypyc", "setuptools"):
        if find_spec(module) is None:
            return f"{module} is missing: install it with `pip install mypy setuptools`"
    compiler = str(sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"no C compiler ({compiler}): install one (Debian, Ubuntu: apt install gcc python3-dev)"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        headers = "the headers of this Python (Debian, Ubuntu: apt install python3-dev)"
        return f"Python.h is missing: install {headers}"
    return ""


def build() -> list[Path]:
    """Build the extension modules in the workshop; return them. Raises CalledProcessError."""
    shutil.rmtree(WORKSHOP, ignore_errors=True)
    leave_out = shutil.ignore_patterns("__pycache__", f"*{_suffix()}")
    shutil.copytree(HOME / "botpit", WORKSHOP / "botpit", ignore=leave_out)
    for program in HOME.glob("*.py"):
        shutil.copy(program, WORKSHOP)
    for records in (WORKSHOP / file for file in RECORDS):
        records.write_text(natively(records.read_text(encoding="utf-8")), encoding="utf-8")
    (WORKSHOP / "setup.py").write_text(SETUP, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "setup.py", *COMPILED],
        cwd=WORKSHOP,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout[-4_000:], file=sys.stderr)
        done.check_returncode()
    (WORKSHOP / STAMP).write_text(fingerprint(HOME) + "\n", encoding="utf-8")
    return built(WORKSHOP)


def natively(source: str) -> str:
    """The structs of `source` as plain classes with the same `__init__`, which mypyc makes native."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(
            ast.unparse(base) == "Struct" for base in node.bases
        ):
            fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef)]
            node.bases, node.keywords, node.body = [], [], [_init(fields), *methods]
    return ast.unparse(tree)


def _init(fields: list[ast.AnnAssign]) -> ast.stmt:
    """None, which no caller passes, stands for a default that is made anew each time."""
    arguments, lines = [], []
    for each in fields:
        name = ast.unparse(each.target)
        kind = ast.unparse(each.annotation)
        value = name
        if each.value is None:
            arguments.append(f"{name}: {kind}")
        elif isinstance(each.value, ast.Call):
            arguments.append(f"{name}: {kind} | None = None")
            empty = {"list": "[]", "dict": "{}"}[ast.unparse(each.value.keywords[0].value)]
            value = f"{empty} if {name} is None else {name}"
        else:
            arguments.append(f"{name}: {kind} = {ast.unparse(each.value)}")
        lines.append(f"    self.{name}: {kind} = {value}")
    head = f"def __init__(self, {', '.join(arguments)}) -> None:"
    return ast.parse("\n".join([head, *lines])).body[0]


def _suffix() -> str:
    return str(sysconfig.get_config_var("EXT_SUFFIX"))


def built(tree: Path) -> list[Path]:
    """The extension modules in a tree, behind their stamp: a tree with an extension always has the stamp."""
    extensions = sorted(
        [*tree.glob(f"*{_suffix()}"), *(tree / "botpit").rglob(f"*{_suffix()}")]
    )
    stamp = tree / STAMP
    return [stamp, *extensions] if stamp.exists() else extensions


def clean() -> None:
    for path in reversed(built(HOME)):
        path.unlink()


def main(words: list[str]) -> int:
    clean()
    if words == ["--clean"]:
        return EXIT_OK
    needed = missing()
    if needed:
        print(f"error: {needed}", file=sys.stderr)
        return EXIT_MISSING
    try:
        extensions = build()
    except subprocess.CalledProcessError:
        return EXIT_FAILED
    for path in extensions:
        shutil.copy2(path, HOME / path.relative_to(WORKSHOP))
    print(f"compiled {len(COMPILED)} modules; `make clean` removes them")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
