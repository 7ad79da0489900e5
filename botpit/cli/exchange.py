"""The exchange process: order entry on one port, the event stream on another, the exporter as its child.

The pure rooms do the work. One market follows another when the operator asks for it: on the same ports, with
the same settings, and by the same way as a start and a stop.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from botpit import compiled
from botpit.cli.program import add_usual_flags, parser_of, port_number, port_refused, start
from botpit.history.journal.disk import Disk
from botpit.history.journal.folder import DataFolder, FolderInUse
from botpit.history.journal.reading import DamageError
from botpit.history.journal.records import OtherFormat
from botpit.history.journal.segments import Durability
from botpit.io.addresses import local_uri
from botpit.io.child import command_of
from botpit.io.exit_codes import ExitCode, ProgramError
from botpit.io.listen import Endpoint, PortError
from botpit.io.log import fields
from botpit.io.run import until_told_to_stop
from botpit.io.supervisor import supervised
from botpit.screen.progress import tracked
from botpit.settings import Settings, SettingsError, parse_settings
from botpit.venue.lifecycle import Halted, Venue, forget_what_was
from botpit.venue.loader import LoadedMarket, MarketLoader, OtherRules
from botpit.venue.tokens import Token, TokenError, read_token

ARCHIVIST_GRACE_S = 10.0
"""So long the archivist may take to write a last snapshot when the exchange stops."""
EXPORTER_DRAIN_S = 10.0
"""So long the exporter may take to write out what it has when the exchange stops."""
log = logging.getLogger("exchange")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts of an exchange that a proof replaces by faulty ones."""

    disk: Disk = field(default_factory=Disk)
    loader: type[MarketLoader] = MarketLoader
    command_of: Callable[..., list[str]] = command_of


REAL_PARTS = Parts()


def main(
    argv: Sequence[str] | None = None, prog: str | None = None, *, parts: Parts = REAL_PARTS
) -> int:
    """Run an exchange until it is told to stop; return the exit code."""
    options = arguments(argv, prog)
    return start("exchange", options.log_level, lambda: exchange(options, parts))


def arguments(argv: Sequence[str] | None, prog: str | None = None) -> argparse.Namespace:
    parser = parser_of(
        prog,
        "The botpit exchange: order entry, matching, positions, event stream.",
        "port 0 means any free one; example: %(prog)s --config exchange.toml --csv-dir runs/today",
    )
    flag = parser.add_argument
    flag("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    flag(
        "--order-port",
        type=port_number,
        default=9001,
        help="port of order entry (default: %(default)s)",
    )
    flag(
        "--events-port",
        type=port_number,
        default=9002,
        help="port of the events (default: %(default)s)",
    )
    flag(
        "--config",
        type=Path,
        help="market rules and limits as TOML (default: exchange.toml, if any)",
    )
    flag("--no-export", action="store_true", help="do not start the CSV exporter")
    flag(
        "--csv-dir",
        type=Path,
        default=Path(),
        help="of the CSV files (default: the current folder)",
    )
    data_dir = "of the journals (default: %(default)s)"
    flag("--data-dir", type=Path, default=Path("exchange-data"), help=data_dir)
    flag(
        "--durability",
        type=durability,
        default=Durability.OS,
        metavar="os|batch|none",
        help="what an answer survives: the end of this process, a loss of power, or nothing (default: os)",
    )
    flag("--fresh", action="store_true", help="begin a new market beside those in --data-dir")
    flag(
        "--reconfigure",
        action="store_true",
        help="let an existing market take over other rules",
    )
    flag(
        "--house-token-file",
        type=Path,
        metavar="FILE",
        help="admit the operator by the token in FILE, made if need be (default: no operator)",
    )
    add_usual_flags(parser)
    return parser.parse_args(argv)


def durability(text: str) -> Durability | None:
    """None: no journal is written. Raises ValueError."""
    if text == "none":
        return None
    return Durability(text)


def read_settings(path: Path | None) -> Settings:
    """Raises ProgramError when the file cannot be read or used."""
    chosen = path or Path("exchange.toml")
    if path is None and not chosen.exists():
        return Settings()
    try:
        return parse_settings(chosen.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SettingsError) as error:
        raise ProgramError(f"{chosen}: {error}") from error


def read_operator_token(path: Path | None) -> Token:
    """Raises ProgramError when the file cannot be used."""
    try:
        return read_token(path)
    except TokenError as error:
        raise ProgramError(f"--house-token-file {path}: {error}") from error


async def exchange(options: argparse.Namespace, parts: Parts) -> ExitCode:
    """The exchange from start to stop. Raises ProgramError when it cannot start as asked."""
    try:
        await trade(options, parts)
    except PortError as error:
        flags = {options.order_port: "--order-port", options.events_port: "--events-port"}
        raise port_refused(error, flags) from error
    except OtherRules as error:
        raise ProgramError(f"{error}: {_remedy(error)}") from error
    except FolderInUse as error:
        raise ProgramError(f"--data-dir: {error}") from error
    except (DamageError, OtherFormat) as error:
        remedy = "put back what was there, or begin a new market with --fresh"
        raise ProgramError(
            f"--data-dir: {error}; {remedy}", exit_code=ExitCode.DAMAGED
        ) from error
    except OSError as error:
        log.critical("halted: the journal cannot be written %s", fields(reason=error))
        return ExitCode.HALTED
    except Halted:
        return ExitCode.HALTED
    return ExitCode.OK


def _remedy(error: OtherRules) -> str:
    if error.changeable:
        return "--reconfigure takes the new rules over, --fresh begins a new market"
    return "this cannot be changed in a running market; --fresh begins a new one"


async def trade(options: argparse.Namespace, parts: Parts) -> None:
    """Market after market, until told to stop.

    Raises ProgramError, PortError, OtherRules, FolderInUse, DamageError and OtherFormat when it cannot begin
    as asked, Halted and OSError when it cannot continue.
    """
    settings = read_settings(options.config)
    token = read_operator_token(options.house_token_file)
    orders = Endpoint(options.host, options.order_port)
    events = Endpoint(options.host, options.events_port)
    await orders.reserve()
    await events.reserve()
    with data_folder(options, parts.disk) as data:
        progress = partial(tracked, doing="recovering", what="records")
        markets = parts.loader(settings, data, options.durability, parts.disk, track=progress)

        def venue_of(market: LoadedMarket) -> Venue:
            return Venue(market, settings, token, orders, events)

        venue = venue_of(markets.first(fresh=options.fresh, reconfigure=options.reconfigure))
        await venue.open()
        ports = {"order_port": orders.port, "events_port": events.port}
        log.info(
            "open %s", fields(market_id=venue.market_id, **ports, engine=compiled.engine())
        )
        async with _exporter(options, events.port, parts):
            stop = asyncio.create_task(until_told_to_stop())
            while await _trade(venue, stop, options):
                ended = venue.market_id
                del venue
                forget_what_was()
                venue = venue_of(markets.new())
                await venue.open()
                log.info("reopened %s", fields(market_id=venue.market_id, after=ended))
            log.info("stopped %s", fields(why=stop.result(), seq=venue.feed.seq))


async def _trade(venue: Venue, stop: asyncio.Future[str], options: argparse.Namespace) -> bool:
    """Trade one market, with its archivist; return whether another one follows. Raises Halted."""
    async with _archivist(venue.folder, options.log_level):
        return await venue.trade(stop)


@contextlib.contextmanager
def data_folder(options: argparse.Namespace, disk: Disk) -> Iterator[DataFolder | None]:
    """The folder of the journals, ours alone while the context lasts; None with --durability none.

    Raises FolderInUse, and ProgramError when the folder cannot be used.
    """
    if options.durability is None:
        yield None
        return
    try:
        data = DataFolder(options.data_dir, disk)
    except OSError as error:
        reason = f"--data-dir {options.data_dir}: {error.strerror or error}"
        raise ProgramError(f"{reason}; choose another folder, or --durability none") from error
    with contextlib.closing(data):
        yield data


@contextlib.asynccontextmanager
async def _archivist(folder: Path | None, log_level: str) -> AsyncIterator[None]:
    """The market's archivist as our child while the market trades; restarted when it is killed."""
    if folder is None:
        yield
        return
    argv = command_of("archive", "--follow", "--log-level", log_level, str(folder))
    async with supervised(
        "archivist", argv, folder / "archivist.log", grace_s=ARCHIVIST_GRACE_S
    ):
        yield


@contextlib.asynccontextmanager
async def _exporter(
    options: argparse.Namespace, events_port: int, parts: Parts
) -> AsyncIterator[None]:
    """The exporter as our child while we trade; restarted when it is killed.

    It ends last, with all rows written.
    """
    if options.no_export:
        yield
        return
    uri = local_uri(options.host, events_port)
    where = ("--uri", uri, "--dir", str(options.csv_dir), "--from-seq", "1")
    argv = parts.command_of("export", *where, "--log-level", options.log_level)
    async with contextlib.AsyncExitStack() as until_the_end:
        try:
            child = supervised(
                "exporter", argv, options.csv_dir / "exporter.log", grace_s=EXPORTER_DRAIN_S
            )
            await until_the_end.enter_async_context(child)
        except OSError as error:
            reason = f"cannot export to {options.csv_dir}: {error}; choose another folder with --csv-dir"
            raise ProgramError(reason) from error
        yield
