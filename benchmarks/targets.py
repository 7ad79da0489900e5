"""What the benchmarks of speed are to reach, and how a figure is judged: targets.toml read and checked.

A benchmark names its figures, `gateway.server_cpu` for example, and says them as one JSON object with
`--json`. The table of targets.toml has a row for each figure that is promised; everything else a benchmark
says is there to be read.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

TABLE = Path(__file__).resolve().parent / "targets.toml"
BENCHMARKS = (
    "gateway",
    "stages",
    "engine",
    "growth",
    "relay",
    "recovery",
    "memory",
    "crowd",
    "startup",
)
NOT_BUILT = "not built"
EXIT_OK, EXIT_MISSED, EXIT_USAGE = 0, 1, 2
Figures = dict[str, float]


class TargetsError(ValueError):
    """A table that cannot be used; the text names the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One row. `build`: which botpit is measured. `unit` follows the number: x, ms, s, bytes, MB, bots."""

    figure: str
    path: str
    before: str
    at_least: float | None = None
    at_most: float | None = None
    unit: str
    build: Literal["plain", "compiled"] = "plain"

    @property
    def name(self) -> str:
        """The figure's name among all figures of a run."""
        if self.build == "plain":
            return self.figure
        return f"{self.build}.{self.figure}"

    @property
    def benchmark(self) -> str:
        return self.figure.partition(".")[0]

    def met(self, measured: float) -> bool:
        if self.at_least is not None:
            return measured >= self.at_least
        return measured <= (self.at_most or 0)

    def text(self) -> str:
        if self.at_least is not None:
            return f"≥ {amount(self.at_least, self.unit)}"
        return f"≤ {amount(self.at_most, self.unit)}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A row and its measurement; None counts as missed unless there was no build to measure."""

    target: Target
    measured: float | None
    was_built: bool = True

    @property
    def missed(self) -> bool:
        return self.was_built and (self.measured is None or not self.target.met(self.measured))

    def cells(self) -> list[str]:
        row = [self.target.path, self.target.before]
        if not self.was_built:
            return [*row, NOT_BUILT, self.target.text(), "-"]
        measured = "not measured"
        if self.measured is not None:
            measured = amount(self.measured, self.target.unit)
        return [*row, measured, self.target.text(), "no" if self.missed else "yes"]


def read_targets(text: str) -> list[Target]:
    """The rows of a targets.toml. Raises TargetsError."""
    targets = [_target(row) for row in tomllib.loads(text)["row"]]
    names = [each.name for each in targets]
    for name in names:
        if names.count(name) > 1:
            raise TargetsError(f"{name}: is there twice")
    return targets


def _target(row: dict[str, object]) -> Target:
    name = row.get("figure", row)
    try:
        target = Target(**row)  # type: ignore[arg-type]  # what is missing or unknown is named by the error
    except TypeError as error:
        raise TargetsError(f"{name}: {error}") from error
    if (target.at_least is None) == (target.at_most is None):
        raise TargetsError(f"{name}: expected one of at_least and at_most")
    if target.benchmark not in BENCHMARKS:
        raise TargetsError(f"{name}: expected a figure of {', '.join(BENCHMARKS)}")
    return target


def judge(
    targets: Iterable[Target], figures: Figures, *, compiled_built: bool
) -> list[Verdict]:
    """A verdict for each row."""
    return [
        Verdict(each, figures.get(each.name), was_built=each.build == "plain" or compiled_built)
        for each in targets
    ]


def amount(value: float | None, unit: str) -> str:
    """The number as people write it, with its unit: `0.21x`, `7.1 ms`, `729 bytes`."""
    if value is None:
        return "nothing"
    number = f"{value:.3g}"
    if value >= 100 or unit in ("bytes", "bots"):
        number = f"{value:,.0f}"
    gap = "" if unit == "x" else " "
    return f"{number}{gap}{unit}"


# -------------------------------------------------------------------------- what each benchmark has in common


def parser_of(benchmark: str, description: str, *, rounds: int = 5) -> argparse.ArgumentParser:
    """The flags that all of them take: `--rounds`, `--quick`, `--json`."""
    parser = argparse.ArgumentParser(
        description=description, epilog=f"example: python benchmarks/{benchmark}.py --quick"
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=rounds,
        help="the median of so many counts (default: %(default)s)",
    )
    parser.add_argument("--quick", action="store_true", help="smaller, as `make bench` does it")
    parser.add_argument(
        "--json", action="store_true", help="end with the figures as one line of JSON"
    )
    return parser


def tell(figures: Figures, *, as_json: bool) -> None:
    """The last word of a benchmark."""
    if as_json:
        print(json.dumps({name: round(value, 6) for name, value in figures.items()}))


def middle(of: Iterable[Figures]) -> Figures:
    """Each figure's median over rounds."""
    rounds = list(of)
    return {name: median(each[name] for each in rounds) for name in rounds[0]}


def in_rounds(rounds: int, measure: Callable[[int], Figures]) -> Figures:
    """The medians of `measure`, called with 0, 1, 2, …"""
    return middle([measure(number) for number in range(rounds)])
