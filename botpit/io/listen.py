"""Addresses to listen on: reserved before there is a server, handed from one server to the next,
given back at the end.

Whoever dials between two servers is not turned away but waits, because the sockets go on listening.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from socket import AI_PASSIVE, SOCK_STREAM, create_server, socket

from botpit.io.bounds import Bounds
from botpit.io.server import BACKLOG, Connection, Peer, Server, serve

Health = Callable[[], dict[str, object]]
"""What `/healthz` answers."""


class PortError(Exception):
    """An address cannot be listened on. `in_use`: another program does."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(f"cannot listen on {host}:{port}: {error.strerror or error}")
        self.port = port
        self.in_use = error.errno == errno.EADDRINUSE


async def listen(
    host: str,
    port: int,
    connect: Callable[[Connection], Peer],
    bounds: Bounds,
    health: Health,
    sockets: Sequence[socket] = (),
) -> Server:
    """Serve at an address, on the `sockets` that a server before left for this one if there are
    any. Raises PortError.
    """
    with _usable(host, port):
        return await serve(host, port, connect, bounds, health, sockets)


@dataclass(slots=True)
class Endpoint:
    """One address for one server after another; `port` 0 becomes the one that the first server got.

    `sockets` listen there before the first server and between two.
    """

    host: str
    port: int
    sockets: list[socket] = field(default_factory=list)

    async def reserve(self) -> None:
        """Have the port before the server is there. Raises PortError."""
        with _usable(self.host, self.port):
            loop = asyncio.get_running_loop()
            places = await loop.getaddrinfo(
                self.host, self.port, type=SOCK_STREAM, flags=AI_PASSIVE
            )
            self.sockets = [
                create_server(address[:2], family=family, backlog=BACKLOG)
                for family, _, _, _, address in dict.fromkeys(places)
            ]

    async def open(
        self, connect: Callable[[Connection], Peer], bounds: Bounds, health: Health
    ) -> Server:
        """Raises PortError."""
        server = await listen(self.host, self.port, connect, bounds, health, self.sockets)
        self.port, self.sockets = server.port, []
        return server

    async def close(self, server: Server, *, reopening: bool) -> None:
        """Close a server; `reopening`: another one follows, and its sockets are kept for that."""
        if reopening:
            self.sockets = await server.hand_over()
        else:
            await server.close()

    def release(self) -> None:
        """No server follows."""
        for each in self.sockets:
            each.close()


@contextmanager
def _usable(host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PortError(host, port, error) from error
