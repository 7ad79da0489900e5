"""One outgoing WebSocket connection that reconnects whenever it is lost.

Bots, monitor, exporter and relay all connect through this class, so that backoff, bounds and the clean close
are written once. A link knows nothing of messages: text goes out, frames come in as bytes, and the link's
owner understands them.
"""

from __future__ import annotations

import asyncio
import random
from asyncio import Queue, QueueFull
from collections.abc import Callable, Iterable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidURI, WebSocketException
from websockets.uri import parse_uri

FIRST_BACKOFF_S = 0.1
LONGEST_BACKOFF_S = 2.0
SEND_QUEUE_TEXTS = 1_000
"""Texts that may wait to be written; `send` refuses further ones."""
OPEN_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 1.0
PING_S = 10.0
"""Time between two pings; a peer that leaves one unanswered for as long counts as lost."""


class Link:
    """One connection to one address, reconnected whenever it is lost (backoff 0.1 s doubling to 2 s, with
    jitter).

    `on_open` returns the texts to send first after each connect. `on_frame` gets each frame.
    `on_state(connected, reason)` hears of each connect, each loss and each failed attempt. All three run on
    the event loop, one at a time and never within `send`; an exception of theirs ends `run`. Raises
    ValueError when `uri` is not a ws:// or wss:// address.
    """

    def __init__(
        self,
        uri: str,
        *,
        on_open: Callable[[], Iterable[str]],
        on_frame: Callable[[bytes], None],
        on_state: Callable[[bool, str], None],
        max_frame_bytes: int = 16 * 2**20,
    ) -> None:
        try:
            parse_uri(uri)
        except (InvalidURI, ValueError) as error:
            text = f"{uri!r} is not a WebSocket address: write it like ws://127.0.0.1:9001"
            raise ValueError(text) from error
        self.uri = uri
        self._on_open = on_open
        self._on_frame = on_frame
        self._on_state = on_state
        self._max_frame_bytes = max_frame_bytes
        self._unsent: Queue[str] | None = None

    @property
    def connected(self) -> bool:
        return self._unsent is not None

    def send(self, text: str) -> bool:
        """Queue a text. False when not connected or 1,000 texts wait already; it is then not sent at all."""
        if self._unsent is None:
            return False
        try:
            self._unsent.put_nowait(text)
        except QueueFull:
            return False
        return True

    async def run(self) -> None:
        """Connect, and reconnect after each loss, until cancelled; then close with 1000."""
        loop = asyncio.get_running_loop()
        backoff_s = FIRST_BACKOFF_S
        while True:
            started_s = loop.time()
            reason = await self._one_connection()
            if loop.time() - started_s > LONGEST_BACKOFF_S:
                backoff_s = FIRST_BACKOFF_S
            self._on_state(False, reason)
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))
            backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)

    async def _one_connection(self) -> str:
        """Connect and serve until the connection is lost in whatever way; return the reason."""
        try:
            async with connect(
                self.uri,
                compression=None,
                proxy=None,
                max_size=self._max_frame_bytes,
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=CLOSE_TIMEOUT_S,
                ping_interval=PING_S,
                ping_timeout=PING_S,
            ) as connection:
                return await self._serve(connection)
        except (OSError, WebSocketException) as error:
            return f"{error}" or type(error).__name__

    async def _serve(self, connection: ClientConnection) -> str:
        for text in self._on_open():
            await connection.send(text)
        self._unsent = Queue(SEND_QUEUE_TEXTS)
        writer = asyncio.create_task(_write(connection, self._unsent))
        try:
            self._on_state(True, "connected")
            while True:
                self._on_frame(await connection.recv(decode=False))
        except ConnectionClosed as closed:
            return str(closed)
        finally:
            self._unsent = None
            writer.cancel()
            await asyncio.wait([writer])
            # A cancelled `async with connect(…)` would close with 1011; but leaving is not a failure.
            await connection.close()


async def _write(connection: ClientConnection, unsent: Queue[str]) -> None:
    try:
        while True:
            await connection.send(await unsent.get())
    except ConnectionClosed:
        return  # the reader sees it too, and reports the reason
