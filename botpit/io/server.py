"""The WebSocket servers: `serve` listens; each client is a `Connection` with a `Peer` of its own.

picows parses, everything else is decided here. A `_Door` stands between the event loop and picows: it is a
protocol to the one and a transport to the other. So sockets are counted when they are accepted, not after
their handshake, and whatever picows would write or close by itself after the handshake comes to the
`Connection` first: the one place that decides what a client is sent and when it is closed.

A Peer that raises is our own fault and is not swallowed: the exception goes to `Server.failed`, every
connection is closed with 1011 and nothing more is delivered. A program that serves awaits `failed` beside the
signal to stop, and ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from socket import socket
from typing import Any, cast

from picows import WSAutoPingStrategy, WSUpgradeRequest, WSUpgradeResponseWithListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # its stub leaves WSProtocol out

from botpit.io.bounds import Bounds
from botpit.io.connection import BEHIND_BYTES, Connection, Peer
from botpit.io.frames import MAX_MESSAGE_BYTES, frames
from botpit.io.handshake import Reception

__all__ = ["BACKLOG", "Connection", "Peer", "Server", "frames", "serve"]

BACKLOG = 1_024
"""Sockets that the kernel queues while a whole battle connects at once."""
_CLOCK_STEPS = 10
"""The clock of the pings ticks this often in the shorter of `ping_s` and `pong_s`."""
_READ_BYTES = 16 * 1024
"""One read of a socket; picows' buffer grows beyond it, to less than 128 KiB, only for a longer frame."""
_TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n"
    b"too many connections\n"
)

_silent = logging.Logger("picows", logging.CRITICAL + 1)
_PICOWS_LOG = logging.LoggerAdapter(_silent, {})
"""picows would log several lines about every client, hostile ones too; we log what was decided."""


async def serve(
    host: str,
    port: int,
    connect: Callable[[Connection], Peer],
    settings: Bounds,
    health: Callable[[], dict[str, object]],
    sockets: Sequence[socket] = (),
) -> Server:
    """Listen on `host` and `port` (0: any free one), or on the `sockets` that another server has handed over.

    `connect` makes the Peer of each client after its handshake and may send at once; `health` answers GET
    /healthz. Raises OSError when it cannot listen there.
    """
    server = Server(connect, settings, Reception(host, health))
    await server.listen(host, port, sockets)
    return server


class Server:
    """A listening server. `failed` ends with the exception of a Peer, of `connect` or of `health`.

    `per_address`: how many sockets each address has open.
    """

    def __init__(
        self, connect: Callable[[Connection], Peer], settings: Bounds, reception: Reception
    ) -> None:
        slow_bytes = settings.slow_reader_bytes
        assert slow_bytes >= BEHIND_BYTES, f"a bound of {slow_bytes} bytes for slow readers"
        self.port = 0
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.connect = connect
        self.settings = settings
        self.reception = reception
        self._stopping = False
        self._listeners: list[asyncio.Server] = []
        self._doors: dict[_Door, None] = {}
        self.per_address: Counter[str] = Counter()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def connections(self) -> int:
        """WebSockets that are open now."""
        return sum(door.connection.upgraded for door in self._doors)

    async def listen(self, host: str, port: int, sockets: Sequence[socket] = ()) -> None:
        """Begin. Raises OSError when it cannot listen there."""
        self._loop = asyncio.get_running_loop()
        places: list[dict[str, Any]] = [{"sock": each} for each in sockets]
        for place in places or [{"host": host, "port": port}]:
            listener = await self._loop.create_server(
                lambda: _Door(self), backlog=BACKLOG, **place
            )
            self._listeners.append(listener)
        self.port = self._listeners[0].sockets[0].getsockname()[1]
        self._step_s = min(self.settings.ping_s, self.settings.pong_s) / _CLOCK_STEPS
        self._clock = self._loop.call_later(self._step_s, self._tick)

    async def close(self) -> None:
        """Stop listening, close every connection with 1001, return when all are gone: within GRACE_S."""
        self._stop_listening()
        self._close_all(1001, "stopping")
        await self._empty.wait()

    async def halt(self) -> None:
        """The same with 1011: the market can no longer go on."""
        self._stop_listening()
        self._close_all(1011, "market_halted")
        await self._empty.wait()

    async def hand_over(self) -> list[socket]:
        """The same with 1012, but clients that dial now wait for the next server, given these sockets."""
        sockets = [each.dup() for listener in self._listeners for each in listener.sockets]
        self._stop_listening()
        self._close_all(1012, "reopening")
        await self._empty.wait()
        return sockets

    def _stop_listening(self) -> None:
        self._stopping = True
        self._clock.cancel()
        for listener in self._listeners:
            listener.close()

    def fail(self, error: Exception) -> None:
        """A Peer raised: the state behind the connections cannot be trusted any more."""
        if not self.failed.done():
            self.failed.set_exception(error)
        self._stopping = True
        self._close_all(1011, "internal_error")

    def admit(self, door: _Door) -> bool:
        """Count a new socket; False when its address has its share already, or the server is stopping."""
        is_full = self.per_address[door.address] >= self.settings.max_connections_per_address
        if self._stopping or (is_full and not self._make_room(door.address)):
            return False
        self.per_address[door.address] += 1
        self._doors[door] = None
        self._empty.clear()
        return True

    def forget(self, door: _Door) -> None:
        """An admitted socket is gone."""
        if door not in self._doors:
            return
        del self._doors[door]
        self.per_address[door.address] -= 1
        if not self.per_address[door.address]:
            del self.per_address[door.address]
        if not self._doors:
            self._empty.set()

    def _make_room(self, address: str) -> bool:
        """Drop the address's oldest socket without a handshake: idle sockets must not lock clients out."""
        for door in self._doors:
            if door.address == address and not door.connection.upgraded:
                self.forget(door)
                door.transport.abort()
                return True
        return False

    def _close_all(self, code: int, reason: str) -> None:
        for door in tuple(self._doors):
            if door.connection.upgraded:
                door.connection.close(code, reason)
            else:
                door.transport.abort()

    def _tick(self) -> None:
        """Counts steps, reads no clock: while this process is suspended, its clients are not silent."""
        for door in tuple(self._doors):
            if door.connection.upgraded:
                door.connection.time_passed(self._step_s)
        self._clock = self._loop.call_later(self._step_s, self._tick)


class _Door(asyncio.BufferedProtocol):
    """One accepted socket, until it is gone."""

    connection: Connection
    transport: asyncio.Transport
    _window: memoryview

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser: Any = None

    # ------------------------------------------------------------------------------------- for the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peername = transport.get_extra_info("peername")
        self.address = peername[0] if peername else ""
        # uvloop's do not inherit from it
        self.transport = transport = cast(asyncio.Transport, transport)
        if not self._server.admit(self):
            transport.write(_TOO_MANY)
            transport.close()
            return
        server = self._server
        self.connection = Connection(
            transport, self.address, server.settings, server.connect, server.fail
        )
        self._parser = _parser(self._receive_request, server.settings.handshake_s)
        self._parser.connection_made(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        self._window = self._parser.get_buffer(sizehint)
        return self._window

    def buffer_updated(self, nbytes: int) -> None:
        # picows may move its buffer before it parses, so copy the raw bytes before it gets them.
        if self.connection.arriving(bytes(self._window[:nbytes])):
            self._parser.buffer_updated(nbytes)

    def eof_received(self) -> bool:
        return self.connection.upgraded and self.connection.stream_ended()

    def pause_writing(self) -> None:
        self.connection.behind = True

    def resume_writing(self) -> None:
        self.connection.behind = False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._parser is not None:
            self._server.forget(self)
            self._parser.connection_lost(exc)
            self._parser = (
                None  # a cycle with this door: it would keep 16 KiB until a full collection
            )

    # ------------------------------------------------------------------------------ for picows: its transport

    def get_extra_info(self, name: str) -> Any:
        return self.transport.get_extra_info(name)

    def get_write_buffer_size(self) -> int:
        """Never 0, with which picows would write past its transport, straight to the descriptor."""
        return 1

    def write(self, data: bytes | bytearray) -> None:
        """Write the answer to the handshake.

        After it picows itself writes only a close frame for broken input.
        """
        if not self.connection.upgraded:
            self.transport.write(data)
        else:
            self.connection.broken(int.from_bytes(data[2:4], "big"), bytes(data[4:]).decode())

    def close(self) -> None:
        if not self.connection.upgraded:
            self.transport.close()

    def _receive_request(
        self, request: WSUpgradeRequest
    ) -> Connection | WSUpgradeResponseWithListener:
        """picows' listener factory."""
        try:
            response = self._server.reception.answer(request)
        except Exception as error:
            self._server.fail(error)
            raise
        if response is None:
            return self.connection
        return WSUpgradeResponseWithListener(response, None)


def _parser(receive_request: Callable[[WSUpgradeRequest], object], handshake_s: float) -> Any:
    """picows' parser for one socket, which leaves pings, pongs and the log to us."""
    return WSProtocol(
        host_port=None,
        ws_path=None,
        is_client_side=False,
        ws_listener_factory=receive_request,
        logger=_PICOWS_LOG,
        disconnect_on_exception=True,
        websocket_handshake_timeout=handshake_s,
        enable_auto_ping=False,
        auto_ping_idle_timeout=0,
        auto_ping_reply_timeout=0,
        auto_ping_strategy=WSAutoPingStrategy.PING_WHEN_IDLE,
        enable_auto_pong=False,
        max_frame_size=MAX_MESSAGE_BYTES,
        extra_headers=None,
        read_buffer_init_size=_READ_BYTES,
    )
