"""A port of this test's own, on which a function says whatever the test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from websockets.asyncio.server import ServerConnection, serve


@asynccontextmanager
async def fake_port(
    speak: Callable[[ServerConnection], Awaitable[None]], port: int = 0
) -> AsyncIterator[str]:
    """Let it speak with each client until the block ends; the address, on a free port if none is named."""
    async with serve(speak, "127.0.0.1", port) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
