"""How many faults, planted into a real run's files one at a time, `botpit check` finds and locates.

Each fault is drawn from the seed: a row lost, doubled, swapped with the next, or one of its cells changed by
as little as makes a difference. It counts as located when what is said names the row's line, or a row of the
same millisecond.

    python proofs/planted_rows.py runs/2026-11-20T19-43-32Z --faults 500
"""

from __future__ import annotations

import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from botpit.cli.check import findings
from botpit.runs.audit.rows import COLUMNS, Wrong
from proofs.harness.main import EXIT_OK, EXIT_UNUSABLE, ProofParser

OTHER_WORD = {
    "buy": "sell",
    "sell": "buy",
    "bankruptcy": "auto_deleverage",
    "auto_deleverage": "maintenance_margin_breach",
    "maintenance_margin_breach": "bankruptcy",
}
ROW_FAULTS = ("row lost", "row doubled", "rows swapped")


@dataclass(frozen=True, slots=True)
class Fault:
    """The kind of fault and its line; `at` is the row's time."""

    kind: str
    path: Path
    line: int
    at: str


@dataclass(frozen=True, slots=True)
class Finding:
    """`said` is None when nothing was found."""

    fault: Fault
    said: str | None
    located: bool


def plant(path: Path, rng: random.Random, step: Decimal) -> Fault:
    """Change the file at random. Prices and money move by `step`."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    at = rng.randrange(1, len(lines))
    time = _time(lines[at])
    columns = [column.name for column in COLUMNS[path.name]]
    kind = rng.choice([*ROW_FAULTS, *columns])
    name = f"{path.name}: {kind}"
    if kind == "row lost":
        if path.name == "performance.csv" and _says_no_trade(lines, at):
            name += " (no trade in it)"
        del lines[at]
    elif kind == "row doubled":
        lines.insert(at, lines[at])
    elif kind == "rows swapped":
        other = at + 1 if at + 1 < len(lines) else at - 1
        if _time(lines[at]) == _time(lines[other]):
            name += " (same millisecond)"
        lines[at], lines[other] = lines[other], lines[at]
    else:
        cells = lines[at].removesuffix("\n").split(",")
        place = columns.index(kind)
        cells[place] = _another(cells[place], kind, rng, step, lines)
        lines[at] = ",".join(cells) + "\n"
    path.write_text("".join(lines), encoding="utf-8")
    return Fault(name, path, at + 1, time)


def _time(line: str) -> str:
    return line.split(",")[0]


def _says_no_trade(lines: list[str], at: int) -> bool:
    """Whether position and realised PnL are as in the row before of the same account."""
    _, trader, position, _, realized, _ = lines[at].split(",")
    before = next(
        (cells for line in lines[at - 1 : 0 : -1] if (cells := line.split(","))[1] == trader),
        None,
    )
    return before is not None and (before[2], before[4]) == (position, realized)


def _another(
    cell: str, column: str, rng: random.Random, step: Decimal, lines: list[str]
) -> str:
    sign = rng.choice((-1, 1))
    match column:
        case "timestamp" | "position":
            return str(int(cell) + sign)
        case "qty":
            return str(int(cell) + 1)
        case "reason" | "side":
            return OTHER_WORD[cell]
        case "trader_id" | "buy_trader" | "sell_trader":
            words = {word for line in lines[1:] for word in line.rstrip("\n").split(",")}
            names = sorted(
                word for word in words - OTHER_WORD.keys() if re.match("'?[a-z]", word)
            )
            return rng.choice([name for name in names if name != cell] or [f"{cell}-2"])
        case _:
            return repr(float(Decimal(cell) + sign * step))


def hunt(
    run: Path,
    faults: int,
    seed: int,
    *,
    step: Decimal = Decimal("0.01"),
    with_results: bool = True,
) -> Iterator[Finding]:
    """Plant a fault and check, so many times, each in a fresh copy of the run."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "run"
        for _ in range(faults):
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(run, copy)
            paths = [
                path
                for path in sorted(copy.rglob("*.csv"))
                if path.read_bytes().count(b"\n") > 1
            ]
            weights = [path.stat().st_size ** 0.5 for path in paths]
            fault = plant(rng.choices(paths, weights)[0], rng, step)
            said = _said(copy, with_results)
            yield Finding(fault, said, said is not None and _points_at(fault, said))


def _said(run: Path, with_results: bool) -> str | None:
    try:
        for _ in findings(run, None, with_results=with_results):
            pass
    except Wrong as wrong:
        return str(wrong)
    return None


def _points_at(fault: Fault, said: str) -> bool:
    """Any row that is named, of this run, stands for its millisecond."""
    if f"{fault.path}:{fault.line}:" in said or f"{fault.path}:{fault.line} " in said:
        return True
    named = re.findall(r"(\S+\.csv):(\d+)", said)
    lines = [
        Path(path).read_text(encoding="utf-8").splitlines()[int(line) - 1 : int(line)]
        for path, line in named
    ]
    return any(line and _time(line[0]) == fault.at for line in lines) or fault.at in said


def main() -> int:
    parser = ProofParser(
        "Plant faults into copies of a run's files, one at a time, and see which ones are found.",
        "planted_rows.py runs/2026-11-20T19-43-32Z --faults 500",
    )
    parser.add_argument("run_dir", type=Path, help="a run that is right as it is")
    parser.number("--faults", 500, "how many")
    parser.number("--seed", 1)
    parser.add_argument(
        "--step",
        type=Decimal,
        default=Decimal("0.01"),
        help="of prices and money (default: %(default)s)",
    )
    parser.add_argument("--no-results", action="store_true", help="the CSV files alone")
    parser.add_argument(
        "--show", action="store_true", help="every fault, and what was said of it"
    )
    options = parser.parse_args()
    if (said := _said(options.run_dir, not options.no_results)) is not None:
        print(f"error: the run is not right as it is: {said}", file=sys.stderr)
        return EXIT_UNUSABLE
    planted, found, located = Counter[str](), Counter[str](), Counter[str]()
    hunted = hunt(
        options.run_dir,
        options.faults,
        options.seed,
        step=options.step,
        with_results=not options.no_results,
    )
    for each in hunted:
        planted[each.fault.kind] += 1
        found[each.fault.kind] += each.said is not None
        located[each.fault.kind] += each.located
        if options.show:
            print(f"{each.fault.kind}, line {each.fault.line}: {each.said or 'NOT FOUND'}")
    print(f"{'fault':38}{'planted':>8}{'found':>8}{'located':>9}")
    for kind in sorted(planted):
        print(f"{kind:38}{planted[kind]:8}{found[kind]:8}{located[kind]:9}")
    print(f"{'all':38}{planted.total():8}{found.total():8}{located.total():9}")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
