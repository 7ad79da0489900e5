"""Who may become a client of the server, and who may not: raw requests over a real socket, on both
event loops.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from botpit.io.server import Connection
from tests.processes.raw_client import (
    LIMIT,
    TEXT,
    Listener,
    close,
    close_code,
    frame,
    health_of,
    house,
    on_both_loops,
    request,
    size_field,
    text,
)

# ---------------------------------------------------------------------------------------- handshake


@pytest.mark.parametrize("dribble", [False, True])
@on_both_loops
async def test_a_handshake_that_is_not_finished_in_time_is_closed(dribble: bool) -> None:
    async with house(handshake_s=0.1) as here:
        client = await here.dial()
        end = asyncio.create_task(client.reader.read())
        while dribble and not end.done():
            client.sends(b"G")
            await asyncio.sleep(0.01)
        assert await end == b""
        assert not here.peers
        client.writer.close()


@on_both_loops
async def test_an_endless_askedis_closed() -> None:
    async with house() as here:
        client = await here.dial()
        client.sends(b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000)
        await client.reaches_the_end()


HOSTS = ["127.0.0.1", "localhost", "LocalHost:9001", "[::1]", "[::1]:80", "127.0.0.1:65535"]
FOREIGN_HOSTS = [
    None,
    "",
    "evil.test",
    "127.0.0.1.evil.test",
    "evil.test:9001",
    "127.0.0.1:9001@evil.test",
    "127.0.0.1:",
    "127.0.0.1:x",
    "::1",
    "[::1",
    "127.0.0.1 evil.test",
    "127.0.0.1,evil.test",
    "127.0.0.2",
    "localhost.",
    "127.0.0.1:1:2",
    "http://127.0.0.1",
    "127.0.0.1/",
    "\udcff",
]
ORIGINS = [
    None,
    "http://127.0.0.1",
    "https://localhost:3000",
    "http://[::1]:80",
    "HTTP://LOCALHOST",
]
FOREIGN_ORIGINS = [
    "",
    "null",
    "http://evil.test",
    "http://127.0.0.1.evil.test",
    "http://evil.test:9001",
    "file://",
    "http://",
    "localhost",
    "ws://localhost",
    "http://localhost/",
    "http://user@localhost",
    "http://localhost http://evil.test",
    "evil http://localhost",
    "x-extension://localhost",
]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("origin", ORIGINS)
@on_both_loops
async def test_our_own_pages_and_programs_are_served(host: str, origin: str | None) -> None:
    async with house() as here:
        await here.open(Host=host, Origin=origin)
        assert await health_of(here, Host=host, Origin=origin) == (200, {"state": "open"})


@pytest.mark.parametrize(
    "headers",
    [
        *({"Host": host} for host in FOREIGN_HOSTS),
        *({"Origin": origin} for origin in FOREIGN_ORIGINS),
    ],
    ids=repr,
)
@on_both_loops
async def test_a_foreign_page_is_refused(headers: dict[str, str | None]) -> None:
    async with house() as here:
        assert (await (await here.dial()).asks("/", **headers))[0] == 403
        assert (await health_of(here, **headers))[0] == 403
        assert not here.peers


@pytest.mark.parametrize(
    "twice",
    [
        {"Host": "localhost", "host": "a.test"},
        {"Origin": "http://localhost", "origin": "http://a.test"},
    ],
)
@on_both_loops
async def test_a_header_that_is_there_twice_is_refused(twice: dict[str, str]) -> None:
    async with house() as here:
        assert (await health_of(here, **twice))[0] == 403


@pytest.mark.parametrize(
    ("status", "asked"),
    [
        (426, {"target": "/", "Upgrade": None, "Connection": None}),
        (426, {"target": "/", "Upgrade": "h2c"}),
        (426, {"target": "/", "Sec_WebSocket_Version": "8"}),
        (426, {"target": "/", "Sec_WebSocket_Version": "13\udcff"}),
        (400, {"target": "/", "Connection": None}),
        (400, {"target": "/", "Sec_WebSocket_Key": "short"}),
        (400, {"target": "/", "Sec_WebSocket_Key": None}),
        (400, {"target": "/", "method": "POST"}),
        (400, {"target": "/", "version": "1.0"}),
        (400, {"target": "/healthz", "Content_Length": "5"}),
        (101, {"target": "/any/path?with=query"}),
        (101, {"target": "/", "Connection": "keep-alive, Upgrade"}),
        (101, {"target": "/", "Upgrade": "WebSocket"}),
        (200, {"target": "/healthz"}),
        (200, {"target": "/healthz?verbose"}),
    ],
)
@on_both_loops
async def test_what_each_askedgets(status: int, asked: dict[str, Any]) -> None:
    async with house() as here:
        assert (await (await here.dial()).asks(**asked))[0] == status
        assert len(here.peers) == (status == 101)


@on_both_loops
async def test_no_extension_is_negotiated() -> None:
    async with house() as here:
        client = await here.dial()
        _, head, _ = await client.asks(
            "/", Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits"
        )
        assert "extensions" not in head.lower()


@on_both_loops
async def test_what_is_sent_at_once_comes_after_the_handshake() -> None:
    class Greeter(Listener):
        def __init__(self, connection: Connection) -> None:
            super().__init__(connection)
            connection.send([b"snapshot"])

    async with house(Greeter) as here:
        client = await here.open()
        assert await client.gets() == (TEXT, b"snapshot")
        assert here.peer.connection.address == "127.0.0.1"
        assert here.server.connections == 1


@on_both_loops
async def test_frames_may_come_with_the_handshake() -> None:
    """Fragments too: their sizes are looked for behind the request, in the same packet."""
    async with house() as here:
        client = await here.dial()
        client.sends(
            request("/"),
            text("order"),
            frame(TEXT, b"x" * 9_000, final=False),
            b"\x80",
            size_field(LIMIT),
        )
        assert (await client.answer())[0] == 101
        answer, last = await client.gets_all()
        assert answer == (TEXT, b"heard 5")
        assert close_code(last) == 1009


@on_both_loops
async def test_an_address_has_no_more_sockets_than_its_share() -> None:
    async with house(max_connections_per_address=2) as here:
        first, second = await here.open(), await here.open()
        third = await here.dial()
        status, _, body = await third.answer()
        assert (status, body) == (503, b"too many connections\n")
        second.sends(close(1000))
        await second.reaches_the_end()
        await here.peer.gone.wait()
        fourth = await here.open()
        fourth.sends(text("order"))
        assert await fourth.gets() == (TEXT, b"heard 5")
        first.writer.close()


@on_both_loops
async def test_who_only_dials_takes_nobodys_place() -> None:
    """Sockets count from when they are made; past the share, the oldest that has not finished its
    handshake has to go.
    """
    async with house(max_connections_per_address=3) as here:
        dialled = [await here.dial() for _ in range(3)]
        member = await here.open()
        await dialled[0].reaches_the_end()
        for _ in range(20):
            dialled.append(await here.dial())
        member.sends(text("order"))
        assert await member.gets() == (TEXT, b"heard 5")
        for gone in dialled[1:-2]:
            await gone.reaches_the_end()
        assert here.server.connections == 1
        for waiting in dialled[-2:]:
            waiting.writer.close()
