"""One instrument's market: its book, its last trade and its mark price."""

from __future__ import annotations

from botpit.exchange.book import Book
from botpit.exchange.instrument import Instrument


class Market:
    """The mark only moves at Ticks, so every command between two Ticks sees one mark (RULES.md, Mark price)."""

    __slots__ = ("band_high", "band_low", "book", "instrument", "last_qty", "last_time_ns", "last_trade", "mark")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.book = Book()
        self.last_trade: int | None = None
        self.last_qty = 0
        self.last_time_ns = 0
        self.set_mark(instrument.reference_price)

    def set_mark(self, mark: int) -> None:
        self.mark = mark
        self.band_low, self.band_high = self.instrument.band(mark)

    def traded(self, price: int, qty: int, now_ns: int) -> None:
        self.last_trade, self.last_qty, self.last_time_ns = price, qty, now_ns

    def next_mark(self) -> int:
        """Where the next Tick puts the mark: towards the target, by at most the largest move."""
        most = self.instrument.largest_mark_move(self.mark)
        return min(max(self._target(), self.mark - most), self.mark + most)

    def _target(self) -> int:
        """The last trade kept within the quotes; a missing side binds at the mark, so an empty book cannot be painted."""
        bid, ask = self.book.bids.best(), self.book.asks.best()
        if self.last_trade is None:
            return self.mark if bid is None or ask is None else (bid + ask) // 2
        lowest = bid if bid is not None else self.mark if ask is None else min(self.mark, ask)
        highest = ask if ask is not None else self.mark if bid is None else max(self.mark, bid)
        return min(max(self.last_trade, lowest), highest)
