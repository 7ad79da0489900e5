"""The exchange process: order entry on one port, the event stream on another, the exporter as its child.

Everything that matters happens in the pure rooms. One market follows another when the house asks for it: on the same ports, with
the same settings, and by the same way as a start and a stop.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

from botpit import __version__
from botpit.net.processes import LOG_LEVELS, configure_logging, fields, printable, run, until_told_to_stop
from botpit.net.supervised import supervised
from botpit.net.token import Token, TokenError, read_token
from botpit.ports import UsageError, port_number
from botpit.settings import Settings, SettingsError, parse_settings
from botpit.venue import Halted, Place, Venue, forget_what_was

EXIT_OK, EXIT_USAGE, EXIT_HALTED = 0, 2, 5
EXPORTER_DRAIN_S = 10.0
"""So long the exporter may take to write out what it has when the exchange stops."""
log = logging.getLogger("exchange")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="The botpit exchange: order entry, matching, positions, event stream.",
        epilog="port 0 means any free one; example: python exchange_server.py --config exchange.toml --csv-dir runs/today",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--order-port", type=port_number, default=9001, help="port of order entry (default: %(default)s)")
    parser.add_argument("--events-port", type=port_number, default=9002, help="port of the event stream (default: %(default)s)")
    parser.add_argument("--config", type=Path, help="market rules and limits as TOML (default: exchange.toml, if there is one)")
    parser.add_argument("--no-export", action="store_true", help="do not start the CSV exporter")
    parser.add_argument("--csv-dir", type=Path, default=Path(), help="where the exporter writes (default: the current folder)")
    parser.add_argument("--house-token-file", type=Path, metavar="FILE", help="open the house's door to those who know the token "
                        "in FILE, which is made when it is not there (default: shut)")  # fmt: skip
    parser.add_argument("--log-level", default="info", choices=LOG_LEVELS, help="(default: %(default)s)")
    parser.add_argument("--version", action="version", version=f"botpit {__version__}")
    return parser.parse_args(argv)


def read_settings(path: Path | None) -> Settings:
    """Raises UsageError when the file cannot be read or used."""
    chosen = path or Path("exchange.toml")
    if path is None and not chosen.exists():
        return Settings()
    try:
        return parse_settings(chosen.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SettingsError) as error:
        raise UsageError(f"error: {chosen}: {error}") from error


def read_house_token(path: Path | None) -> Token:
    """Raises UsageError when the file cannot be used."""
    try:
        return read_token(path)
    except TokenError as error:
        raise UsageError(printable(f"error: --house-token-file {path}: {error}")) from error


async def main_async(options: argparse.Namespace) -> int:
    try:
        await trade(options)
    except UsageError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    except Halted:
        return EXIT_HALTED
    return EXIT_OK


async def trade(options: argparse.Namespace) -> None:
    """Market after market, until told to stop. Raises UsageError when it cannot begin as asked, Halted when it is at fault."""
    settings, token = read_settings(options.config), read_house_token(options.house_token_file)
    orders = Place(options.host, options.order_port, "--order-port")
    events = Place(options.host, options.events_port, "--events-port")
    venue = Venue(settings, token, orders, events)
    await venue.open()
    log.info("open %s", fields(market_id=venue.market_id, order_port=orders.port, events_port=events.port))
    async with _exporter(options, events.port):
        stop = asyncio.create_task(until_told_to_stop())
        while await venue.trade(stop):
            ended = venue.market_id
            del venue
            forget_what_was()
            venue = Venue(settings, token, orders, events)
            await venue.open()
            log.info("reopened %s", fields(market_id=venue.market_id, after=ended))
        log.info("stopped %s", fields(why=stop.result(), seq=venue.feed.seq))


@contextlib.asynccontextmanager
async def _exporter(options: argparse.Namespace, events_port: int) -> AsyncIterator[None]:
    """The exporter as our child while we trade, started again when it is killed; it ends last, with everything written."""
    if options.no_export:
        yield
        return
    program = find_spec("exporter")
    assert program is not None and program.origin is not None
    uri = f"ws://{_loopback(options.host)}:{events_port}"
    argv = [sys.executable, program.origin, "--uri", uri, "--dir", str(options.csv_dir), "--from-seq", "1",
            "--log-level", options.log_level]
    async with contextlib.AsyncExitStack() as until_the_end:
        try:
            child = supervised("exporter", argv, options.csv_dir / "exporter.log", grace_s=EXPORTER_DRAIN_S)
            await until_the_end.enter_async_context(child)
        except OSError as error:
            reason = f"error: cannot export to {options.csv_dir}: {error}; choose another folder with --csv-dir"
            raise UsageError(reason) from error
        yield


def _loopback(host: str) -> str:
    """Where our own exporter finds us when we listen on every address."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    configure_logging("exchange", options.log_level)
    return run(lambda: main_async(options))


if __name__ == "__main__":
    sys.exit(main())
