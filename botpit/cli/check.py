"""`botpit check`: a finished run recomputed from its files, and the first contradiction named."""

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
from botpit.runs.audit.results import (
    OtherFormat,
    ReportRecord,
    RoundRecord,
    Unreadable,
    read_report,
    read_results,
)
from botpit.runs.audit.rows import Wrong
from botpit.runs.audit.text import summary
from botpit.runs.audit.totals import compare
from botpit.runs.folder import STATE, MarketFiles, Progressed, markets_of, read_text

PROGRESS_FROM_BYTES = 4 * 2**20


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Check a finished run; return the exit code."""
    return check(arguments(argv, prog))


def arguments(argv: Sequence[str] | None, prog: str | None = None) -> argparse.Namespace:
    parser = parser_of(
        prog,
        "Recompute a finished run from its CSV files, row by row: positions, realised PnL, cash, the"
        " insurance fund; then its results. Prints what was checked and ok, or the first row that is wrong.",
        "example: %(prog)s runs/2026-11-20T19-43-32Z;"
        " exit codes: 0 all is well, 2 nothing to check, 4 a row is wrong",
    )
    where = "the folder of trades.csv and performance.csv, or of a folder with them for each instrument"
    parser.add_argument("run_dir", metavar="RUN_DIR", type=Path, help=where)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--results", type=Path, help="default: the newest results*.json in RUN_DIR, if any"
    )
    which.add_argument("--no-results", action="store_true", help="check the CSV files alone")
    add_version(parser)
    return parser.parse_args(argv)


def check(options: argparse.Namespace) -> ExitCode:
    """Check a run and print the outcome."""
    try:
        for line in findings(
            options.run_dir, options.results, with_results=not options.no_results
        ):
            print(printable(line), flush=True)
    except Wrong as wrong:
        for line in [str(wrong), *getattr(wrong, "__notes__", [])]:
            print(printable(line))
        return ExitCode.DAMAGED
    except ProgramError as error:
        return refused(error)
    except OSError as error:
        return refused(ProgramError(str(error)))
    except KeyboardInterrupt:
        print("stopped before the end: the rest is not checked", file=sys.stderr)
        return ExitCode.STOPPED
    print("ok")
    return ExitCode.OK


def findings(folder: Path, results: Path | None, *, with_results: bool = True) -> Iterator[str]:
    """A line for each thing that was checked, market by market.

    Raises ProgramError, or Wrong at the first wrong row.
    """
    markets = markets_of(folder)
    rounds: dict[str | None, Battle] = {}
    if with_results:
        path = results or _newest_results(folder)
        if path is not None:
            rounds = _rounds(path, markets)
    for market in markets:
        if len(markets) > 1:
            yield f"market {market.market_id}"
        yield from _audit(market, rounds.get(market.market_id))
    for portion in markets[-1].portions:
        if portion.bytes_after:
            yield f"left out: {portion.bytes_after} bytes of {portion.path}, which are newer than {STATE}"


def _audit(market: MarketFiles, battle: Battle | None) -> Iterator[str]:
    record = None if battle is None else battle.record
    symbols = _symbols(market, record)
    ledger = _ledger(symbols, record)
    with _progress(market) as progressed:
        sheets = (
            portion.sheet(symbols.get(portion.folder, ""), progressed)
            for portion in market.portions
        )
        ledger.read(sheets)
    for portion in market.portions:
        portion.check_complete()
    yield from summary(ledger)
    if battle is None:
        yield "results: none of this market, so a lot is taken to be 1"
    else:
        yield f"results: {compare(ledger, battle.record, battle.where, battle.reports())}"


def _ledger(symbols: dict[str, str], record: RoundRecord | None) -> Ledger:
    """With the terms of the results, if there are any."""
    if record is None:
        return Ledger({symbol: Terms() for symbol in symbols.values()})
    return Ledger(record.market.terms(), record.amounts())


def _newest_results(folder: Path) -> Path | None:
    def age(path: Path) -> tuple[int, str]:
        return path.stat().st_mtime_ns, path.name

    return max(folder.glob("results*.json"), key=age, default=None)


@dataclass(frozen=True, slots=True)
class Battle:
    """A round of a battle: its record, and the place of that."""

    path: Path
    place: int
    record: RoundRecord

    @property
    def where(self) -> str:
        return f"{self.path}:rounds[{self.place}]"

    def reports(self) -> dict[str, tuple[str, ReportRecord]]:
        """The bots' own reports that still exist: trader -> file and report."""
        found = {}
        for bot in self.record.bots:
            if bot.report is None or not _is_below(PurePath(bot.report)):
                continue
            path = self.path.parent / bot.report
            if path.is_file():
                found[bot.bot.trader_id] = (str(path), _read(path, read_report))
        return found


def _is_below(path: PurePath) -> bool:
    """Whether the path cannot leave the folder that it is relative to."""
    return not path.is_absolute() and ".." not in path.parts


_Record = TypeVar("_Record")


def _read(path: Path, read: Callable[[str], _Record]) -> _Record:
    try:
        return read(read_text(path))
    except Unreadable as error:
        raise Wrong(str(path), str(error)) from error
    except OtherFormat as error:
        raise ProgramError(
            f"{path}: {error}; --no-results checks the CSV files alone"
        ) from error


def _rounds(path: Path, markets: Sequence[MarketFiles]) -> dict[str | None, Battle]:
    """The last round of each market. Raises ProgramError when the results are those of another run."""
    results = _read(path, read_results)
    found: dict[str | None, Battle] = {}
    for place, record in enumerate(results.rounds):
        if record.market.market_id is not None:
            found[record.market.market_id] = Battle(path, place, record)
    if len(markets) == 1 and markets[0].market_id is None and len(found) == 1:
        return {None: next(iter(found.values()))}
    if not any(market.market_id in found for market in markets):
        theirs = ", ".join(map(str, found))
        ours = ", ".join(
            market.market_id or f"an unknown one, without {STATE}" for market in markets
        )
        raise ProgramError(f"{path} is of market {theirs}, the CSV files are of {ours}")
    return found


def _symbols(market: MarketFiles, record: RoundRecord | None) -> dict[str, str]:
    """Folder -> the instrument whose files are in it. Raises ProgramError when the results have others."""
    if record is None:
        return {folder: unquote(folder) for folder in market.folders}
    known = list(record.market.instruments)
    symbols = {file_name(symbol): symbol for symbol in known}
    if len(known) == 1:
        symbols = {"": known[0]}
    if not market.folders <= symbols.keys():
        text = f"the results have the instruments {', '.join(known)}; their files are not the ones here"
        raise ProgramError(text)
    return symbols


@contextmanager
def _progress(market: MarketFiles) -> Iterator[Progressed]:
    """A bar on a terminal, when there is much to read."""
    size = sum(portion.end - portion.start for portion in market.portions)
    console = Console(stderr=True)
    hidden = not console.is_terminal or size < PROGRESS_FROM_BYTES
    with Progress(console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task("checking", total=size)
        yield lambda size: progress.advance(task, size)
