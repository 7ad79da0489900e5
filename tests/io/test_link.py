"""Link against a small server of the `websockets` library: what goes out first, what comes back,
what happens when it is lost.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest
from websockets.asyncio.server import ServerConnection

from botpit.io import link as client
from botpit.io.link import FIRST_BACKOFF_S, LONGEST_BACKOFF_S, SEND_QUEUE_TEXTS, Link
from tests.processes.fake_port import fake_port

PATIENCE_S = 20.0
"""A test that waits longer has failed."""


class Owner:
    """Whoever owns a link: notes what it is told, and lets the test wait for it."""

    def __init__(self, uri: str, greeting: list[str] | None = None, **options) -> None:
        self.greeting = greeting or []
        self.told: asyncio.Queue[object] = asyncio.Queue()
        self.link = Link(
            uri,
            on_open=lambda: self.greeting,
            on_state=lambda connected, reason: self.told.put_nowait((connected, reason)),
            **{"on_frame": self.told.put_nowait, **options},
        )

    async def hears(self) -> object:
        return await asyncio.wait_for(self.told.get(), PATIENCE_S)


@asynccontextmanager
async def running(owner: Owner):
    task = asyncio.create_task(owner.link.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def echo(connection: ServerConnection) -> None:
    async for text in connection:
        await connection.send(f"you said {text}")


def test_what_it_says_on_opening_comes_first_and_is_answered():
    async def story() -> None:
        async with fake_port(echo) as uri:
            owner = Owner(uri, ["hello", "who is there"])
            assert not owner.link.connected and not owner.link.send("too early")
            async with running(owner):
                assert await owner.hears() == (True, "connected")
                assert owner.link.connected and owner.link.send("more")
                assert [await owner.hears() for _ in range(3)] == [
                    b"you said hello",
                    b"you said who is there",
                    b"you said more",
                ]

    asyncio.run(story())


def test_a_lost_connection_is_made_again_and_greeted_again():
    async def story() -> None:
        visits = []

        async def guest_book(connection: ServerConnection) -> None:
            visits.append(await connection.recv())
            if len(visits) < 3:
                await connection.close(1008, "slow_consumer")
            else:
                await connection.wait_closed()

        async with fake_port(guest_book) as uri:
            owner = Owner(uri, ["login"])
            async with running(owner):
                heard = [await owner.hears() for _ in range(5)]
        assert visits == ["login"] * 3
        assert [connected for connected, _ in heard] == [True, False, True, False, True]
        assert "1008" in heard[1][1] and "slow_consumer" in heard[1][1]

    asyncio.run(story())


def test_a_server_that_comes_later_is_found():
    async def story() -> None:
        async with fake_port(echo) as uri:
            port = int(uri.rpartition(":")[2])
        owner = Owner(uri)
        async with running(owner):
            connected, reason = await owner.hears()
            assert not connected and "Connect call failed" in reason
            async with fake_port(echo, port):
                while not connected:
                    connected, _ = await owner.hears()

    asyncio.run(story())


def test_attempts_come_at_growing_distances_up_to_a_bound(monkeypatch):
    waits = []

    async def note(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 8:
            raise asyncio.CancelledError

    async def story() -> None:
        async with fake_port(echo) as uri:
            pass
        with suppress(asyncio.CancelledError):
            await Owner(uri).link.run()

    monkeypatch.setattr(client.random, "uniform", lambda low, high: high)
    monkeypatch.setattr(client.asyncio, "sleep", note)
    asyncio.run(story())
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]
    assert (waits[0], waits[-1]) == (FIRST_BACKOFF_S, LONGEST_BACKOFF_S)


def test_the_send_queue_is_bounded():
    async def story() -> None:
        async with fake_port(echo) as uri:
            owner = Owner(uri)
            async with running(owner):
                await owner.hears()
                # The writer gets no turn in between, so every text waits.
                taken = [owner.link.send(f"{number}") for number in range(SEND_QUEUE_TEXTS + 5)]
                assert taken == [True] * SEND_QUEUE_TEXTS + [False] * 5
                heard = [await owner.hears() for _ in range(SEND_QUEUE_TEXTS)]
                assert heard[-1] == f"you said {SEND_QUEUE_TEXTS - 1}".encode()
                assert owner.link.send("room again")

    asyncio.run(story())


def test_leaving_is_a_clean_close():
    async def story() -> None:
        closed: asyncio.Future[tuple[int | None, str | None]] = (
            asyncio.get_running_loop().create_future()
        )

        async def see_the_end(connection: ServerConnection) -> None:
            await connection.wait_closed()
            closed.set_result((connection.close_code, connection.close_reason))

        async with fake_port(see_the_end) as uri:
            owner = Owner(uri)
            async with running(owner):
                await owner.hears()
            assert await asyncio.wait_for(closed, PATIENCE_S) == (1000, "")
            assert not owner.link.connected and not owner.link.send("anybody?")

    asyncio.run(story())


def test_a_frame_larger_than_allowed_ends_the_connection():
    async def story() -> None:
        async def large(connection: ServerConnection) -> None:
            await connection.send("x" * 1_001)
            await connection.wait_closed()

        async with fake_port(large) as uri:
            owner = Owner(uri, max_frame_bytes=1_000)
            async with running(owner):
                assert await owner.hears() == (True, "connected")
                connected, reason = await owner.hears()
                assert not connected and "1009" in reason

    asyncio.run(story())


def test_what_its_owner_raises_ends_it():
    async def story() -> None:
        async def one_word(connection: ServerConnection) -> None:
            await connection.send("boo")
            await connection.wait_closed()

        async with fake_port(one_word) as uri:
            owner = Owner(uri, on_frame=lambda frame: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                await asyncio.wait_for(owner.link.run(), PATIENCE_S)

    asyncio.run(story())


@pytest.mark.parametrize(
    "uri", ["127.0.0.1:9001", "http://127.0.0.1:9001", "ws://", "ws://127.0.0.1:port", ""]
)
def test_an_address_that_is_none_is_refused_at_once(uri):
    with pytest.raises(ValueError, match="is not a WebSocket address"):
        Owner(uri)
