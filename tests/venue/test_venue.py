"""One market after another on the same ports: what everybody still gets before the end, and that
nothing of the old one stays.
"""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from botpit.history.journal.disk import Disk
from botpit.history.journal.segments import Durability
from botpit.io.listen import Endpoint
from botpit.settings import parse_settings
from botpit.venue.lifecycle import Halted, Venue, forget_what_was
from botpit.venue.loader import MarketLoader
from botpit.venue.tokens import Token
from tests.socketless.requests import order

TOKEN = "a-token-of-thirty-two-characters"
LOGIN = {"type": "login", "trader_id": "@house", "token": TOKEN}
PATIENCE_S = 20.0
FAST = "[market]\nstarting_cash = 1000000000\nmax_requests_per_s = 1000000\nmax_open_orders = 100000\n"


@pytest.fixture(autouse=True)
def collector_as_it_was() -> Iterator[None]:
    """A venue tunes the garbage collector of its process."""
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


class Ports:
    """Where venues can be reached, and how the present one is told to stop."""

    def __init__(self) -> None:
        self.places = Endpoint("127.0.0.1", 0), Endpoint("127.0.0.1", 0)
        self.stop: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def venue(self) -> Venue:
        settings = parse_settings(FAST)
        market = MarketLoader(settings, None, Durability.OS, Disk()).new()
        venue = Venue(market, settings, Token(TOKEN), *self.places)
        await venue.open()
        return venue

    async def orders(self) -> ClientConnection:
        return await self._connect(self.places[0])

    async def events(self) -> ClientConnection:
        return await self._connect(self.places[1])

    async def house(self) -> ClientConnection:
        connection = await self.orders()
        assert (await asks(connection, LOGIN))["type"] == "logged_in"
        return connection

    async def _connect(self, place: Endpoint) -> ClientConnection:
        return await connect(
            f"ws://127.0.0.1:{place.port}",
            compression=None,
            proxy=None,
            max_size=None,
            ping_interval=None,
        )


@asynccontextmanager
async def trading() -> AsyncIterator[tuple[Ports, asyncio.Task[bool], Venue]]:
    """A venue that trades until the block ends."""
    async with asyncio.timeout(PATIENCE_S):
        venue = await (ports := Ports()).venue()
        end = asyncio.create_task(venue.trade(ports.stop))
        yield ports, end, venue
        if not end.done():
            ports.stop.set_result("the test is over")
        await asyncio.wait([end])


async def asks(connection: ClientConnection, *requests: Any) -> Any:
    for request in requests:
        await connection.send(json.dumps(request))
    return json.loads(await connection.recv())


async def to_the_end(connection: ClientConnection) -> tuple[list[Any], int]:
    """All that still comes, and the code of the close."""
    told = []
    try:
        while True:
            told.append(json.loads(await connection.recv()))
    except ConnectionClosed as closed:
        assert closed.rcvd is not None
        return told, closed.rcvd.code


def test_whoever_is_connected_gets_all_that_is_his_and_then_1012() -> None:
    async def story() -> None:
        async with trading() as (ports, end, _):
            house, plain, reader = (
                await ports.house(),
                await ports.orders(),
                await ports.events(),
            )
            for trader, side in (("bob", "sell"), ("alice", "buy"), ("alice", "buy")):
                await asks(plain, order(trader, side, 3, 100.0))
            await house.send('{"type":"reopen"}')
            answers, code = await to_the_end(house)
            assert ([each["type"] for each in answers], code) == (["reopening"], 1012)
            assert (await to_the_end(plain)) == ([], 1012)
            told, code = await to_the_end(reader)
            flat = {
                each["trader_id"]: each["position"]
                for each in told
                if each["type"] == "position_update"
            }
            assert (flat, code) == ({"alice": 0, "bob": 0}, 1012)
            [last] = [each for each in told if each["type"] == "book_update"][-1:]
            assert (last["bids"], last["asks"]) == ([], []), (
                "the last state of the book is always told"
            )
            assert await end is True

    asyncio.run(story())


@pytest.mark.parametrize(("last_word", "code"), [("reopen", 1012), ("stop", 1001)])
def test_what_was_sent_before_the_end_is_answered(last_word: str, code: int) -> None:
    """Twenty sockets have sent 400 requests each, of which a turn takes 1,000."""

    async def story() -> None:
        async with trading() as (ports, end, _):
            house, crowd = await ports.house(), [await ports.orders() for _ in range(20)]
            for each in crowd:
                each.transport.write(
                    b"".join(frame(f'{{"type":"ping","request_id":{n}}}') for n in range(400))
                )
            if last_word == "reopen":
                await house.send('{"type":"reopen"}')
            else:
                house.transport.write(frame('{"type":"ping"}'))
                await house.recv()
                ports.stop.set_result("enough")
            for each in crowd:
                answers, closed = await to_the_end(each)
                assert closed == code
                assert [answer["request_id"] for answer in answers] == list(range(400))
            assert await end is (last_word == "reopen")

    asyncio.run(story())


def frame(text: str) -> bytes:
    """A client's text frame of less than 126 bytes, masked with zeros."""
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text.encode()


def test_a_reader_of_the_past_has_it_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botpit.venue.feed.subscriptions.CATCH_UP_SLICE_BYTES", 4_096)

    async def story() -> None:
        async with trading() as (ports, _end, _):
            house, plain = await ports.house(), await ports.orders()
            for _ in range(40):
                await asks(plain, [order("alice", "buy", 1, 95.0)] * 100)
            reader = await ports.events()
            await asks(reader, {"type": "subscribe", "channels": ["orders", "status"]})
            while json.loads(await reader.recv())["type"] != "snapshot":
                continue
            await reader.send('{"type":"resume","from_seq":1}')
            assert json.loads(await reader.recv())["type"] == "resumed"
            await house.send('{"type":"reopen"}')
            told, code = await to_the_end(reader)
            assert code == 1012
            added = [each["order_id"] for each in told if each["type"] == "order_add"]
            removed = [each["order_id"] for each in told if each["type"] == "order_remove"]
            assert added == list(range(1, 4_001)) and (not removed or removed == added)
            assert told[-1]["type"] in ("snapshot", "order_remove")

    asyncio.run(story())


def test_of_a_market_that_is_over_nothing_stays() -> None:
    async def story() -> None:
        venue = await (ports := Ports()).venue()
        for _ in range(3):
            trade = asyncio.create_task(venue.trade(ports.stop))
            house, plain, reader = (
                await ports.house(),
                await ports.orders(),
                await ports.events(),
            )
            for trader, side in (("bob", "sell"), ("alice", "buy")) * 20:
                await asks(plain, order(trader, side, 3, 100.0))
            await house.send('{"type":"reopen"}')
            for each in (house, plain, reader):
                await to_the_end(each)
            assert await trade is True
            old = weakref.ref(venue.exchange)
            del venue, trade
            forget_what_was()
            assert old() is None, gc.get_referrers(old())
            venue = await ports.venue()
        ports.stop.set_result("enough")
        assert await venue.trade(ports.stop) is False

    asyncio.run(asyncio.wait_for(story(), PATIENCE_S))


def test_told_to_stop_while_it_reopens_it_stops_and_leaves_its_ports() -> None:
    async def story() -> None:
        async with trading() as (ports, end, _):
            house = await ports.house()
            await asks(house, {"type": "reopen"})
            ports.stop.set_result("enough")
            await to_the_end(house)
            assert await end is False
            for place in ports.places:
                with pytest.raises(OSError):
                    await asyncio.open_connection("127.0.0.1", place.port)

    asyncio.run(story())


@pytest.mark.parametrize("fault", ["publish", "end_turn"])
def test_a_fault_halts_it_and_no_other_market_follows(fault: str) -> None:
    async def story() -> None:
        async with trading() as (ports, end, venue):
            house, plain = await ports.house(), await ports.orders()
            setattr(venue.feed, fault, None)  # our own mistake, in a command or after it
            await house.send('{"type":"reopen"}')
            for each in (house, plain):
                assert (await to_the_end(each))[1] == 1011
            with pytest.raises(Halted):
                await end

    asyncio.run(story())
