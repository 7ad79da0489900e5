"""One instrument's market: its book, its phase, its last trade, and where the next Tick moves its mark."""

from __future__ import annotations

from typing import Any

from botpit.core.book import Book
from botpit.core.events import TradingStatus
from botpit.core.instrument import Instrument
from botpit.core.phases import PHASES, Phase
from botpit.core.valuation import Moves, Valuation


class Market(Valuation):
    """`last_trade` is a price in ticks; None: nothing has traded yet."""

    __slots__ = ("book", "last_qty", "last_time_ns", "last_trade", "phase")

    def __init__(self, instrument: Instrument, index: int, moves: Moves) -> None:
        super().__init__(instrument, index, moves)
        self.book = Book()
        self.phase: Phase = PHASES[TradingStatus.OPEN]
        self.last_trade: int | None = None
        self.last_qty = 0
        self.last_time_ns = 0

    @property
    def status(self) -> TradingStatus:
        return self.phase.status

    def traded(self, price: int, qty: int, now_ns: int) -> None:
        self.last_trade, self.last_qty, self.last_time_ns = price, qty, now_ns

    def next_mark(self) -> int:
        """Where the next Tick puts the mark: towards the target, by at most the largest move; nowhere while
        nothing trades."""
        if not self.phase.trades:
            return self.mark
        most = self.instrument.largest_mark_move(self.mark)
        return min(max(self._target(), self.mark - most), self.mark + most)

    def _target(self) -> int:
        """The last trade kept within the quotes; a missing side binds at the mark, lest it be painted."""
        bid, ask = self.book.bids.best(), self.book.asks.best()
        if self.last_trade is None:
            if bid is None or ask is None:
                return self.mark
            return (bid + ask) // 2
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

    # ---------------------------------------------------------------------------------------------- snapshots

    def capture(self) -> dict[str, Any]:
        """Its state as plain values; the orders in its book by trader and id."""
        return {
            "last_trade": self.last_trade, "last_qty": self.last_qty, "last_time_ns": self.last_time_ns,
            "status": self.status.value, "mark": self.mark, "marks": [list(each) for each in self.marks],
            "bids": self.book.bids.capture(), "asks": self.book.asks.capture(),
        }

    def restore(self, values: dict[str, Any]) -> None:
        """Take over all but the book, whose orders come with their accounts."""
        self.last_trade = values["last_trade"]  # None, if nothing has traded yet
        self.last_qty, self.last_time_ns = values["last_qty"], values["last_time_ns"]
        self.phase = PHASES[TradingStatus(values["status"])]
        self.restore_marks(values["mark"], values["marks"])
