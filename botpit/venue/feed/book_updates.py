"""Which books changed since their last update was published, and when the next one is due.

A book has at most 20 updates a second. When many books change they share 2,000 a second, so that a
market of a thousand instruments costs its readers no more than one of a hundred. The last state of
a book is always published.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

INTERVAL_NS = 50_000_000
"""Between two updates of one book, at least."""
MAX_PER_S = 2_000
"""Of all books together, in the long run."""
SHARE_NS = 1_000_000_000 // MAX_PER_S
"""The interval grows to so much for each book that waits."""
_NEVER_NS = -(10**18)
"""When a book was published that never was: long before any clock."""


class BookUpdates:
    """The symbols whose books changed; first those whose last update is the oldest."""

    def __init__(self, symbols: Iterable[str]) -> None:
        self._places = {symbol: place for place, symbol in enumerate(symbols)}
        self._published_ns: dict[str, int] = {}
        self._waiting: set[str] = set()
        self._in_order: list[tuple[int, int, str]] = []

    def changed(self, symbol: str) -> None:
        if symbol not in self._waiting:
            self._waiting.add(symbol)
            heappush(
                self._in_order,
                (self._published_ns.get(symbol, _NEVER_NS), self._places[symbol], symbol),
            )

    def pop_due(self, now_ns: int) -> list[str]:
        """Those to be published now, in the order of the market's instruments."""
        due: list[str] = []
        until_ns = now_ns - self._interval_ns()
        while self._in_order and self._in_order[0][0] <= until_ns:
            symbol = heappop(self._in_order)[2]
            self._waiting.remove(symbol)
            self._published_ns[symbol] = now_ns
            due.append(symbol)
        due.sort(key=self._places.__getitem__)
        return due

    def next_due_ns(self) -> int | None:
        """When `pop_due` has something; None: no book waits."""
        if not self._in_order:
            return None
        return self._in_order[0][0] + self._interval_ns()

    def _interval_ns(self) -> int:
        return max(INTERVAL_NS, len(self._waiting) * SHARE_NS)
