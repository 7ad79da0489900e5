"""`botpit replay`: replay a market's journal for its fingerprints, and show any state it ever had."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import takewhile
from pathlib import Path

from botpit.cli.program import parser_of
from botpit.core.commands import BUY
from botpit.core.market import Market
from botpit.core.prospects import Outcome
from botpit.history.archive.lines import lines_of
from botpit.history.journal.disk import Disk
from botpit.history.journal.folder import present_market
from botpit.history.journal.reading import DamageError, Reading
from botpit.history.journal.records import OtherFormat, Record
from botpit.history.journal.segments import segments
from botpit.history.journal.snapshots import good_snapshots
from botpit.history.replay import Replay, Unlike
from botpit.history.vocabulary import EXCHANGE
from botpit.io.exit_codes import ExitCode, ProgramError
from botpit.io.log import printable
from botpit.io.run import refused
from botpit.screen.progress import tracked
from botpit.wire.numbers import PriceScale
from botpit.wire.sequencer import Sequencer

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Until = Callable[[Replay, Record], bool]
"""Whether the record still belongs to the part to replay."""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Replay a journal; return the exit code."""
    return replay(arguments(argv, prog))


def arguments(argv: Sequence[str] | None, prog: str | None = None) -> argparse.Namespace:
    parser = parser_of(
        prog,
        "Replay a market's journal and print the fingerprints of its state and of its events. The same"
        " journal has the same fingerprints on every machine. Exit code 4: the journal is damaged, or a"
        " snapshot contradicts it.",
        "example: %(prog)s exchange-data --verify --show book",
    )
    flag = parser.add_argument
    where = "an exchange's --data-dir (its present market), or one market's folder"
    flag("folder", type=Path, metavar="DIR", help=where)
    flag("--verify", action="store_true", help="also check every snapshot and the law of money")
    until = "stop after that event, or before that time (ISO-8601)"
    flag("--until", type=moment, metavar="SEQ|TIME", help=until)
    flag(
        "--events",
        type=Path,
        metavar="FILE",
        help="write every event, a JSON line each, to this new file",
    )
    flag("--show", choices=sorted(SHOWN), help="print that part of the state at the end")
    return parser.parse_args(argv)


def moment(text: str) -> Until:
    """An event's number, or a time. Raises argparse.ArgumentTypeError."""
    if text.isdigit():
        seq = int(text)
        return lambda so_far, record: so_far.seq < seq
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        wrong = f"{text!r} is neither an event's number nor a time like 2026-01-31T12:00:00Z"
        raise argparse.ArgumentTypeError(wrong) from error
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    until_ns = (time - EPOCH) // timedelta(microseconds=1) * 1_000
    return lambda so_far, record: record.now_ns < until_ns


def replay(options: argparse.Namespace) -> ExitCode:
    """Replay it and print the outcome."""
    try:
        with uncollected():
            _replay(options)
    except (DamageError, OtherFormat, Unlike) as error:
        return refused(ProgramError(str(error), exit_code=ExitCode.DAMAGED))
    except ProgramError as error:
        return refused(error)
    except OSError as error:
        return refused(ProgramError(str(error)))
    except KeyboardInterrupt:
        return refused(ProgramError("stopped before the end", exit_code=ExitCode.STOPPED))
    return ExitCode.OK


def _replay(options: argparse.Namespace) -> None:
    """Raises what reading raises, Unlike and ProgramError."""
    reading = Reading(market_folder(options.folder), Disk(), EXCHANGE)
    played = Replay(reading.opening)
    kept: dict[int, str] = {}
    if options.verify:
        kept = kept_states(reading)
    snapshots = len(kept)
    records = reading.records()
    if options.until:
        records = takewhile(partial(options.until, played), records)
    with ExitStack() as stack:
        keep = None
        if options.events:
            keep = stack.enter_context(closing(EventsFile(options.events, played))).write
        for record in tracked(records, "replaying", "records"):
            outcome = played.apply(record)
            if keep is not None:
                keep(outcome)
            if record.number in kept:
                played.check(kept.pop(record.number))
    if options.verify:
        played.check(None)
    if kept and not options.until:
        missing = f"record {max(kept)}, of which there is a snapshot"
        raise Unlike(f"{reading.end}: the journal ends before {missing}")
    say(report(played, reading, snapshots - len(kept)))
    if options.show:
        say(SHOWN[options.show](played))


def say(text: str) -> None:
    """Print text line by line, made harmless: the journal may be a stranger's."""
    for line in text.split("\n"):
        print(printable(line))


def market_folder(folder: Path) -> Path:
    """The folder itself when it is a market's, else the present market of an exchange's data folder.

    Raises ProgramError when it is neither, DamageError, OSError.
    """
    if segments(folder):
        return folder
    market = present_market(folder)
    if market is None:
        remedy = "name an exchange's --data-dir or a market's folder"
        raise ProgramError(f"{folder}: there is no journal here; {remedy}")
    return market


def kept_states(reading: Reading) -> dict[int, str]:
    """Record number -> state hash, of every snapshot. Raises Unlike when one is damaged, and OSError."""

    def refuse(why: str) -> None:
        raise Unlike(why)

    good = good_snapshots(reading.folder, reading.opening.market_id, EXCHANGE, refuse)
    return {each.number: each.state_hash() for each in good}


class EventsFile:
    """All events as the archive's lines, in a new file. Raises ProgramError; making one also OSError."""

    def __init__(self, path: Path, played: Replay) -> None:
        self._path = path
        self._sequencer = Sequencer(played.exchange)
        try:
            self._file = open(path, "xb")  # noqa: SIM115
        except FileExistsError as error:
            raise ProgramError(f"{path} exists already; name a new file") from error

    def write(self, outcome: Outcome) -> None:
        """Write one record's events."""
        _, private, public = self._sequencer.number(outcome)
        self._write(
            partial(self._file.writelines, (line for _, line in lines_of(private, public)))
        )

    def close(self) -> None:
        self._write(self._file.close)

    def _write(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            raise ProgramError(
                f"{self._path}: {error.strerror}", exit_code=ExitCode.HALTED
            ) from error


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the cyclic collector: it would search millions of orders for garbage that no market makes."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# ---------------------------------------------------------------------------------------------- what is shown


def report(played: Replay, reading: Reading, snapshots: int) -> str:
    """The fingerprints, and remarks on snapshots and a torn end."""
    counts = f"{played.number:,} records, {played.seq:,} public events"
    lines = [
        f"market  {played.exchange.market_id}, {counts}, until {time_text(played.exchange.now_ns)}",
        f"state   {played.state_hash()}",
        f"events  {played.events_hash()}",
    ]
    if snapshots:
        lines.append(f"snapshots that agree: {snapshots}")
    torn = reading.torn
    if torn is not None:
        where = f"{torn.path.name} from byte {torn.offset} on"
        lines.append(f"torn end: {torn.dropped} bytes of {where} are not a record")
    return "\n".join(lines)


def time_text(now_ns: int) -> str:
    try:
        time = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC)
        return time.strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):  # a year without a name
        return f"{now_ns} ns"


def book_text(played: Replay) -> str:
    """All levels of every book, asks above bids."""
    return "\n".join(_one_book(market) for market in played.exchange.markets.values())


def _one_book(market: Market) -> str:
    book = market.book
    scale = PriceScale(market.instrument)
    rows = [["side", "price", "lots", "orders"]]
    for side, levels in (("ask", reversed(list(book.asks))), ("bid", iter(book.bids))):
        for level in levels:
            price = repr(scale.price(level.price))
            orders = sum(1 for _ in level)
            rows.append([side, price, str(level.qty), str(orders)])
    title = f"{market.instrument.symbol}: {market.status}, mark {scale.price(market.mark)!r}"
    return f"\n{title}\n{columns(rows)}"


def accounts_text(played: Replay) -> str:
    exchange = played.exchange
    decimals = exchange.rules.money_decimals

    def money(units: int) -> str:
        return f"{Decimal(units).scaleb(-decimals):f}"

    rows = [["trader", "status", "cash", "equity", "positions"]]
    for account in exchange.accounts.values():
        positions = [
            f"{held.lots:+} {held.market.instrument.symbol}"
            for held in account.held_positions()
        ]
        figures = [money(account.cash), money(account.equity())]
        rows.append([account.trader, account.state(), *figures, ", ".join(positions) or "0"])
    funds = f"@fees {money(exchange.fees)}, @insurance {money(exchange.insurance)}"
    return f"\n{columns(rows)}\n{funds}"


def orders_text(played: Replay) -> str:
    """Every open order, by order id."""
    accounts = played.exchange.accounts.values()
    records = [record for account in accounts for record in account.open_orders()]
    rows = [["order", "trader", "symbol", "side", "price", "leaves", "qty", "client order"]]
    for record in sorted(records, key=lambda record: record.id):
        order = record.order
        scale = PriceScale(record.position.market.instrument)
        side = "buy" if order.side == BUY else "sell"
        price = repr(scale.price(record.price))
        lots = [str(record.leaves), str(record.qty)]
        named = [str(record.id), order.trader, order.symbol]
        rows.append([*named, side, price, *lots, order.client_order_id or "-"])
    return f"\n{columns(rows)}"


def columns(rows: list[list[str]]) -> str:
    """Aligned columns, the first row a heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        words = [word.ljust(width) for word, width in zip(row, widths, strict=True)]
        lines.append("  ".join(words).rstrip())
    return "\n".join(lines)


SHOWN: dict[str, Callable[[Replay], str]] = {
    "book": book_text,
    "accounts": accounts_text,
    "orders": orders_text,
}
