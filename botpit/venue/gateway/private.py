"""Each trader's private events as they were sent, for a login that asks for what it missed.

There are half a million of them and most are never asked for, so they are packed (wire/packed.py),
a page of a trader at a time, and written out as messages only for somebody who missed them.
"""

from __future__ import annotations

from collections import deque

from botpit.wire.encode import Encoder
from botpit.wire.packed import Kept, Page, PastMessage, pack, unpack

MAX_EVENTS_PER_TRADER = 10_000
MAX_EVENTS = 500_000
"""Over all traders: the last ones. A page is forgotten when all of it is older."""
PAGE = 32
"""So many events of a trader are packed together; fewer, the newest, wait for it."""


class _Events:
    """What is kept of one trader: full pages, oldest first, and the newest events. `dropped` pages
    have gone before their time, by the trader's own bound.
    """

    __slots__ = ("dropped", "newest", "pages")

    def __init__(self) -> None:
        self.pages: list[Page] = []
        self.newest: list[Kept] = []
        self.dropped = 0

    def close_page(self) -> None:
        """Pack the newest events."""
        self.pages.append(pack(self.newest))
        self.newest.clear()

    def count(self) -> int:
        return len(self.pages) * PAGE + len(self.newest)

    def last(self, count: int) -> list[Kept]:
        pages = -(-(count - len(self.newest)) // PAGE)
        events: list[Kept] = []
        for page in self.pages[len(self.pages) - pages :] if pages > 0 else ():
            events += unpack(page)
        return (events + self.newest)[-count:]


class PrivateEventBuffer:
    """The last private events of every trader."""

    def __init__(
        self,
        encoder: Encoder,
        per_trader: int = MAX_EVENTS_PER_TRADER,
        in_all: int = MAX_EVENTS,
    ) -> None:
        self._encoder = encoder
        self._by_trader: dict[str, _Events] = {}
        # (how many events there had been with it, whose it is)
        self._pages: deque[tuple[int, _Events]] = deque()
        self._count = 0
        self._per_trader = per_trader
        self._in_all = in_all

    def append(self, trader: str, event: Kept) -> None:
        events = self._by_trader.get(trader)
        if events is None:
            events = self._by_trader[trader] = _Events()
        events.newest.append(event)
        self._count += 1
        if len(events.newest) == PAGE:
            self._close_page(events)

    def _close_page(self, events: _Events) -> None:
        """Pack a page of a trader, and forget those that have become too many or too old."""
        events.close_page()
        self._pages.append((self._count, events))
        if events.count() - PAGE >= self._per_trader:
            del events.pages[0]
            events.dropped += 1
        while self._count - self._pages[0][0] >= self._in_all:
            _, oldest = self._pages.popleft()
            if oldest.dropped:
                oldest.dropped -= 1
            else:
                del oldest.pages[0]

    def after(self, trader: str, account_seq: int, newest: int) -> list[bytes] | None:
        """The trader's events after `account_seq` up to `newest`; None when some are no longer kept."""
        missing = newest - account_seq
        if not missing:
            return []
        events = self._by_trader.get(trader)
        if events is None or missing > min(events.count(), self._per_trader):
            return None
        return list(map(self._message, events.last(missing)))

    def _message(self, event: Kept) -> bytes:
        if isinstance(event, PastMessage):
            return event.message
        return self._encoder.event(event, "own")
