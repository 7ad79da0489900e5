"""One instrument's market: its book, its last trade and its mark price."""

from __future__ import annotations

from collections import deque
from itertools import islice

from botpit.core.book import Book
from botpit.core.events import TradingStatus
from botpit.core.instrument import Instrument

MAX_RECENT_MOVES = 1_000


class Moves:
    """Which markets' marks or terms have changed, in order: who has worked something out from them brings only that up to date.

    `count` of all changes so far; the markets of the last MAX_RECENT_MOVES are known.
    """

    __slots__ = ("_recent", "count")

    def __init__(self) -> None:
        self.count = 0
        self._recent: deque[Market] = deque(maxlen=MAX_RECENT_MOVES)

    def note(self, market: Market) -> None:
        self.count += 1
        self._recent.append(market)

    def since(self, count: int) -> list[Market] | None:
        """The markets that changed after that many changes, the last one first; None: it is too long ago."""
        number = self.count - count
        return None if number > len(self._recent) else list(islice(reversed(self._recent), number))


class Market:
    """The mark only moves at Ticks, so every command between two Ticks sees one mark (RULES.md, Mark price).

    `marks` is where the mark stood and since when, as far back as a settlement may ask; `index` its place among the instruments;
    `unpublished` is false once every position is known to have been told at this mark. `moves` is one for all markets.
    """

    __slots__ = (
        "band_high", "band_low", "book", "index", "instrument", "last_qty", "last_time_ns", "last_trade", "mark", "marks",
        "moves", "status", "tick_value", "unpublished",
    )

    def __init__(self, instrument: Instrument, index: int, moves: Moves) -> None:
        self.instrument = instrument
        self.moves = moves
        self.tick_value = instrument.tick_value
        self.index = index
        self.book = Book()
        self.status = TradingStatus.OPEN
        self.marks: deque[tuple[int, int]] = deque()
        self.last_trade: int | None = None
        self.last_qty = 0
        self.last_time_ns = 0
        self._put_mark(instrument.reference_price)
        self.unpublished = False

    def is_open(self) -> bool:
        return self.status is TradingStatus.OPEN

    def _put_mark(self, mark: int) -> None:
        self.mark = mark
        self.moves.note(self)
        self.unpublished = True
        self.band_low, self.band_high = self.instrument.band(mark)

    def take_terms(self, instrument: Instrument) -> None:
        """The same instrument on other terms."""
        self.instrument = instrument
        self.moves.note(self)
        self.band_low, self.band_high = instrument.band(self.mark)

    def set_mark(self, mark: int, now_ns: int, keep_ns: int) -> None:
        """Move the mark, and forget where it stood until `keep_ns` ago."""
        self._put_mark(mark)
        self.marks.append((now_ns, mark))
        while len(self.marks) > 1 and self.marks[1][0] <= now_ns - keep_ns:
            self.marks.popleft()

    def restore_marks(self, mark: int, marks: list[tuple[int, int]]) -> None:
        """Put the mark and its past where they were."""
        self._put_mark(mark)
        self.marks = deque(marks)

    def mean_mark(self, now_ns: int, window_ns: int) -> int:
        """The mark's mean over the window, or over what there is of it, weighted by time and rounded down to a tick."""
        until_ns, area, length_ns = now_ns, 0, 0
        for since_ns, mark in reversed(self.marks):
            since_ns = max(since_ns, now_ns - window_ns)
            area += mark * (until_ns - since_ns)
            length_ns += until_ns - since_ns
            until_ns = since_ns
        return area // length_ns if length_ns else self.mark

    def traded(self, price: int, qty: int, now_ns: int) -> None:
        self.last_trade, self.last_qty, self.last_time_ns = price, qty, now_ns

    def next_mark(self) -> int:
        """Where the next Tick puts the mark: towards the target, by at most the largest move; nowhere while trading is
        stopped."""
        if not self.is_open():
            return self.mark
        most = self.instrument.largest_mark_move(self.mark)
        return min(max(self._target(), self.mark - most), self.mark + most)

    def _target(self) -> int:
        """The last trade kept within the quotes; a missing side binds at the mark, so an empty book cannot be painted."""
        bid, ask = self.book.bids.best(), self.book.asks.best()
        if self.last_trade is None:
            return self.mark if bid is None or ask is None else (bid + ask) // 2
        lowest = highest = self.mark
        if bid is not None:
            lowest = bid
        elif ask is not None:
            lowest = min(self.mark, ask)
        if ask is not None:
            highest = ask
        elif bid is not None:
            highest = max(self.mark, bid)
        return min(max(self.last_trade, lowest), highest)
