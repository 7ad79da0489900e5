"""Write what happens in a market to CSV files, each event once, also across lost connections.

`Intake` decides which events are new, `Sheets` holds their rows until the next flush, `Export` wires both to a socket. As a child
of the exchange it is the last to leave: told to stop, it takes what the exchange sent before it closed the socket, and writes it.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import aiofiles

from botpit import __version__
from botpit.intake import Intake, RowEvent
from botpit.net.client import Link
from botpit.net.files import file_name, open_private
from botpit.net.processes import LOG_LEVELS, configure_logging, fields, is_child, run, until_told_to_stop
from message_schemas import InsuranceUpdate, Liquidation, PositionUpdate, Snapshot, Trade, parse_messages

HEADERS = {
    "trades.csv": "timestamp,price,qty,buy_trader,sell_trader\n",
    "performance.csv": "timestamp,trader_id,position,cash,realized_pnl,total_equity\n",
    "liquidations.csv": "timestamp,trader_id,reason,side,qty,price\n",
    "insurance.csv": "timestamp,cash\n",
}
OF_THE_MARKET = ("insurance.csv",)
"""What is of no instrument, and lies in our folder whatever the others do."""
MAX_WAITING_ROWS = 100_000
"""When so many rows wait for a slow disk, later events are left and asked for again after the flush."""
DRAIN_S = 2.0
"""A child that is told to stop waits so long for the exchange to close the socket, and takes what still comes."""
ACTIVE = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a text that begins so."""
EXIT_USAGE, EXIT_WRITE_FAILED = 2, 5

log = logging.getLogger("exporter")


def line(cells: Iterable[str | int | float | None]) -> str:
    """A line of CSV. Numbers stay as they are; a text that a spreadsheet would run gets an apostrophe in front."""
    text = io.StringIO()
    csv.writer(text).writerow([f"'{cell}" if isinstance(cell, str) and cell.startswith(ACTIVE) else cell for cell in cells])
    return text.getvalue().removesuffix("\r\n") + "\n"


def row(event: RowEvent) -> tuple[str, str]:
    """The name of an event's file, and its line there."""
    match event:
        case Trade():
            return "trades.csv", line((event.timestamp, event.price, event.qty, event.buy_trader_id, event.sell_trader_id))
        case PositionUpdate():
            money = event.cash, event.realized_pnl, event.total_equity
            return "performance.csv", line((event.timestamp, event.trader_id, event.position, *money))
        case Liquidation():
            closed = event.side, event.qty, event.price
            return "liquidations.csv", line((event.timestamp, event.trader_id, event.reason, *closed))
        case InsuranceUpdate():
            return "insurance.csv", line((event.timestamp, event.cash))


class Sheets:
    """The CSV files below one folder (a market of several instruments: one sub-folder each), and the rows that wait for them."""

    def __init__(self, folder: Path) -> None:
        self.rows_written = 0
        self._folder = folder
        self._by_symbol = False
        self._waiting: dict[Path, list[str]] = {}
        self._rows_waiting = 0

    @property
    def full(self) -> bool:
        return self._rows_waiting >= MAX_WAITING_ROWS

    def lay_out(self, symbols: Sequence[str]) -> None:
        """Take rows of these instruments from now on; files that are not there yet will be, with their headers."""
        self._by_symbol = len(symbols) > 1
        for symbol in symbols:
            for name in HEADERS:
                self._waiting.setdefault(self._path(symbol, name), [])

    def add(self, event: RowEvent) -> None:
        name, text = row(event)
        self._waiting.setdefault(self._path(getattr(event, "symbol", ""), name), []).append(text)
        self._rows_waiting += 1

    async def flush(self) -> None:
        """Append what waits. Raises OSError when a file cannot be written."""
        waiting, self._waiting, self._rows_waiting = self._waiting, {}, 0
        for path, lines in waiting.items():
            try:
                await _append(path, "".join(lines))
            except OSError as error:
                log.error("a write failed %s", fields(file=path, reason=error.strerror or error))
                raise
            self.rows_written += len(lines)

    def _path(self, symbol: str, name: str) -> Path:
        return self._folder / file_name(symbol) / name if self._by_symbol and name not in OF_THE_MARKET else self._folder / name


async def _append(path: Path, lines: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    async with aiofiles.open(path, "a+b", opener=open_private) as file:
        if await file.seek(0, os.SEEK_END) == 0:
            lines = HEADERS[path.name] + lines
        elif await file.seek(-1, os.SEEK_END) >= 0 and await file.read(1) != b"\n":
            log.warning("the last line of an earlier run is torn; rows begin on the next one %s", fields(file=path))
            lines = "\n" + lines
        await file.write(lines.encode())


class Export:
    """One run: frames in, rows out until told to stop. `run` gives the exit code."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._link = Link(options.uri, on_open=lambda: self._intake.requests(), on_frame=self._frame, on_state=self._state)
        self._intake = Intake(options.from_seq, self._link.send, log.error)
        self._sheets = Sheets(options.dir)
        self._flush_s = options.flush_ms / 1_000
        self._ended = asyncio.Event()
        self._lost = asyncio.Event()

    async def run(self) -> int:
        reading = asyncio.create_task(self._link.run())
        writing = asyncio.create_task(self._write())
        told = asyncio.create_task(until_told_to_stop())
        await asyncio.wait({reading, writing, told}, return_when=asyncio.FIRST_COMPLETED)
        if told.done():
            log.info("told to stop %s", fields(why=told.result()))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._lost.wait(), DRAIN_S if is_child() else 0)
        reading.cancel()
        self._ended.set()
        try:
            await asyncio.shield(writing)
        except OSError:
            return EXIT_WRITE_FAILED
        log.info("ended %s", fields(rows=self._sheets.rows_written, missing_events=self._intake.missing_events))
        with suppress(asyncio.CancelledError):
            await reading
        return 0

    def _frame(self, frame: bytes) -> None:
        try:
            messages = parse_messages(frame)
        except ValueError as error:
            log.error("a frame cannot be read %s", fields(reason=str(error)[:300]))
            return
        for message in messages:
            event = self._intake.take(message)
            if event is not None:
                self._sheets.add(event)
            elif isinstance(message, Snapshot):
                self._sheets.lay_out([each.symbol for each in message.instruments])
        if self._sheets.full and not self._intake.paused:
            log.warning("the disk is slow: later events are asked for again %s", fields(rows_waiting=MAX_WAITING_ROWS))
            self._intake.pause()

    def _state(self, connected: bool, reason: str) -> None:
        if connected:
            log.info("connected %s", fields(uri=self._link.uri))
            self._lost.clear()
        elif not self._lost.is_set():
            log.warning("disconnected; trying again %s", fields(reason=reason))
            self._lost.set()

    async def _write(self) -> None:
        """Flush at every interval and, once more, at the end. Raises OSError when a file cannot be written."""
        while not self._ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), self._flush_s)
            await self._sheets.flush()
            if self._intake.paused and self._ended.is_set():
                log.error("the disk was too slow: rows are missing %s", fields(from_event=self._intake.next_seq))
            self._intake.catch_up()


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="exporter.py",
        description="Write an exchange's (or a relay's) trades, accounts, liquidations and insurance fund to CSV files.",
        epilog="example: python exporter.py --uri ws://127.0.0.1:9002 --dir runs/today",
    )
    parser.add_argument("--uri", default="ws://127.0.0.1:9002", help="the event stream (default: %(default)s)")
    parser.add_argument("--dir", type=Path, default=Path(), help="folder of the files, made if need be (default: here)")
    parser.add_argument("--flush-ms", type=int, default=500, help="rows wait at most so long (default: %(default)s)")
    parser.add_argument("--from-seq", type=int, help="first event to write (default: what comes from now on)")
    parser.add_argument("--log-level", choices=LOG_LEVELS, default="info", help="(default: info)")
    parser.add_argument("--version", action="version", version=f"botpit {__version__}")
    options = parser.parse_args(argv)
    if not 1 <= options.flush_ms <= 60_000:
        parser.error("--flush-ms takes 1 to 60000 milliseconds")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    configure_logging("exporter", options.log_level)
    try:
        options.dir.mkdir(parents=True, exist_ok=True)
        export = Export(options)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE
    return run(export.run)


if __name__ == "__main__":
    sys.exit(main())
