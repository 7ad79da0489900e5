"""A whole exchange in this process, as exchange_server.py puts it together, for benchmarks that look inside.

The wiring is the server's own: `MarketLoader` makes the market, `Venue` trades in it with its clock and its
collector. Instead of a socket, the benchmark hands messages to a peer of the order port; one turn of the
event loop is one turn of the market.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from time import process_time
from typing import Any

from botpit.core.commands import Open
from botpit.core.exchange import Exchange
from botpit.history.journal.disk import Disk
from botpit.history.journal.folder import DataFolder
from botpit.history.journal.segments import Durability
from botpit.io.frames import frames
from botpit.io.listen import Endpoint
from botpit.settings import Settings, parse_settings
from botpit.venue.lifecycle import Venue
from botpit.venue.loader import LoadedMarket, MarketLoader
from botpit.venue.tokens import read_token

HOST = "127.0.0.1"


class Line:
    """Stands in for a socket: it takes what is sent, and forgets it."""

    waiting_bytes = 0

    def send(self, messages: Iterable[bytes]) -> None:
        frames(messages)

    def write(self, data: bytes) -> None:
        pass

    def close(self, code: int, reason: str = "") -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Market:
    """One market in trade.

    `session` is a client's end of its order port; `parts` are what the exchange made it of.
    """

    def __init__(self, parts: LoadedMarket, venue: Venue) -> None:
        self.parts = parts
        self._venue = venue
        line: Any = Line()  # as much of a connection as is used
        self.session: Any = venue.traders.connect(line)

    def read(self) -> None:
        """Let one more reader subscribe to the default channels."""
        self._venue.readers.connect(Line())  # type: ignore[arg-type]

    async def take(self, requests: list[bytes], *, a_turn: int = 32) -> float:
        """Carry out requests, so many a turn; CPU of one, in microseconds."""
        received = self.session.received
        began = process_time()
        for first in range(0, len(requests), a_turn):
            for request in requests[first : first + a_turn]:
                received(request)
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        return 1e6 * (process_time() - began) / len(requests)


@asynccontextmanager
async def market(settings_text: str, *, kept: bool = True) -> AsyncIterator[Market]:
    """A new market, traded until the end of the context; `kept`: with a journal, deleted at the end."""
    settings = parse_settings(settings_text)
    with tempfile.TemporaryDirectory() as folder:
        data = DataFolder(Path(folder), Disk()) if kept else None
        async with traded(
            MarketLoader(settings, data, Durability.OS, Disk()), settings
        ) as traded_market:
            yield traded_market
        if data is not None:
            data.close()


@asynccontextmanager
async def traded(markets: MarketLoader, settings: Settings) -> AsyncIterator[Market]:
    parts = markets.first(fresh=False, reconfigure=False)
    venue = Venue(parts, settings, read_token(None), Endpoint(HOST, 0), Endpoint(HOST, 0))
    await venue.open()
    stop: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    trading = asyncio.create_task(venue.trade(stop))
    await asyncio.sleep(0)
    try:
        yield Market(parts, venue)
    finally:
        if not stop.done():
            stop.set_result("the benchmark is over")
        await trading


def opening(settings_text: str) -> Open:
    settings = parse_settings(settings_text)
    return Open("benchmark", settings.rules(), settings.engine_instruments())


def engine(settings_text: str) -> Exchange:
    """The engine alone: commands in, events out."""
    return Exchange(opening(settings_text))
