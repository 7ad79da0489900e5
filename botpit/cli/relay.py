"""The relay process: one connection to the exchange's event stream in, any number of readers out.

It keeps nothing of the market: kill it and start it again at any time, or run several.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Sequence
from time import monotonic, time_ns
from typing import Any

from botpit.cli.program import add_usual_flags, parser_of, port_number, port_refused, start
from botpit.io.bounds import UsualBounds
from botpit.io.exit_codes import ExitCode, ProgramError
from botpit.io.link import Link
from botpit.io.listen import PortError, listen
from botpit.io.log import fields
from botpit.io.run import until_told_to_stop
from botpit.venue.feed.relay import RelayFeed
from botpit.venue.server import FeedPort, deliver, every

POLL_S = 0.1
"""How often owed snapshots are asked for and heartbeats looked at."""
MANY_READERS = 20
JOINED_S = 0.002
"""So long the first of what goes out together waits for the rest, where there are many readers."""
log = logging.getLogger("relay")


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run a relay until it is told to stop; returns the exit code."""
    options = arguments(argv, prog)
    return start("relay", options.log_level, lambda: relay(options))


def arguments(argv: Sequence[str] | None, prog: str | None = None) -> argparse.Namespace:
    parser = parser_of(
        prog,
        "The botpit relay: fans the exchange's event stream out to bots, monitors and recorders.",
        "example: %(prog)s --upstream-uri ws://127.0.0.1:9002 --port 9010",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port",
        type=port_number,
        default=9010,
        help="port to listen on, 0: any (default: %(default)s)",
    )
    parser.add_argument(
        "--upstream-uri",
        default="ws://127.0.0.1:9002",
        help="the event stream (default: %(default)s)",
    )
    add_usual_flags(parser)
    return parser.parse_args(argv)


class Relay:
    """The feed, its upstream link and its port, wired together."""

    def __init__(self, upstream_uri: str) -> None:
        try:
            self.link = Link(
                upstream_uri, on_open=self._opening, on_frame=self._frame, on_state=self._state
            )
        except ValueError as error:
            raise ProgramError(f"--upstream-uri: {error}") from error
        self.feed = RelayFeed(self.link.send)
        self.port = FeedPort(self.feed.subscriptions)
        self._arrived: list[bytes] = []
        self._news = asyncio.Event()
        self._started = monotonic()
        self._said = False

    def health(self) -> dict[str, object]:
        return {
            "uptime_s": round(monotonic() - self._started, 3),
            "seq": self.feed.seq,
            "sessions": self.feed.subscriptions.readers(),
            "market_id": self.feed.market_id,
            "state": "open",
            "holes": self.feed.holes,
            "upstream": "connected" if self.link.connected else "disconnected",
        }

    def tick(self) -> None:
        self.feed.poll(time_ns())
        self.feed.subscriptions.heartbeats(time_ns())

    def _opening(self) -> list[str]:
        self._turn()  # what the connection before brought
        return self.feed.opening()

    def _frame(self, frame: bytes) -> None:
        self._arrived.append(frame)
        self._news.set()

    async def relay(self) -> None:
        """Pass on what arrives. For many readers, what comes within a moment goes out together: a
        write to each of them is what costs.
        """
        while True:
            await self._news.wait()
            if self.feed.subscriptions.readers() >= MANY_READERS:
                await asyncio.sleep(JOINED_S)
            self._news.clear()
            self._turn()

    def _turn(self) -> None:
        frames, self._arrived = self._arrived, []
        for frame in frames:
            try:
                self.feed.receive(frame, time_ns())
            except ValueError as error:
                what = fields(error=error, holes=self.feed.holes + 1)
                log.warning(
                    "upstream sent a frame that is not a message; asking again %s", what
                )
                self.feed.hole()
        deliver(self.feed.end_turn(time_ns()))

    def _state(self, connected: bool, reason: str) -> None:
        """Say each change once, not each attempt."""
        if not connected:
            self._turn()  # what it still brought
            self.feed.lost()
        if connected:
            log.info("upstream connected %s", fields(uri=self.link.uri))
        elif not self._said:
            log.warning(
                "upstream lost; trying again %s", fields(uri=self.link.uri, reason=reason)
            )
        self._said = not connected


async def relay(options: argparse.Namespace) -> ExitCode:
    """The relay from start to stop. Raises ProgramError when it cannot start as asked."""
    parts = Relay(options.upstream_uri)
    try:
        server = await listen(
            options.host, options.port, parts.port.connect, UsualBounds(), parts.health
        )
    except PortError as error:
        raise port_refused(error, {options.port: "--port"}) from error
    log.info("open %s", fields(port=server.port, upstream=options.upstream_uri))
    stop = asyncio.create_task(until_told_to_stop())
    work: list[asyncio.Future[Any]] = [
        *map(asyncio.create_task, (parts.link.run(), parts.relay(), every(POLL_S, parts.tick)))
    ]
    ends: list[asyncio.Future[Any]] = [stop, server.failed, *work]
    done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    await server.close()
    for task in [stop, *work]:
        task.cancel()
    await asyncio.wait(work)
    if stop in done:
        log.info("stopped %s", fields(why=stop.result(), seq=parts.feed.seq))
        return ExitCode.OK
    log.critical(
        "stopped by a fault of the relay itself", exc_info=next(iter(done)).exception()
    )
    return ExitCode.FAULT
