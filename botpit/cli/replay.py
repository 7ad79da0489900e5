"""`botpit replay`: a market's journal played again, its fingerprints, and any state it ever was in."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
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
"""Whether the record still belongs to the part that is asked for."""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Play a journal again; returns the exit code."""
    return replay(arguments(argv, prog))


def arguments(argv: Sequence[str] | None, prog: str | None = None) -> argparse.Namespace:
    parser = parser_of(
        prog,
        "Play a market's journal again and print the fingerprints of its state and of its events. The same journal has the"
        " same fingerprints on every machine. Exit code 4: the journal is damaged, or something does not agree with it.",
        "example: %(prog)s exchange-data --verify --show book",
    )
    parser.add_argument("folder", type=Path, metavar="DIR",
                        help="an exchange's --data-dir (its present market), or one market's folder")  # fmt: skip
    parser.add_argument("--verify", action="store_true", help="also check every snapshot and the law of money")
    parser.add_argument("--until", type=moment, metavar="SEQ|TIME", help="stop after that event, or before that time (ISO-8601)")
    parser.add_argument("--events", type=Path, metavar="FILE", help="write every event, a JSON line each, to this new file")
    parser.add_argument("--show", choices=sorted(SHOWN), help="print that part of the state at the end")
    return parser.parse_args(argv)


def moment(text: str) -> Until:
    """An event's number, or a time. Raises argparse.ArgumentTypeError."""
    if text.isdigit():
        seq = int(text)
        return lambda so_far, record: so_far.seq < seq
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is neither an event's number nor a time like 2026-01-31T12:00:00Z") from error
    until_ns = (time.replace(tzinfo=time.tzinfo or UTC) - EPOCH) // timedelta(microseconds=1) * 1_000
    return lambda so_far, record: record.now_ns < until_ns


def replay(options: argparse.Namespace) -> ExitCode:
    """Play it and print what was found."""
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
    kept = kept_states(reading) if options.verify else {}
    snapshots = len(kept)
    records = takewhile(partial(options.until, played), reading.records()) if options.until else reading.records()
    with closing(EventsFile(options.events, played)) if options.events else nullcontext() as file:
        for record in tracked(records, "replaying", "records"):
            outcome = played.take(record)
            if file is not None:
                file.take(outcome)
            if record.number in kept:
                played.check(kept.pop(record.number))
    if options.verify:
        played.check(None)
    if kept and not options.until:
        raise Unlike(f"{reading.end}: the journal ends here, and there is a snapshot of record {max(kept)}")
    say(report(played, reading, snapshots - len(kept)))
    if options.show:
        say(SHOWN[options.show](played))


def say(text: str) -> None:
    """Line by line: a journal may be a stranger's, and hold anything."""
    for line in text.split("\n"):
        print(printable(line))


def market_folder(folder: Path) -> Path:
    """The folder itself when it is a market's, else the present market of an exchange's data folder.

    Raises ProgramError when it is neither, DamageError, OSError.
    """
    market = folder if segments(folder) else present_market(folder)
    if market is None:
        raise ProgramError(f"{folder}: there is no journal here; name an exchange's --data-dir or a market's folder")
    return market


def kept_states(reading: Reading) -> dict[int, str]:
    """Record number to state hash, of every snapshot. Raises Unlike when one is damaged, and OSError."""

    def refuse(why: str) -> None:
        raise Unlike(why)

    good = good_snapshots(reading.folder, reading.opening.market_id, EXCHANGE, refuse)
    return {each.number: each.state_hash() for each in good}


class EventsFile:
    """All events as lines, the same as the archive's, in a new file. Raises ProgramError; making one also OSError."""

    def __init__(self, path: Path, played: Replay) -> None:
        self._path = path
        self._sequencer = Sequencer(played.exchange)
        try:
            self._file = open(path, "xb")  # noqa: SIM115
        except FileExistsError as error:
            raise ProgramError(f"{path} is there already; name a new file") from error

    def take(self, outcome: Outcome) -> None:
        """What one record caused."""
        _, private, public = self._sequencer.number(outcome)
        self._write(partial(self._file.writelines, (line for _, line in lines_of(private, public))))

    def close(self) -> None:
        self._write(self._file.close)

    def _write(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            raise ProgramError(f"{self._path}: {error.strerror}", exit_code=ExitCode.HALTED) from error


@contextmanager
def uncollected() -> Iterator[None]:
    """No looking for garbage among millions of orders: a market makes none that its own counting does not free."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# -------------------------------------------------------------------------------------------------------------- what is shown


def report(played: Replay, reading: Reading, snapshots: int) -> str:
    """The fingerprints, and what was found on the way."""
    lines = [
        f"market  {played.exchange.market_id}, {played.number:,} records, {played.seq:,} public events,"
        f" until {time_text(played.exchange.now_ns)}",
        f"state   {played.state_hash()}",
        f"events  {played.events_hash()}",
    ]
    if snapshots:
        lines.append(f"snapshots that agree: {snapshots}")
    if reading.torn is not None:
        torn = reading.torn
        lines.append(f"torn end: {torn.dropped} bytes of {torn.path.name} from byte {torn.offset} on are not a record")
    return "\n".join(lines)


def time_text(now_ns: int) -> str:
    try:
        return datetime.fromtimestamp(now_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):  # no year that has a name
        return f"{now_ns} ns"


def book_text(played: Replay) -> str:
    """All levels of every book, asks above bids."""
    return "\n".join(_one_book(market) for market in played.exchange.markets.values())


def _one_book(market: Market) -> str:
    scale = PriceScale(market.instrument)
    rows = [["side", "price", "lots", "orders"]]
    asks = [["ask", repr(scale.price(level.price)), str(level.qty), str(sum(1 for _ in level))] for level in market.book.asks]
    bids = [["bid", repr(scale.price(level.price)), str(level.qty), str(sum(1 for _ in level))] for level in market.book.bids]
    title = f"{market.instrument.symbol}: {market.status}, mark {scale.price(market.mark)!r}"
    return f"\n{title}\n{columns([*rows, *reversed(asks), *bids])}"


def accounts_text(played: Replay) -> str:
    exchange = played.exchange
    decimals = exchange.rules.money_decimals

    def money(units: int) -> str:
        return f"{Decimal(units).scaleb(-decimals):f}"

    rows = [["trader", "status", "cash", "equity", "positions"]]
    for account in exchange.accounts.values():
        held = ", ".join(f"{each.lots:+} {each.market.instrument.symbol}" for each in account.held_positions()) or "0"
        rows.append([account.trader, account.state(), money(account.cash), money(account.equity()), held])
    funds = f"@fees {money(exchange.fees)}, @insurance {money(exchange.insurance)}"
    return f"\n{columns(rows)}\n{funds}"


def orders_text(played: Replay) -> str:
    """Every open order, by order id."""
    exchange = played.exchange
    records = [record for account in exchange.accounts.values() for record in account.open_orders()]
    rows = [["order", "trader", "symbol", "side", "price", "leaves", "qty", "client order"]]
    for record in sorted(records, key=lambda record: record.id):
        order, scale = record.order, PriceScale(record.position.market.instrument)
        side = "buy" if order.side == BUY else "sell"
        named = [str(record.id), order.trader, order.symbol, side, repr(scale.price(record.price))]
        rows.append([*named, str(record.leaves), str(record.qty), order.client_order_id or "-"])
    return f"\n{columns(rows)}"


def columns(rows: list[list[str]]) -> str:
    """Aligned columns, the first row a heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows)


SHOWN: dict[str, Callable[[Replay], str]] = {"book": book_text, "accounts": accounts_text, "orders": orders_text}
