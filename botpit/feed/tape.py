"""The last public events, as numbered messages: what a reader who comes back can still have."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from botpit.wire.lazy import LazyMessage

TAPE_LENGTH = 200_000
"""Messages kept for `resume`. An event is at most two of them, so the last 100,000 events are there."""


class Item(LazyMessage):
    """One message of one channel."""

    __slots__ = ("channel", "seq", "symbol")

    def __init__(
        self, channel: str, symbol: str, seq: int, make: Callable[[], bytes] | None = None, message: bytes = b""
    ) -> None:
        super().__init__(make, message)
        self.channel = channel
        self.symbol = symbol
        self.seq = seq


class Tape:
    """The last events in order of `seq`. `oldest_seq`: from where on nothing is missing."""

    def __init__(self, oldest_seq: int = 1, length: int = TAPE_LENGTH) -> None:
        self._items: deque[Item] = deque()
        self._length = length
        self.oldest_seq = oldest_seq

    def append(self, item: Item) -> None:
        self._items.append(item)
        if len(self._items) > self._length:
            self.oldest_seq = self._items.popleft().seq + 1

    def clear(self, oldest_seq: int) -> None:
        self._items.clear()
        self.oldest_seq = oldest_seq

    def since(self, seq: int) -> Iterator[Item]:
        """Everything kept with this `seq` or a later one. The tape must not change while it is read."""
        newest_first: list[Item] = []
        for item in reversed(self._items):
            if item.seq < seq:
                break
            newest_first.append(item)
        return reversed(newest_first)
