"""One instrument's order book: price levels in a dict, their prices in a sorted list, the orders of a level
doubly linked.

Cancelling is O(1), a new level O(log levels). Each side is written once: `sign` is +1 for bids and -1 for
asks, and a price times its side's sign is its *rank*: a better price always has the greater rank, so the best
one stands last in the list.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from botpit.core.commands import BUY, SELL
from botpit.core.orders import OrderRecord


class Level:
    """The orders at one price, first come first."""

    __slots__ = ("first", "last", "price", "qty")

    def __init__(self, price: int) -> None:
        self.price = price
        self.qty = 0
        self.first: OrderRecord | None = None
        self.last: OrderRecord | None = None

    def __iter__(self) -> Iterator[OrderRecord]:
        order = self.first
        while order is not None:
            yield order
            order = order.next


class BookSide:
    """One side of the book. `ranks` ascend, so the best is last."""

    __slots__ = ("levels", "ranks", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.ranks: list[int] = []
        self.levels: dict[int, Level] = {}

    def best(self) -> int | None:
        """The best price, in ticks."""
        return self.ranks[-1] * self.sign if self.ranks else None

    def __iter__(self) -> Iterator[Level]:
        """Levels, best first."""
        for rank in reversed(self.ranks):
            yield self.levels[rank * self.sign]

    def top(self, depth: int) -> list[tuple[int, int]]:
        """The best `depth` levels as (price, qty), best first."""
        sign, levels = self.sign, self.levels
        return [
            (rank * sign, levels[rank * sign].qty) for rank in self.ranks[: -depth - 1 : -1]
        ]

    def qty_at(self, price: int) -> int:
        level = self.levels.get(price)
        return level.qty if level else 0

    def add(self, order: OrderRecord) -> None:
        """Put the order last in the queue of its price."""
        price = order.price
        level = self.levels.get(price)
        if level is None:
            level = self.levels[price] = Level(price)
            insort(self.ranks, price * self.sign)
        order.previous = level.last
        if level.last is None:
            level.first = order
        else:
            level.last.next = order
        level.last = order
        level.qty += order.leaves

    def remove(self, order: OrderRecord) -> None:
        """Take the order out; it drops its links, so it keeps no other order alive."""
        level = self.levels[order.price]
        before, after = order.previous, order.next
        if before is None:
            level.first = after
        else:
            before.next = after
        if after is None:
            level.last = before
        else:
            after.previous = before
        order.previous = order.next = None
        level.qty -= order.leaves
        if level.first is None:
            self._drop(level)

    def capture(self) -> list[list[object]]:
        """[trader, order id] in order of priority."""
        return [[record.order.trader, record.id] for level in self for record in level]

    def _drop(self, level: Level) -> None:
        del self.levels[level.price]
        rank = level.price * self.sign
        if self.ranks[-1] == rank:
            self.ranks.pop()
        else:
            del self.ranks[bisect_left(self.ranks, rank)]


class Book:
    """Both sides of one instrument."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        self.bids = BookSide(BUY)
        self.asks = BookSide(SELL)

    def side(self, sign: int) -> BookSide:
        return self.bids if sign == BUY else self.asks
