"""The exchange process: order entry on one port, the event stream on another, the exporter as its child.

Everything that matters happens in the pure rooms; this file gives them a clock, sockets and an end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import secrets
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any

from botpit import __version__
from botpit.exchange.commands import Open
from botpit.exchange.engine import Exchange
from botpit.feed.publisher import Feed
from botpit.gateway.gateway import Gateway
from botpit.journal import DiscardingJournal
from botpit.net.processes import LOG_LEVELS, configure_logging, fields, run, until_told_to_stop
from botpit.net.server import Server
from botpit.net.supervised import supervised
from botpit.ports import FeedPort, Turns, UsageError, every, listen, port_number
from botpit.settings import Settings, SettingsError, parse_settings
from botpit.wire.encode import Encoder

EXIT_OK, EXIT_USAGE, EXIT_HALTED = 0, 2, 5
EXPORTER_DRAIN_S = 10.0
"""So long the exporter may take to write out what it has when the exchange stops."""
IDLE_COLLECTION_S = 60.0
"""Full garbage collections happen this often at most, and only while nobody trades."""
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


class Venue:
    """The parts of one exchange, wired together."""

    def __init__(self, settings: Settings) -> None:
        opening = Open(secrets.token_hex(8), settings.rules(), settings.engine_instruments())
        self.settings = settings
        self.exchange = Exchange(opening)
        encoder = Encoder(self.exchange)
        journal = DiscardingJournal()
        market = settings.market
        self.feed = Feed(self.exchange, encoder)
        self.gateway = Gateway(
            self.exchange, self.feed, encoder, journal,
            max_requests_per_s=market.max_requests_per_s, max_cancels_per_s=market.max_cancels_per_s,
        )
        self.turns = Turns(self.gateway, self.feed, journal)
        self.readers = FeedPort(self.feed.fanout)
        self.state = "open"
        self._started = monotonic()
        self._collected, self._seq_then = monotonic(), 0

    def health(self) -> dict[str, object]:
        return {
            "uptime_s": round(monotonic() - self._started, 3), "seq": self.feed.seq, "sessions": self.gateway.sessions(),
            "market_id": self.exchange.market_id, "state": self.state,
        }

    def tick(self) -> None:
        """Let time pass; use a quiet moment to collect garbage."""
        self.turns.tick()
        quiet, self._seq_then = self.feed.seq == self._seq_then, self.feed.seq
        if quiet and monotonic() - self._collected > IDLE_COLLECTION_S:
            gc.collect()
            self._collected = monotonic()


async def main_async(options: argparse.Namespace) -> int:
    try:
        return await trade(options)
    except UsageError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE


async def trade(options: argparse.Namespace) -> int:
    """The exchange from start to stop; returns the exit code. Raises UsageError when it cannot start as asked."""
    venue = Venue(read_settings(options.config))
    bounds = venue.settings.server
    orders = await listen((options.host, options.order_port), "--order-port", venue.turns.connect, bounds, venue.health)
    events = await listen((options.host, options.events_port), "--events-port", venue.readers.connect, bounds, venue.health)
    log.info("open %s", fields(market_id=venue.exchange.market_id, order_port=orders.port, events_port=events.port))
    async with _exporter(options, events.port):
        return await _trade_until_told_to_stop(venue, orders, events)


async def _trade_until_told_to_stop(venue: Venue, orders: Server, events: Server) -> int:
    stop = asyncio.create_task(until_told_to_stop())
    clock: asyncio.Future[Any] = asyncio.create_task(every(venue.settings.market.tick_ms / 1_000, venue.tick))
    faults: list[asyncio.Future[Any]] = [orders.failed, events.failed, venue.turns.failed]
    gc.freeze()
    gc.set_threshold(10_000, 50, 1_000_000)
    done, _ = await asyncio.wait([stop, clock, *faults], return_when=asyncio.FIRST_COMPLETED)
    venue.state = "stopping"
    clock.cancel()
    await orders.close()
    if stop in done:
        venue.turns.drain()
    await events.close()
    if stop in done:
        log.info("stopped %s", fields(why=stop.result(), seq=venue.feed.seq))
        return EXIT_OK
    stop.cancel()
    log.critical("halted by a fault of the exchange itself", exc_info=next(iter(done)).exception())
    return EXIT_HALTED


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
