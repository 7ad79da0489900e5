"""An independent recorder: a plain client of the event stream, which shares no code with what is proven."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


class Recorder(ABC):
    """Takes every message, from before the first order on. `subscription`: what it asks for, if anything."""

    subscription = ""

    def __init__(self) -> None:
        self._more = asyncio.Event()

    @abstractmethod
    def take(self, message: dict[str, Any]) -> None:
        """The next message."""

    async def record(self, uri: str) -> None:
        """Until the exchange closes the stream."""
        async with connect(uri, max_size=None) as stream:
            if self.subscription:
                await stream.send(self.subscription)
            with suppress(ConnectionClosed):
                async for text in stream:
                    self.take(json.loads(text))
                    self._more.set()

    async def until(self, is_enough: Callable[[], bool], within_s: float) -> None:
        """Wait until that is so; it is asked after each message. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while not is_enough():
                self._more.clear()
                await self._more.wait()
