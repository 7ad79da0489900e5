"""All benchmarks of speed in their quick form, and a verdict on each promised figure (`make bench`).

    python benchmarks/bench.py
    python benchmarks/bench.py --only gateway --compiled FOLDER

Each runs in a process of its own and prints its figures as JSON. The table of targets.toml, with the
measurements, is written to benchmarks/results.md. A compiled botpit is measured where `--compiled` names a
copy of this clone that was built. The exit code is 1 when a target is missed or could not be measured, with
the names of those.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from benchmarks.targets import (
    BENCHMARKS,
    EXIT_MISSED,
    EXIT_OK,
    TABLE,
    Figures,
    Target,
    Verdict,
    judge,
    read_targets,
)

RESULTS = HOME / "benchmarks" / "results.md"
QUICK_FORMS = (
    "Resting orders go up to 100,000 here, and the replay is scaled from 100,000 commands."
)
"""The page's remark on rows whose path is longer than the quick form measures."""
WITHIN_S = 300.0
"""A benchmark that takes longer is killed."""


def figures_of(benchmark: str, clone: Path) -> Figures:
    """The figures of one benchmark of a clone; none, with its output on stderr, when it fails."""
    argv = [sys.executable, str(clone / "benchmarks" / f"{benchmark}.py"), "--quick", "--json"]
    try:
        done = subprocess.run(
            argv,
            cwd=clone,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
        )
    except subprocess.TimeoutExpired:
        print(f"{benchmark}: not done within {WITHIN_S:.0f} s", file=sys.stderr)
        return {}
    *told, last = done.stdout.splitlines() or [""]
    print(*told, sep="\n", flush=True)
    if done.returncode or not last.startswith("{"):
        print(
            f"{benchmark}: ended with {done.returncode}: {done.stderr.strip()[-500:]}",
            file=sys.stderr,
        )
        return {}
    return {name: float(value) for name, value in json.loads(last).items()}


def measured(
    benchmarks: Iterable[str], targets: list[Target], compiled: Path | None
) -> Figures:
    """All figures; those of the compiled clone begin with `compiled.`."""
    figures: Figures = {}
    for benchmark in benchmarks:
        print(f"== {benchmark}", flush=True)
        figures |= figures_of(benchmark, HOME)
        is_promised = any(
            each.benchmark == benchmark and each.build == "compiled" for each in targets
        )
        if compiled is not None and is_promised:
            print(f"== {benchmark}, compiled", flush=True)
            figures |= {
                f"compiled.{name}": value
                for name, value in figures_of(benchmark, compiled).items()
            }
    return figures


def page(verdicts: Iterable[Verdict], when: datetime, commit: str, machine: str) -> str:
    """results.md."""
    lines = [
        "# What `make bench` measured",
        "",
        f"{when:%Y-%m-%d}, commit {commit}, {machine}. {QUICK_FORMS}",
        "",
    ]
    lines += ["| path | before | measured | target | met |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(verdict.cells())} |" for verdict in verdicts]
    return "\n".join(lines) + "\n"


def misses(verdicts: Iterable[Verdict]) -> list[str]:
    return [verdict.target.name for verdict in verdicts if verdict.missed]


def exit_code(missed: list[str]) -> int:
    """Print the missed targets."""
    if not missed:
        return EXIT_OK
    print(f"missed: {', '.join(missed)}", file=sys.stderr)
    return EXIT_MISSED


def commit_here() -> str:
    argv = ["git", "describe", "--always", "--dirty"]
    return (
        subprocess.run(
            argv, cwd=HOME, capture_output=True, text=True, check=False
        ).stdout.strip()
        or "unknown"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description="All benchmarks of speed.", epilog="example: make bench"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=BENCHMARKS,
        default=BENCHMARKS,
        help="these, and the rows that they fill",
    )
    parser.add_argument(
        "--compiled", type=Path, help="a copy of this clone whose botpit is compiled"
    )
    options = parser.parse_args()
    targets = [
        each
        for each in read_targets(TABLE.read_text(encoding="utf-8"))
        if each.benchmark in options.only
    ]
    figures = measured(options.only, targets, options.compiled)
    verdicts = judge(targets, figures, compiled_built=options.compiled is not None)
    machine = f"{os.cpu_count()} CPUs, Python {platform.python_version()}"
    text = page(verdicts, datetime.now(UTC), commit_here(), machine)
    RESULTS.write_text(text, encoding="utf-8")
    print(text)
    return exit_code(misses(verdicts))


if __name__ == "__main__":
    sys.exit(main())
