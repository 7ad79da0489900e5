"""How a connection ends: closes, slow readers, silent clients, our own faults. Raw bytes, real
sockets, both event loops.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from botpit.io.frames import frames
from botpit.io.server import Connection, serve
from botpit.settings import ServerSettings
from tests.processes.raw_client import (
    CLOSE,
    LIMIT,
    PING,
    PONG,
    TEXT,
    Listener,
    close,
    close_code,
    frame,
    house,
    on_both_loops,
    request,
    text,
)

# ------------------------------------------------------------------------------------------ closing


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999]
)
@on_both_loops
async def test_a_close_is_answered_with_its_own_code_after_what_came_before(code: int) -> None:
    async with house() as here:
        client = await here.open()
        client.sends(
            text("order"), close(code, "bye €".encode()), text("too late"), frame(PING)
        )
        answer, last = await client.gets_all()
        assert answer == (TEXT, b"heard 5")
        assert close_code(last) == code
        await here.peer.gone.wait()
        assert here.peer.heard == [b"order"]


@on_both_loops
async def test_a_close_without_a_code_is_answered_with_none_or_1000() -> None:
    async with house() as here:
        client = await here.open()
        client.sends(close())
        [last] = await client.gets_all()
        assert close_code(last) in (1000, 1005)


@on_both_loops
async def test_a_stream_that_just_ends_is_answered_to_its_end() -> None:
    async with house() as here:
        client = await here.open()
        client.sends(text("order"), text("half of one")[:-3])
        client.writer.write_eof()
        assert await client.gets_all() == [(TEXT, b"heard 5")]
        await here.peer.gone.wait()
        assert here.peer.connection.closing


@on_both_loops
async def test_a_broken_frame_before_the_end_of_the_stream_gets_its_close() -> None:
    async with house() as here:
        client = await here.open()
        client.sends(frame(3))
        client.writer.write_eof()
        [last] = await client.gets_all()
        assert close_code(last) == 1002


@on_both_loops
async def test_a_reset_ends_the_connection() -> None:
    async with house() as here:
        client = await here.open()
        client.writer.transport.abort()
        await here.peer.gone.wait()


@on_both_loops
async def test_a_peer_closes_with_code_and_reason_and_then_says_nothing_more() -> None:
    class Leaver(Listener):
        def received(self, message: bytes) -> None:
            self.heard.append(message)
            self.connection.send([b"bye"])
            self.connection.close(1000, "logged out")
            self.connection.send([b"too late"])
            self.connection.close(1011, "too late")

    async with house(Leaver) as here:
        client = await here.open()
        client.sends(text("logout"), text("too late"))
        assert await client.gets_all() == [(TEXT, b"bye"), (CLOSE, b"\x03\xe8logged out")]
        assert here.peer.heard == [b"logout"]


@on_both_loops
async def test_whoever_does_not_answer_a_close_is_cut_off() -> None:
    async with house(grace_s=0.1) as here:
        client = await here.open()
        here.peer.connection.close(1000)
        await here.peer.gone.wait()
        client.writer.close()


@on_both_loops
async def test_a_paused_connection_hears_the_answer_to_its_close() -> None:
    async with house(grace_s=60.0) as here:
        client = await here.open()
        here.peer.connection.pause_reading()
        here.peer.connection.close(1000)
        await client.gets_all()
        await here.peer.gone.wait()


@on_both_loops
async def test_a_server_that_closes_says_1001_to_all_and_waits_for_no_one_for_ever() -> None:
    async with house(grace_s=0.1) as here:
        polite, silent, unready = await here.open(), await here.open(), await here.dial()
        closing = asyncio.create_task(here.server.close())
        [last] = await polite.gets_all()
        assert last == (CLOSE, b"\x03\xe9stopping")
        await closing
        assert here.server.connections == 0
        assert close_code(await silent.gets()) == 1001
        await unready.reaches_the_end()
        silent.writer.close()
        with pytest.raises(OSError):
            await here.dial()


@on_both_loops
async def test_a_server_hands_over_its_port_and_whoever_comes_between_waits_for_the_next_one() -> (
    None
):
    async with house(grace_s=0.1) as here:
        client = await here.open()
        port, handing_over = here.server.port, asyncio.create_task(here.server.hand_over())
        assert await client.gets_all() == [(CLOSE, b"\x03\xf4reopening")]
        for _ in range(3):
            here.server = await serve(
                "127.0.0.1", 0, here.connect, ServerSettings(), dict, await handing_over
            )
            assert here.server.port == port
            handing_over = asyncio.create_task(here.server.hand_over())
        sockets, early = await handing_over, await here.dial()
        early.sends(request("/"))
        here.server = await serve("127.0.0.1", 0, here.connect, ServerSettings(), dict, sockets)
        assert (await early.answer())[0] == 101
        await here.open()
        await here.server.close()
        with pytest.raises(OSError):
            await here.dial()


# ------------------------------------------------------------------------------------- slow readers


@on_both_loops
async def test_a_reader_over_its_bound_gets_no_more_than_that_and_is_cut_off() -> None:
    async with house(grace_s=0.1, slow_reader_bytes=LIMIT) as here:
        client = await here.open()
        client.writer.transport.pause_reading()
        connection = here.peer.connection
        written = write_until_closing(connection)
        connection.write(b"x" * 1_000_000)
        await here.peer.gone.wait()
        client.writer.transport.resume_reading()
        assert written < 64 * 2**20
        await client.reaches_the_end()


@pytest.mark.parametrize("bound", [LIMIT, 16 * LIMIT])
@on_both_loops
async def test_a_reader_over_its_bound_that_catches_up_in_time_reads_1008(bound: int) -> None:
    async with house(slow_reader_bytes=bound) as here:
        client = await here.open()
        client.writer.transport.pause_reading()
        written = write_until_closing(here.peer.connection)
        assert bound < here.peer.connection.waiting_bytes <= bound + 50_004
        client.writer.transport.resume_reading()
        *messages, last = await client.gets_all()
        assert last == (CLOSE, b"\x03\xf0slow_consumer")
        assert sum(len(payload) for _, payload in messages) == written


def write_until_closing(connection: Connection) -> int:
    """Write to a client that does not read; the bytes that it will have been sent when the server
    has had enough.
    """
    written = -50_000
    while not connection.closing:
        connection.send([b"x" * 50_000])
        written += 50_000
    return written


@on_both_loops
async def test_one_message_may_be_larger_than_the_bound_on_what_waits() -> None:
    async with house(slow_reader_bytes=LIMIT) as here:
        client = await here.open()
        here.peer.connection.send([b"x" * 100 * LIMIT])
        assert not here.peer.connection.closing
        kind, payload = await client.gets()
        assert (kind, len(payload)) == (TEXT, 100 * LIMIT)


@on_both_loops
async def test_a_flood_of_pings_from_a_client_that_does_not_read_ends_as_a_slow_reader() -> (
    None
):
    async with house(grace_s=0.1, slow_reader_bytes=LIMIT) as here:
        client = await here.open()
        client.writer.transport.pause_reading()
        with suppress(ConnectionError):
            while not here.peer.connection.closing:
                client.sends(frame(PING, b"x" * 125) * 500)
                await client.writer.drain()
        await here.peer.gone.wait()
        client.writer.transport.abort()


@on_both_loops
async def test_many_messages_are_one_write() -> None:
    class Wire:
        def __init__(self, transport: Any) -> None:
            self.transport, self.writes = transport, 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self.transport, name)

        def write(self, data: bytes) -> None:
            self.writes += 1
            self.transport.write(data)

    async with house() as here:
        client = await here.open()
        connection = here.peer.connection
        connection._transport = wire = Wire(connection._transport)
        messages = [b"a", b"b" * 125, b"c" * 126, b"d" * 65_535, b"e" * 65_536]
        connection.send(messages)
        assert wire.writes == 1
        assert [await client.gets() for _ in messages] == [
            (TEXT, message) for message in messages
        ]
        connection.write(frames([b"e", b"f"]))
        assert wire.writes == 2
        assert [await client.gets(), await client.gets()] == [(TEXT, b"e"), (TEXT, b"f")]


@on_both_loops
async def test_a_paused_connection_is_not_read_and_not_pinged() -> None:
    async with house(ping_s=0.02, pong_s=0.02) as here:
        client = await here.open()
        here.peer.connection.pause_reading()
        client.sends(text("later"))
        other = await here.open()
        await other.reaches_the_end()  # silent for ping_s + pong_s
        assert here.peers[0].heard == [] and not here.peers[0].connection.closing
        here.peers[0].connection.resume_reading()
        assert await client.gets() == (TEXT, b"heard 5")


# -------------------------------------------------------------------------------------- silent ones


@on_both_loops
async def test_a_silent_client_is_pinged_and_stays_while_it_answers() -> None:
    async with house(ping_s=0.02, pong_s=0.5) as here:
        client = await here.open()
        for _ in range(5):
            assert await client.gets() == (PING, b"")
            client.sends(frame(PONG))
        client.sends(text("still here"))
        assert await client.gets() == (TEXT, b"heard 10")


@on_both_loops
async def test_a_client_that_does_not_answer_a_ping_is_dropped() -> None:
    async with house(ping_s=0.02, pong_s=0.02) as here:
        client = await here.open()
        assert await client.gets_all() == [(PING, b""), (CLOSE, b"\x03\xf0ping_timeout")]
        await here.peer.gone.wait()


@on_both_loops
async def test_a_client_that_never_ends_its_frame_is_dropped() -> None:
    async with house(ping_s=0.05, pong_s=0.05) as here:
        client = await here.open()
        client.sends(text("x" * 1_000)[:10])
        while not here.peer.connection.closing:
            client.sends(b"x")
            await asyncio.sleep(0.005)
        assert (await client.gets_all())[-1] == (CLOSE, b"\x03\xf0ping_timeout")
        assert not here.peer.heard


# ----------------------------------------------------------------------------------- our own faults


class Faulty(Listener):
    """Raises when told to, in every place where a Peer can."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        if connection.address != "127.0.0.1":
            raise AssertionError("unexpected address")

    def received(self, message: bytes) -> None:
        super().received(message)
        if message == b"raise":
            raise AssertionError("received")

    def lost(self) -> None:
        super().lost()
        if b"raise when lost" in self.heard:
            raise AssertionError("lost")


@pytest.mark.parametrize("where", ["received", "lost"])
@on_both_loops
async def test_a_peer_that_raises_ends_the_server(where: str) -> None:
    async with house(Faulty) as here:
        here.failure_expected = True
        other, client = await here.open(), await here.open()
        client.sends(
            text("raise" if where == "received" else "raise when lost"),
            text("after"),
            close(1000),
        )
        await client.gets_all()
        with pytest.raises(AssertionError, match=where):
            await here.server.failed
        assert await other.gets_all() == [(CLOSE, b"\x03\xf3internal_error")]
        assert here.peers[1].heard[1:] == ([] if where == "received" else [b"after"])
        assert (await (await here.dial()).answer())[0] == 503


@pytest.mark.parametrize("where", ["connect", "health"])
@on_both_loops
async def test_a_connect_or_health_that_raises_ends_the_server(where: str) -> None:
    def wrong(*_: Any) -> Any:
        raise AssertionError(where)

    async with house(**{"peer" if where == "connect" else "health": wrong}) as here:
        here.failure_expected = True
        client = await here.dial()
        client.sends(b"")
        asking = asyncio.create_task(client.asks("/" if where == "connect" else "/healthz"))
        with pytest.raises(AssertionError, match=where):
            await here.server.failed
        await asyncio.gather(asking, return_exceptions=True)
        await client.reaches_the_end()
