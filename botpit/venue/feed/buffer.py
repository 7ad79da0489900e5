"""The last public events: what a reader who comes back can still have."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Protocol

from botpit.wire.outgoing import Outgoing

TAPE_LENGTH = 100_000
"""Events kept for `resume`."""


class Archive(Protocol):
    """What is still there of the events that are no longer in the buffer."""

    def span(self) -> tuple[int, int]:
        """The first and the last event of what is there without a hole; (1, 0) when nothing is."""

    def since(self, seq: int) -> Iterator[Outgoing]:
        """Events with this `seq` or a later one, in order and as far as there is no hole."""


class EventBuffer:
    """The last events in order of `seq`. `oldest_seq`: from where on nothing is missing."""

    def __init__(self, oldest_seq: int = 1, length: int = TAPE_LENGTH) -> None:
        self._events: deque[Outgoing] = deque()
        self._length = length
        self.oldest_seq = oldest_seq

    def append(self, event: Outgoing) -> None:
        """Keep it in its place: last, unless it was lost on the way and comes late."""
        later: list[Outgoing] = []
        while self._events and self._events[-1].seq > event.seq:
            later.append(self._events.pop())
        self.extend([event, *reversed(later)])

    def extend(self, events: list[Outgoing]) -> None:
        """Keep new ones, in order."""
        self._events.extend(events)
        while len(self._events) > self._length:
            self.oldest_seq = self._events.popleft().seq + 1

    def clear(self, oldest_seq: int) -> None:
        self._events.clear()
        self.oldest_seq = oldest_seq

    def since(self, seq: int) -> Iterator[Outgoing]:
        """Everything kept with this `seq` or a later one. The buffer must not change while it is read."""
        newest_first: list[Outgoing] = []
        for event in reversed(self._events):
            if event.seq < seq:
                break
            newest_first.append(event)
        return reversed(newest_first)
