"""A market as its feed shows it: messages in, the present state of books, positions and accounts out.

The monitor, the bots, a battle and the tests fold the same stream with this one class, so what a strategy
sees and what the screen shows cannot drift apart. Which messages are to be believed is the business of a feed
session (`feed_session.py`); a mirror takes what that passes on. So one session and one mirror may serve any
number of readers in a process, and where nothing can be lost, as in a simulation, a mirror does without a
session.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from zlib import crc32

from message_schemas import (
    AccountStatus,
    BookDelta,
    BookState,
    BookUpdate,
    Heartbeat,
    InstrumentInfo,
    InsuranceUpdate,
    LastTrade,
    Liquidation,
    MarketStatus,
    Message,
    OrderAdd,
    OrderReduce,
    OrderRemove,
    PositionState,
    PositionUpdate,
    Snapshot,
    Subscribed,
    Trade,
)

Level = tuple[float, int]
"""Price, lots."""
CHECKSUM_LEVELS = 10


@dataclass(slots=True, kw_only=True)
class BookView:
    """One book as of its last message. Sides are (price, lots), best first: the top 10, or all levels for
    book_delta readers."""

    symbol: str
    bids: list[Level] = field(default_factory=list)
    asks: list[Level] = field(default_factory=list)
    mark_price: float
    status: str = "open"
    last_trade: LastTrade | None = None
    book_seq: int = 0
    seq: int = 0

    @property
    def best_bid(self) -> float | None:
        return self.bids[0][0] if self.bids else None

    @property
    def best_ask(self) -> float | None:
        return self.asks[0][0] if self.asks else None

    @property
    def mid_price(self) -> float | None:
        """None while a side is empty; so is `spread`."""
        if not self.bids or not self.asks:
            return None
        return (self.bids[0][0] + self.asks[0][0]) / 2

    @property
    def spread(self) -> float | None:
        if not self.bids or not self.asks:
            return None
        return self.asks[0][0] - self.bids[0][0]


class Mirror:
    """The market as the messages so far have it, with the `seq` and the time of the last of them.

    `account_status` and `insurance_cash` are known from their first change on. `positions` are in order of
    their last update, so that a trader's last one has the account's latest cash and equity.
    """

    def __init__(self) -> None:
        self.checksum_failures = 0
        self.last_event_ms: int | None = None
        self._by_deltas = False
        self._forget()

    def _forget(self) -> None:
        self.market_id: str | None = None
        self.seq = 0
        self.instruments: dict[str, InstrumentInfo] = {}
        self.books: dict[str, BookView] = {}
        self.positions: dict[tuple[str, str], PositionState] = {}
        self.account_status: dict[str, str] = {}
        self.insurance_cash: float | None = None

    def fold(self, message: Message) -> bool:
        """Take one message. False: a book is not what its checksum says, so a fresh snapshot is needed."""
        match message:
            case BookUpdate():
                self._book_update(message)
            case PositionUpdate():
                self._position(message)
            case Trade():
                self._trade(message)
            case BookDelta():
                return self._book_delta(message)
            case Snapshot():
                self._restore(message)
            case Subscribed():
                self._by_deltas = "book_delta" in message.channels
            case AccountStatus() | InsuranceUpdate() | MarketStatus():
                self._status(message)
            case Heartbeat() | Liquidation() | OrderAdd() | OrderReduce() | OrderRemove():
                self._note_time(message.seq or 0, message.timestamp)
        return True

    def _restore(self, snapshot: Snapshot) -> None:
        if snapshot.market_id != self.market_id:
            self._forget()
            self.market_id = snapshot.market_id
        self.seq, self.last_event_ms = snapshot.seq, snapshot.timestamp
        self.instruments = {
            instrument.symbol: instrument for instrument in snapshot.instruments
        }
        self.books = {
            symbol: _view(symbol, state, snapshot.seq)
            for symbol, state in snapshot.books.items()
        }
        self.positions = {
            (state.trader_id, state.symbol): state for state in snapshot.positions
        }

    def _note_time(self, seq: int, timestamp: int) -> None:
        self.seq = max(self.seq, seq)
        self.last_event_ms = timestamp

    # ------------------------------------------------------------------------------------------------- events

    def _trade(self, trade: Trade) -> None:
        self._note_time(trade.seq, trade.timestamp)
        book = self.books.get(trade.symbol)
        if book is not None:
            book.last_trade = LastTrade(
                price=trade.price, qty=trade.qty, timestamp=trade.timestamp
            )

    def _position(self, update: PositionUpdate) -> None:
        self._note_time(update.seq, update.timestamp)
        key = update.trader_id, update.symbol
        self.positions.pop(key, None)
        self.positions[key] = update
        if update.symbol in self.books:
            self.books[update.symbol].mark_price = update.mark_price

    def _status(self, event: AccountStatus | InsuranceUpdate | MarketStatus) -> None:
        self._note_time(event.seq or 0, event.timestamp)
        match event:
            case AccountStatus():
                self.account_status[event.trader_id] = event.status
            case InsuranceUpdate():
                self.insurance_cash = event.cash
            case MarketStatus() if event.symbol in self.books:
                self.books[event.symbol].status = event.status

    # -------------------------------------------------------------------------------------------------- views

    def _book_update(self, update: BookUpdate) -> None:
        self._note_time(update.seq, update.timestamp)
        book = self.books.get(update.symbol)
        if book is not None and not self._by_deltas and update.seq >= book.seq:
            book.bids, book.asks, book.seq = list(update.bids), list(update.asks), update.seq

    def _book_delta(self, delta: BookDelta) -> bool:
        self._by_deltas = True
        self._note_time(delta.seq, delta.timestamp)
        book = self.books[delta.symbol]
        _change(book.bids, delta.bids, sign=1)
        _change(book.asks, delta.asks, sign=-1)
        book.book_seq, book.seq = delta.book_seq, delta.seq
        if checksum(book, self.instruments[delta.symbol].tick) == delta.checksum:
            return True
        self.checksum_failures += 1
        return False


def checksum(book: BookView, tick: float) -> int:
    """CRC-32 of the 10 best bids, then the 10 best asks, as `p:q|p:q|…` in integer ticks and lots; 0 for an
    empty book."""
    levels = book.bids[:CHECKSUM_LEVELS] + book.asks[:CHECKSUM_LEVELS]
    return crc32("|".join(f"{round(price / tick)}:{qty}" for price, qty in levels).encode())


def _view(symbol: str, state: BookState, seq: int) -> BookView:
    return BookView(
        symbol=symbol,
        bids=list(state.bids),
        asks=list(state.asks),
        mark_price=state.mark_price,
        status=state.status,
        last_trade=state.last_trade,
        book_seq=state.book_seq,
        seq=seq,
    )


def _change(levels: list[Level], changes: list[Level], *, sign: int) -> None:
    """Set the lots at each price of one side. `sign` is +1 for bids, -1 for asks, so that the list stays best
    first."""
    for price, qty in changes:
        at = bisect_left(levels, -sign * price, key=lambda level: -sign * level[0])
        known = at < len(levels) and levels[at][0] == price
        levels[at : at + known] = [(price, qty)] if qty else []
