"""A server with peers that remember what they heard, and a client that sends it raw bytes: for the
tests of botpit.io.server.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any
from unittest.mock import patch

import pytest

from botpit.io.connection import GRACE_S
from botpit.io.server import Connection, Server, serve
from botpit.settings import ServerSettings

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
HEADERS = {
    "Host": "127.0.0.1",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
MASK = b"\xa5\x5a\x0f\xf0"
LIMIT = 65_536
"""Bytes of the longest message that is taken."""
GIVE_UP_S = 20.0
"""A test that takes longer has failed."""


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Any:
    """Makes a test of a coroutine, run on asyncio's loop and on uvloop; nothing may reach the
    loop's exception handler.
    """

    def run(loop: str, **arguments: Any) -> None:
        loops = asyncio if loop == "asyncio" else pytest.importorskip("uvloop")
        unhandled: list[Any] = []
        with asyncio.Runner(loop_factory=loops.new_event_loop) as runner:
            runner.get_loop().set_exception_handler(
                lambda loop, context: unhandled.append(context)
            )
            runner.run(asyncio.wait_for(test(**arguments), GIVE_UP_S))
        assert not unhandled, unhandled

    own = inspect.signature(test)
    first = inspect.Parameter("loop", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = own.replace(parameters=[first, *own.parameters.values()])
    run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
    return pytest.mark.parametrize("loop", ["asyncio", "uvloop"])(run)


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    reserved: int = 0,
    masked: bool = True,
) -> bytes:
    """One frame as a client sends it."""
    first = bytes((final << 7 | reserved << 4 | opcode,))
    if not masked:
        return first + size_field(len(payload), masked=False) + payload
    return (
        first
        + size_field(len(payload))
        + MASK
        + bytes(byte ^ MASK[i % 4] for i, byte in enumerate(payload))
    )


def size_field(size: int, *, width: int = 0, masked: bool = True) -> bytes:
    """The length of a payload: as short as may be, or in `width` bytes (2 or 8)."""
    width = width or (0 if size < 126 else 2 if size < 65_536 else 8)
    if not width:
        return bytes((masked << 7 | size,))
    return bytes((masked << 7 | {2: 126, 8: 127}[width],)) + size.to_bytes(width, "big")


def text(payload: str | bytes, **how: Any) -> bytes:
    return frame(TEXT, payload.encode() if isinstance(payload, str) else payload, **how)


def request(
    target: str, *, method: str = "GET", version: str = "1.1", **headers: str | None
) -> bytes:
    """A request to become a WebSocket. A header of None is left out; `_` in a name stands for `-`."""
    fields = HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([f"{method} {target} HTTP/{version}", *lines, "", ""]).encode(
        "utf-8", "surrogateescape"
    )


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    return frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason)


def close_code(answer: tuple[int, bytes]) -> int:
    """The code of a close frame; 1005 when it has none."""
    opcode, payload = answer
    assert opcode == CLOSE, answer
    return int.from_bytes(payload[:2], "big") if payload else 1005


class Listener:
    """A Peer that keeps what it hears and answers `heard …` at the end of the turn, as the exchange does."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.heard: list[bytes] = []
        self.times_lost = 0
        self.gone = asyncio.Event()
        self._something = asyncio.Event()

    def received(self, message: bytes) -> None:
        self.heard.append(message)
        self._something.set()
        asyncio.get_running_loop().call_soon(self.connection.send, [b"heard %d" % len(message)])

    def lost(self) -> None:
        self.times_lost += 1
        self.gone.set()

    async def hears(self) -> bytes:
        """The next message that is heard from now on."""
        self._something.clear()
        await self._something.wait()
        return self.heard[-1]


class ServerUnderTest:
    """A server on a free port and the peers of its connections, in order."""

    def __init__(self) -> None:
        self.peers: list[Any] = []
        self.clients: list[RawClient] = []
        self.server: Server
        self.connect: Callable[[Connection], Any]
        self.failure_expected = False

    @property
    def peer(self) -> Listener:
        return self.peers[-1]

    async def open(self, **headers: str) -> RawClient:
        """A client that has its handshake behind it."""
        client = await self.dial()
        status, _, _ = await client.asks("/", **headers)
        assert status == 101, status
        return client

    async def dial(self) -> RawClient:
        """A client that has sent nothing yet."""
        self.clients.append(
            RawClient(*await asyncio.open_connection("127.0.0.1", self.server.port))
        )
        return self.clients[-1]


@asynccontextmanager
async def house(
    peer: Callable[[Connection], Any] = Listener,
    health: Callable[[], dict[str, object]] = lambda: {"state": "open"},
    grace_s: float = GRACE_S,
    **settings: float,
) -> AsyncIterator[ServerUnderTest]:
    """Serve while the block runs; after it every peer was lost once, and none raised unless the
    block expects it.
    """
    here = ServerUnderTest()

    def connect(connection: Connection) -> Any:
        here.peers.append(peer(connection))
        return here.peers[-1]

    here.connect = connect
    here.server = await serve("127.0.0.1", 0, connect, ServerSettings(**settings), health)
    with patch("botpit.io.connection.GRACE_S", grace_s):
        try:
            yield here
        finally:
            for client in here.clients:
                client.writer.close()
            await here.server.close()
    assert not here.server.connections and not here.server.per_address
    assert [each.times_lost for each in here.peers] == [1] * len(here.peers)
    if here.server.failed.done() and not here.failure_expected:
        await here.server.failed


class RawClient:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def asks(self, target: str, **how: str | None) -> tuple[int, str, bytes]:
        """(status, headers, body) of the answer to `request(target, …)`."""
        self.sends(request(target, **how))
        return await self.answer()

    async def answer(self) -> tuple[int, str, bytes]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status = int(head.split()[1])
        return status, head, b"" if status == 101 else await self.reader.read()

    def sends(self, *pieces: bytes) -> None:
        self.writer.write(b"".join(pieces))

    async def sends_byte_by_byte(self, data: bytes) -> None:
        for byte in data:
            self.writer.write(bytes((byte,)))
            await asyncio.sleep(0)

    async def gets(self) -> tuple[int, bytes]:
        """(opcode, payload) of the next frame."""
        first, size = await self.reader.readexactly(2)
        assert first & 0x70 == 0 and first & 0x80 and size < 128, (
            "a server's frame is whole, unmasked and plain"
        )
        if size > 125:
            least, width = (126, 2) if size == 126 else (65_536, 8)
            size = int.from_bytes(await self.reader.readexactly(width), "big")
            assert size >= least, "a length takes no more bytes than need be"
        return first & 15, await self.reader.readexactly(size)

    async def gets_all(self) -> list[tuple[int, bytes]]:
        """Every frame until the server ends the stream, between two frames and without a reset.
        Closes the socket.
        """
        got = []
        try:
            while True:
                got.append(await self.gets())
        except asyncio.IncompleteReadError as end:
            assert not end.partial, end.partial
        self.writer.close()
        return got

    async def reaches_the_end(self) -> None:
        """Wait for the end of the stream, however it comes."""
        with suppress(ConnectionError):
            await self.reader.read()
        self.writer.close()


async def health_of(here: ServerUnderTest, **headers: str | None) -> tuple[int, Any]:
    status, _, body = await (await here.dial()).asks(
        "/healthz", Upgrade=None, Connection=None, **headers
    )
    return status, json.loads(body) if status == 200 else body
