"""The client's side of the feed: messages in, a picture of the market out, every hole in the stream noticed.

The monitor, the bots and the tests fold the same stream with this one class, so what a strategy sees and what the screen shows
cannot drift apart. It never asks for anything itself: `apply` says when a fresh snapshot is needed, whoever owns the socket asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass, field
from zlib import crc32

from message_schemas import (
    CHANNEL_OF,
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
FeedEvent = (
    Trade | PositionUpdate | Liquidation | AccountStatus | InsuranceUpdate | MarketStatus | OrderAdd | OrderReduce | OrderRemove
)
"""What carries a `channel_seq`."""

CHECKSUM_LEVELS = 10


@dataclass(slots=True, kw_only=True)
class BookView:
    """One book as last told. Sides are (price, lots), best first: the top 10, or all levels for book_delta readers."""

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
        return (self.bids[0][0] + self.asks[0][0]) / 2 if self.bids and self.asks else None

    @property
    def spread(self) -> float | None:
        return self.asks[0][0] - self.bids[0][0] if self.bids and self.asks else None


class Mirror:
    """The market as the messages so far tell it; of the last `tape_length` trades and liquidations it keeps each.

    `trade_count` and `liquidation_count` (deleveragings among them) count the whole market, since the snapshot says how many came
    before us; `volume` in lots and what is counted by trader were told to this mirror. A trader's volume counts on both sides
    of a trade, his maker volume where his order was there first. `account_status` and `insurance_cash` are known from their first
    change on. `positions` are in order of their last update: a trader's last one has the account's latest cash and equity.
    `waiting` is true from a noticed hole, and from the start, until the next snapshot.
    """

    def __init__(self, tape_length: int = 100) -> None:
        self.tape_length = tape_length
        self.holes = 0
        self.checksum_failures = 0
        self.last_event_ms: int | None = None
        self._by_deltas = False
        self._forget()

    @property
    def unseen_liquidations(self) -> int:
        """Liquidations and deleveragings of this market that this mirror was not told."""
        return self.liquidation_count - self.liquidations_by_trader.total() - self.deleveragings_by_trader.total()

    def apply(self, message: Message) -> bool:
        """Fold one message. False when a hole or a bad checksum was noticed: ask for a fresh snapshot (once per hole)."""
        match message:
            case Snapshot():
                self._restore(message)
            case Subscribed():
                self._by_deltas = "book_delta" in message.channels
            case _ if self.market_id is None:
                return True
            case BookUpdate():
                self._book_update(message)
            case BookDelta():
                return self._book_delta(message)
            case Heartbeat():
                self._note_time(message.seq or 0, message.timestamp)
            case _ if isinstance(message, FeedEvent):
                return self._event(message)
        return True

    def _forget(self) -> None:
        self.market_id: str | None = None
        self.seq = 0
        self.waiting = True
        self.instruments: dict[str, InstrumentInfo] = {}
        self.books: dict[str, BookView] = {}
        self.positions: dict[tuple[str, str], PositionState] = {}
        self.account_status: dict[str, str] = {}
        self.insurance_cash: float | None = None
        self.tape: deque[Trade] = deque(maxlen=self.tape_length)
        self.liquidations: deque[Liquidation] = deque(maxlen=self.tape_length)
        self.trade_count = 0
        self.volume = 0
        self.trades_by_trader: Counter[str] = Counter()
        self.volume_by_trader: Counter[str] = Counter()
        self.maker_volume_by_trader: Counter[str] = Counter()
        self.liquidation_count = 0
        self.liquidations_by_trader: Counter[str] = Counter()
        self.deleveragings_by_trader: Counter[str] = Counter()
        self._channel_seq: dict[tuple[str, str], int] = {}
        self._included_seq = 0

    def _restore(self, snapshot: Snapshot) -> None:
        if snapshot.market_id != self.market_id:
            self._forget()
            self.market_id = snapshot.market_id
        # A market recovered after a crash may go on from a lower number under the same id, so the snapshot's word is final.
        self.seq = self._included_seq = snapshot.seq
        self.last_event_ms = snapshot.timestamp
        self.instruments = {instrument.symbol: instrument for instrument in snapshot.instruments}
        self.books = {symbol: _view(symbol, state, snapshot.seq) for symbol, state in snapshot.books.items()}
        self.positions = {(state.trader_id, state.symbol): state for state in snapshot.positions}
        counts = snapshot.channel_seq
        self._channel_seq = {(channel, symbol): n for channel, by_symbol in counts.items() for symbol, n in by_symbol.items()}
        self.trade_count = sum(counts.get("trades", {}).values())
        # What else the channel brings has no symbol.
        self.liquidation_count = sum(n for symbol, n in counts.get("liquidations", {}).items() if symbol)
        self.waiting = False

    def _note_time(self, seq: int, timestamp: int) -> None:
        self.seq = max(self.seq, seq)
        self.last_event_ms = timestamp

    def _hole(self) -> bool:
        """Count a hole and wait; True if the caller knows already, since whatever comes next is before the awaited snapshot."""
        self.holes += 1
        told, self.waiting = self.waiting, True
        return told

    # ------------------------------------------------------------------------------------------------------------- events

    def _event(self, event: FeedEvent) -> bool:
        key = _channel(event), getattr(event, "symbol", "")
        number, last = event.channel_seq, self._channel_seq.get(key, 0)
        if number:
            if number <= last:
                return True
            self._channel_seq[key] = number
            if event.seq is not None and event.seq <= self._included_seq:
                return True
        self._note_time(event.seq or 0, event.timestamp)
        self._fold(event)
        return not number or number == last + 1 or self._hole()

    def _fold(self, event: FeedEvent) -> None:
        match event:
            case Trade():
                self._trade(event)
            case PositionUpdate():
                self._position(event)
            case Liquidation():
                self._liquidation(event)
            case AccountStatus():
                self.account_status[event.trader_id] = event.status
            case InsuranceUpdate():
                self.insurance_cash = event.cash
            case MarketStatus() if event.symbol in self.books:
                self.books[event.symbol].status = event.status

    def _trade(self, trade: Trade) -> None:
        self.tape.append(trade)
        self.trade_count += 1
        self.volume += trade.qty
        for trader_id in (trade.buy_trader_id, trade.sell_trader_id):
            self.trades_by_trader[trader_id] += 1
            self.volume_by_trader[trader_id] += trade.qty
        if trade.aggressor_side is not None:
            maker = trade.sell_trader_id if trade.aggressor_side == "buy" else trade.buy_trader_id
            self.maker_volume_by_trader[maker] += trade.qty
        if trade.symbol in self.books:
            last = LastTrade(price=trade.price, qty=trade.qty, timestamp=trade.timestamp)
            self.books[trade.symbol].last_trade = last

    def _liquidation(self, event: Liquidation) -> None:
        self.liquidations.append(event)
        self.liquidation_count += 1
        by_trader = self.deleveragings_by_trader if event.reason == "auto_deleverage" else self.liquidations_by_trader
        by_trader[event.trader_id] += 1

    def _position(self, update: PositionUpdate) -> None:
        key = update.trader_id, update.symbol
        self.positions.pop(key, None)
        self.positions[key] = update
        if update.symbol in self.books:
            self.books[update.symbol].mark_price = update.mark_price

    # -------------------------------------------------------------------------------------------------------------- views

    def _book_update(self, update: BookUpdate) -> None:
        self._note_time(update.seq, update.timestamp)
        book = self.books.get(update.symbol)
        if book is not None and not self._by_deltas and update.seq >= book.seq:
            book.bids, book.asks, book.seq = list(update.bids), list(update.asks), update.seq

    def _book_delta(self, delta: BookDelta) -> bool:
        self._by_deltas = True
        self._note_time(delta.seq, delta.timestamp)
        book = self.books.get(delta.symbol)
        if book is None or self.waiting or delta.book_seq <= book.book_seq:
            return True
        if delta.prev_book_seq != book.book_seq:
            return self._hole()
        _change(book.bids, delta.bids, sign=1)
        _change(book.asks, delta.asks, sign=-1)
        book.book_seq, book.seq = delta.book_seq, delta.seq
        if checksum(book, self.instruments[delta.symbol].tick) == delta.checksum:
            return True
        self.checksum_failures += 1
        self.waiting = True
        return False


def checksum(book: BookView, tick: float) -> int:
    """CRC-32 of the 10 best bids, then the 10 best asks, as `p:q|p:q|…` in integer ticks and lots; 0 for an empty book."""
    levels = book.bids[:CHECKSUM_LEVELS] + book.asks[:CHECKSUM_LEVELS]
    return crc32("|".join(f"{round(price / tick)}:{qty}" for price, qty in levels).encode())


def _channel(event: FeedEvent) -> str:
    channel = CHANNEL_OF[type(event)]
    return "orders_full" if channel == "orders" and getattr(event, "trader_id", None) is not None else channel


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
    """Set the lots at each price of one side. `sign` is +1 for bids, -1 for asks, so that the list stays best first."""
    for price, qty in changes:
        at = bisect_left(levels, -sign * price, key=lambda level: -sign * level[0])
        known = at < len(levels) and levels[at][0] == price
        levels[at : at + known] = [(price, qty)] if qty else []
