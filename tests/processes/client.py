"""A client of a real port, in JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.processes.running import PATIENCE_S


class Client:
    """One socket; `heard` is all that was read from it."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.heard: list[Any] = []

    async def sends(self, *requests: Any) -> None:
        for request in requests:
            await self.connection.send(json.dumps(request))

    async def gets(self) -> Any:
        """The next frame; it must be text."""
        frame = await self.connection.recv()
        assert isinstance(frame, str)
        self.heard.append(json.loads(frame))
        return self.heard[-1]

    async def gets_until(self, kind: str) -> Any:
        while (message := await self.gets())["type"] != kind:
            continue
        return message

    async def asks(self, request: Any) -> Any:
        """The next frame after a request."""
        await self.sends(request)
        return await self.gets()

    async def is_answered(self, request: Any) -> Any:
        """The answer; heartbeats are passed over."""
        answer = await self.asks(request)
        while answer["type"] == "heartbeat":
            answer = await self.gets()
        return answer

    async def is_closed(self) -> int:
        """The code of the close, after all that still came."""
        try:
            while True:
                await self.gets()
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code


@asynccontextmanager
async def client(uri: str) -> AsyncIterator[Client]:
    """Connected until the block ends, which may not take long; it reads as fast as it can."""
    plain = {"compression": None, "proxy": None, "ping_interval": None, "max_queue": None}
    async with asyncio.timeout(PATIENCE_S), connect(uri, **plain) as connection:
        yield Client(connection)
