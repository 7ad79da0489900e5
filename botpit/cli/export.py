"""Write what happens in a market to CSV files, each event once, across lost connections and across
its own end, however sudden.

A feed session decides which events are new, `Sheets` holds their rows until the next flush and
records how far the files are, `Export` wires both to a socket. As a child of the exchange it is the
last to leave: when it is to stop, it takes what the exchange sent before it closed the socket, and
writes it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from botpit.cli.program import add_usual_flags, parser_of, start
from botpit.clients.feed_session import FeedSession, Need, State, request_text
from botpit.io.exit_codes import ProgramError
from botpit.io.link import Link
from botpit.io.log import fields
from botpit.io.run import give_way, is_child, until_told_to_stop
from botpit.runs.export.disk import REAL_DISK, Disk
from botpit.runs.export.errors import ExportError
from botpit.runs.export.lock import locked
from botpit.runs.export.rows import CHANNELS, RowEvent
from botpit.runs.export.sheets import MAX_WAITING_ROWS, Sheets
from message_schemas import Snapshot, parse_messages

DRAIN_S = 2.0
"""A child that is told to stop waits so long for the exchange to close the socket, and takes what
still comes.
"""
PREDECESSOR_S = 5.0
"""A child waits so long for the exporter of an exchange that was there before its own, which may
still be writing.
"""
NICENESS = 5
"""A child leaves the processors to its exchange, but is not left behind by an archivist."""
log = logging.getLogger("exporter")


class Export:
    """One run: frames in, rows out until told to stop. `run` gives the exit code.

    Raises ExportError or OSError when the folder cannot be continued, ValueError when the address is not one.
    """

    def __init__(self, options: argparse.Namespace, disk: Disk = REAL_DISK) -> None:
        self._link = Link(
            options.uri, on_open=self._opening, on_frame=self._frame, on_state=self._state
        )
        self._sheets = Sheets(options.dir, disk)
        self._session = FeedSession(
            Need.RECORD,
            lambda: CHANNELS,
            from_seq=options.from_seq,
            checkpoint=self._sheets.checkpoint,
            complain=log.error,
        )
        self._flush_s = options.flush_ms / 1_000
        self._ended = asyncio.Event()
        self._lost = asyncio.Event()

    async def run(self) -> int:
        reading = asyncio.create_task(self._link.run())
        writing = asyncio.create_task(self._write())
        try:
            await self._until_the_end(reading, writing)
        finally:
            reading.cancel()
            self._ended.set()
            await _finished(writing)
        try:
            writing.result()
        except ExportError as error:
            log.error("the export ends %s", fields(reason=error))
            return error.exit_code
        log.info(
            "ended %s",
            fields(rows=self._sheets.rows_written, missing_events=self._session.missing),
        )
        with suppress(asyncio.CancelledError):
            await reading
        return 0

    async def _until_the_end(self, *tasks: asyncio.Task[None]) -> None:
        """Until a task fails, or we are told to stop and, as a child, have heard the exchange out."""
        told = asyncio.create_task(until_told_to_stop())
        await asyncio.wait({*tasks, told}, return_when=asyncio.FIRST_COMPLETED)
        if told.done():
            log.info("told to stop %s", fields(why=told.result()))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._lost.wait(), DRAIN_S if is_child() else 0)

    @property
    def _paused(self) -> bool:
        return self._session.state is State.PAUSED

    def _opening(self) -> list[str]:
        self._session.opened()
        return list(map(request_text, self._session.requests()))

    def _ask(self) -> None:
        for request in self._session.requests():
            self._link.send(request_text(request))

    def _frame(self, frame: bytes) -> None:
        try:
            messages = parse_messages(frame)
        except ValueError as error:
            log.error("a frame cannot be read %s", fields(reason=str(error)[:300]))
            return
        for message in messages:
            is_new = self._session.receive(message)
            if is_new and isinstance(message, RowEvent):
                self._sheets.add(message)
            elif isinstance(message, Snapshot) and (checkpoint := self._session.checkpoint):
                self._sheets.lay_out(checkpoint, [each.symbol for each in message.instruments])
        if self._sheets.full and not self._paused:
            log.warning(
                "the disk is slow: later events are asked for again %s",
                fields(rows_waiting=MAX_WAITING_ROWS),
            )
            self._session.pause()
        self._ask()

    def _state(self, connected: bool, reason: str) -> None:
        if connected:
            log.info("connected %s", fields(uri=self._link.uri))
            self._lost.clear()
            return
        self._session.lost()
        if not self._lost.is_set():
            log.warning("disconnected; trying again %s", fields(reason=reason))
            self._lost.set()

    async def _write(self) -> None:
        """Flush at every interval and, once more, at the end. Raises ExportError when that cannot be done."""
        while not self._ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), self._flush_s)
            await self._sheets.flush(self._session.checkpoint)
            if not self._ended.is_set():
                self._session.end_pause()
                self._ask()
        await self._sheets.flush(self._session.checkpoint)  # what came during the last one
        if self._paused:
            log.error(
                "the disk was too slow: rows are missing %s",
                fields(from_event=self._session.seq + 1),
            )


async def _finished(task: asyncio.Task[None]) -> None:
    """Wait for its end, however often we are cancelled meanwhile."""
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})


async def export(options: argparse.Namespace, disk: Disk = REAL_DISK) -> int:
    """The export from start to stop; returns the exit code. Raises ProgramError when it cannot
    start as asked.
    """
    async with AsyncExitStack() as until_the_end:
        try:
            options.dir.mkdir(parents=True, exist_ok=True)
            await until_the_end.enter_async_context(
                locked(options.dir, PREDECESSOR_S if is_child() else 0.0)
            )
            prepared = Export(options, disk)
        except (OSError, ValueError) as error:
            raise ProgramError(str(error)) from error
        return await prepared.run()


def main(
    argv: Sequence[str] | None = None, prog: str | None = None, *, disk: Disk = REAL_DISK
) -> int:
    """Export until told to stop; returns the exit code. `disk`: a proof's faulty one."""
    options = arguments(argv, prog)
    if is_child():
        give_way(NICENESS)
    return start("exporter", options.log_level, lambda: export(options, disk))


def arguments(argv: Sequence[str] | None, prog: str | None = None) -> argparse.Namespace:
    parser = parser_of(
        prog,
        "Write an exchange's (or a relay's) trades, accounts, liquidations and insurance fund to CSV files.",
        "an existing export is continued; example: %(prog)s --dir runs/today",
    )
    parser.add_argument(
        "--uri", default="ws://127.0.0.1:9002", help="the event stream (default: %(default)s)"
    )
    parser.add_argument(
        "--dir",
        type=Path,
        default=Path(),
        help="folder of the files, made if need be (default: here)",
    )
    parser.add_argument(
        "--flush-ms",
        type=int,
        default=500,
        help="rows wait at most so long (default: %(default)s)",
    )
    parser.add_argument(
        "--from-seq",
        type=int,
        help="first event to write in a new folder (default: what comes from now on)",
    )
    add_usual_flags(parser)
    options = parser.parse_args(argv)
    if not 1 <= options.flush_ms <= 60_000:
        parser.error("--flush-ms takes 1 to 60000 milliseconds")
    if options.from_seq is not None and options.from_seq < 1:
        parser.error("--from-seq takes the number of an event, 1 or more")
    return options
