"""The command itself: what is asked, what is said, and with which exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeVar
from urllib.parse import unquote

from rich.console import Console
from rich.progress import Progress

from botpit.cli.program import add_version, parser_of
from botpit.io.exit_codes import ExitCode, ProgramError
from botpit.io.files import file_name
from botpit.io.log import printable
from botpit.io.run import refused
from botpit.runs.audit.fees import Terms
from botpit.runs.audit.ledger import Ledger
from botpit.runs.audit.results import OtherFormat, ReportRecord, RoundRecord, Unreadable, read_report, read_results
from botpit.runs.audit.rows import Wrong
from botpit.runs.audit.text import summary
from botpit.runs.audit.totals import compare
from botpit.runs.folder import STATE, MarketFiles, markets_of, read_text

PROGRESS_FROM_BYTES = 4 * 2**20
Tell = Callable[[int], None]


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Check a finished run; returns the exit code."""
    return check(arguments(argv, prog))


def arguments(argv: Sequence[str] | None, prog: str | None = None) -> argparse.Namespace:
    parser = parser_of(
        prog,
        "Work a finished run out again from its CSV files, row by row: positions, realised PnL, cash, the insurance fund;"
        " then its results. Says what was checked and ok, or names the first row that is wrong.",
        "example: %(prog)s runs/2026-11-20T19-43-32Z; exit codes: 0 all is well, 2 nothing to check, 4 a row is wrong",
    )
    parser.add_argument("run_dir", metavar="RUN_DIR", type=Path, help="where trades.csv and performance.csv are, or a folder of"
                        " them for each instrument")  # fmt: skip
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--results", type=Path, help="default: the newest results*.json in RUN_DIR, if there is one")
    which.add_argument("--no-results", action="store_true", help="look at the CSV files alone")
    add_version(parser)
    return parser.parse_args(argv)


def check(options: argparse.Namespace) -> ExitCode:
    """Check a run and say what came of it."""
    try:
        for line in findings(options.run_dir, options.results, with_results=not options.no_results):
            print(printable(line), flush=True)
    except Wrong as wrong:
        print(*map(printable, [str(wrong), *getattr(wrong, "__notes__", [])]), sep="\n")
        return ExitCode.DAMAGED
    except ProgramError as error:
        return refused(error)
    except OSError as error:
        return refused(ProgramError(str(error)))
    except KeyboardInterrupt:
        print("stopped before the end: nothing is said of the rest", file=sys.stderr)
        return ExitCode.STOPPED
    print("ok")
    return ExitCode.OK


def findings(folder: Path, results: Path | None, *, with_results: bool = True) -> Iterator[str]:
    """A line for each thing that was checked, market by market. Raises ProgramError, or Wrong at the first wrong row."""
    markets = markets_of(folder)
    path = (results or _newest_results(folder)) if with_results else None
    rounds = _rounds(path, markets) if path else {}
    for market in markets:
        if len(markets) > 1:
            yield f"market {market.market_id}"
        yield from _audit(market, rounds.get(market.market_id))
    for portion in markets[-1].portions:
        if portion.bytes_after:
            yield f"left out: {portion.bytes_after} bytes of {portion.path}, which are newer than {STATE}"


def _audit(market: MarketFiles, battle: Battle | None) -> Iterator[str]:
    record = battle.record if battle else None
    symbols = _symbols(market, record)
    terms = record.market.terms() if record else {symbol: Terms() for symbol in symbols.values()}
    ledger = Ledger(terms, record.amounts() if record else ())
    with _progress(market) as tell:
        ledger.read(portion.sheet(symbols.get(portion.folder, ""), tell) for portion in market.portions)
    for portion in market.portions:
        portion.check_complete()
    yield from summary(ledger)
    if battle is None:
        yield "results: none of this market, so a lot is taken to be 1"
    else:
        yield f"results: {compare(ledger, battle.record, battle.where, battle.reports())}"


def _newest_results(folder: Path) -> Path | None:
    return max(folder.glob("results*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)


@dataclass(frozen=True, slots=True)
class Battle:
    """A round of a battle: its record, and where that is."""

    path: Path
    place: int
    record: RoundRecord

    @property
    def where(self) -> str:
        return f"{self.path}:rounds[{self.place}]"

    def reports(self) -> dict[str, tuple[str, ReportRecord]]:
        """What the bots say of themselves, by trader, of those whose report is still there."""
        named = ((each.bot.trader_id, PurePath(each.report)) for each in self.record.bots if each.report is not None)
        paths = {trader: self.path.parent / name for trader, name in named if not name.is_absolute() and ".." not in name.parts}
        return {trader: (str(path), _read(path, read_report)) for trader, path in paths.items() if path.is_file()}


_Record = TypeVar("_Record")


def _read(path: Path, read: Callable[[str], _Record]) -> _Record:
    try:
        return read(read_text(path))
    except Unreadable as error:
        raise Wrong(str(path), str(error)) from error
    except OtherFormat as error:
        raise ProgramError(f"{path}: {error}; --no-results looks at the CSV files alone") from error


def _rounds(path: Path, markets: Sequence[MarketFiles]) -> dict[str | None, Battle]:
    """Of each market its last round. Raises ProgramError when the results are not of this run."""
    results = _read(path, read_results)
    found = {each.market.market_id: Battle(path, at, each) for at, each in enumerate(results.rounds)}
    found.pop(None, None)
    if len(markets) == 1 and markets[0].market_id is None and len(found) == 1:
        return {None: next(iter(found.values()))}
    if not any(market.market_id in found for market in markets):
        here = ", ".join(market.market_id or f"nobody knows which, without {STATE}" for market in markets)
        raise ProgramError(f"{path} is of market {', '.join(map(str, found))}, the CSV files are of {here}")
    return found


def _symbols(market: MarketFiles, record: RoundRecord | None) -> dict[str, str]:
    """Folder -> the instrument whose files are in it. Raises ProgramError when the results have others."""
    if record is None:
        return {folder: unquote(folder) for folder in market.folders}
    known = list(record.market.instruments)
    symbols = {"": known[0]} if len(known) == 1 else {file_name(symbol): symbol for symbol in known}
    if not market.folders <= symbols.keys():
        raise ProgramError(f"the results have the instruments {', '.join(known)}; their files are not the ones here")
    return symbols


@contextmanager
def _progress(market: MarketFiles) -> Iterator[Tell]:
    """On a terminal, and where there is much to read."""
    size, console = sum(portion.end - portion.start for portion in market.portions), Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal or size < PROGRESS_FROM_BYTES) as progress:
        task = progress.add_task("checking", total=size)
        yield lambda size: progress.advance(task, size)
