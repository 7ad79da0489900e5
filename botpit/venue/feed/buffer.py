"""The last public events, as numbered messages: what a reader who comes back can still have."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

from msgspec import Struct

from botpit.core.events import PublicEvent
from botpit.wire.encode import Encoder

TAPE_LENGTH = 100_000
"""Events kept for `resume`."""


class Item(Struct):
    """One message of one channel, as bytes; `full`: the same with the trader named, for `orders_full`, empty elsewhere."""

    channel: str
    symbol: str
    seq: int
    text: bytes
    full: bytes

    def message(self) -> bytes:
        return self.text

    def full_message(self) -> bytes:
        """Empty when there is no such form of it here."""
        return self.full


class Kept(Protocol):
    """A public event as an archive has it; `message` and `full` are anything that `bytes` takes."""

    channel: str
    symbol: str
    seq: int
    message: Any
    full: Any


class Archive(Protocol):
    """What is still there of the events that are on no tape any more."""

    def span(self) -> tuple[int, int]:
        """The first and the last event of what is there without a hole; (1, 0) when nothing is."""

    def since(self, seq: int) -> Iterator[Kept]:
        """Events with this `seq` or a later one, in order and as far as there is no hole."""


class EventItem(Item):
    """An event of the exchange. Its bytes are made when somebody first wants them: most of the past is never asked for."""

    event: PublicEvent
    number: int
    encoder: Encoder

    def message(self) -> bytes:
        if not self.text:
            self.text = self.encoder.public(self.event, self.seq, self.number)
        return self.text

    def full_message(self) -> bytes:
        if not self.full and self.channel == "orders":
            self.full = self.encoder.public(self.event, self.seq, self.number, full=True)
        return self.full


class EventBuffer:
    """The last events in order of `seq`. `oldest_seq`: from where on nothing is missing."""

    def __init__(self, oldest_seq: int = 1, length: int = TAPE_LENGTH) -> None:
        self._items: deque[Item] = deque()
        self._length = length
        self.oldest_seq = oldest_seq

    def append(self, item: Item) -> None:
        """Keep it in its place: last, unless it was lost on the way and comes late."""
        later: list[Item] = []
        while self._items and self._items[-1].seq > item.seq:
            later.append(self._items.pop())
        self.extend([item, *reversed(later)])

    def extend(self, items: list[Item]) -> None:
        """Keep new ones, in order."""
        self._items.extend(items)
        while len(self._items) > self._length:
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
