"""What a watcher of the feed knows: the mirror, the link's state, how fast things happen and how late he is told.

One object for the screen, for the plain lines and for the JSON lines. Times are monotonic seconds but where a name says that they
are the wall clock's; both are handed in.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass

from msgspec import to_builtins

from botpit.clients.feed_session import FeedSession, Need, request_text
from botpit.clients.mirror import BookView, Mirror
from botpit.clients.statistics import Statistics
from botpit.screen.equity import EquityHistory
from botpit.screen.latency import FeedLatency, Latency
from botpit.screen.standings import Standing, house_words, standings
from botpit.screen.text import decimals_of, foreign, money_text, price_text
from message_schemas import (
    DEFAULT_CHANNELS,
    Error,
    Heartbeat,
    LastTrade,
    Message,
    Resumed,
    Snapshot,
    Subscribed,
    Trade,
    parse_messages,
)

RATE_WINDOW_S = 5.0
RATE_SLOTS = 20
_NO_EVENTS = (Error, Heartbeat, Resumed, Snapshot, Subscribed)


class UnknownSymbol(Exception):
    """The instrument asked for is not in this market; the text names those that are."""


class SlidingRate:
    """How often something happened per second over the last `window_s`, in a fixed number of slots however often that is."""

    def __init__(self, window_s: float = RATE_WINDOW_S, slots: int = RATE_SLOTS) -> None:
        self._window_s = window_s
        self._slots = slots
        self._slot_s = window_s / slots
        self._counts: deque[tuple[int, int]] = deque(maxlen=slots)
        self._first_s: float | None = None

    def note(self, now_s: float, count: int = 1) -> None:
        slot = int(now_s // self._slot_s)
        if self._first_s is None:
            self._first_s = now_s
        if self._counts and self._counts[-1][0] == slot:
            count += self._counts.pop()[1]
        self._counts.append((slot, count))

    def per_second(self, now_s: float) -> float:
        """Before a full window has passed: over the time since the first, but at least one second."""
        if self._first_s is None:
            return 0.0
        oldest = int(now_s // self._slot_s) - self._slots
        recent = sum(count for slot, count in self._counts if slot > oldest)
        return recent / max(1.0, min(self._window_s, now_s - self._first_s))


@dataclass(slots=True, kw_only=True)
class BookSummary:
    """One instrument in a line for scripts."""

    symbol: str
    status: str
    best_bid: float | None
    best_ask: float | None
    spread: float | None
    mid_price: float | None
    mark_price: float
    last_trade: LastTrade | None


@dataclass(slots=True, kw_only=True)
class Summary:
    """The market in one line for scripts. `trade_count` is since the market began, rates are over the last five seconds.

    `liquidations` and `deleveragings` are those told while watching, `unseen_liquidations` of both kinds came before or were
    missed; `insurance_cash` is null until it first changes. `feed_latency_ms` is over the last ten seconds, and null when they
    brought no event. `last_refusal`: why the relay last answered `error`. While not connected, all of the market is as last told.
    """

    uri: str
    connected: bool
    reason: str
    market_id: str | None
    seq: int
    last_event_ms: int | None
    last_event_age_s: float | None
    trade_count: int
    trades_per_s: float
    events_per_s: float
    feed_latency_ms: Latency | None
    liquidations: int
    deleveragings: int
    unseen_liquidations: int
    insurance_cash: float | None
    holes: int
    checksum_failures: int
    unreadable_frames: int
    last_refusal: str | None
    books: list[BookSummary]
    traders: list[Standing]


class Watch:
    """A feed being watched. `symbol`: the instrument to show, None for the first."""

    def __init__(self, uri: str, symbol: str | None = None) -> None:
        self.uri = uri
        self.session = FeedSession(Need.PRESENT, lambda: DEFAULT_CHANNELS)
        self.mirror = Mirror()
        self.statistics = Statistics()
        self.connected = False
        self.reason = "connecting"
        self.unreadable_frames = 0
        self.last_refusal: str | None = None
        self.trades = SlidingRate()
        self.events = SlidingRate()
        self.latency = FeedLatency()
        self.equity = EquityHistory()
        self._symbol = symbol
        self._last_event_s: float | None = None
        self._equity_of: str | None = None

    @property
    def ready(self) -> bool:
        """Whether there was a snapshot, with the chosen instrument in it."""
        return self.mirror.market_id is not None and (self._symbol is None or self._symbol in self.mirror.books)

    @property
    def symbol(self) -> str | None:
        return self._symbol or next(iter(self.mirror.books), None)

    @property
    def book(self) -> BookView | None:
        return self.mirror.books.get(self.symbol) if self.symbol else None

    @property
    def decimals(self) -> int:
        """Of the prices of the shown instrument."""
        instrument = self.mirror.instruments.get(self.symbol or "")
        return decimals_of(instrument.tick) if instrument else 2

    def link_changed(self, connected: bool, reason: str) -> None:
        self.connected, self.reason = connected, reason
        if not connected:
            self.session.lost()

    def opening(self) -> list[str]:
        """What to send first on a new connection: it is answered with a fresh snapshot."""
        self.session.opened()
        return self._texts()

    def ask_again(self) -> list[str]:
        """What to send when a snapshot that is awaited has not come."""
        self.session.overdue()
        return self._texts()

    def _texts(self) -> list[str]:
        return list(map(request_text, self.session.requests()))

    def received(self, frame: bytes, now_s: float, wall_ms: int) -> bool:
        """Fold one frame that came at `now_s`, when the wall clock said `wall_ms`. False: a fresh snapshot is needed.

        Raises ValueError (and counts it) when it is no message of ours, UnknownSymbol when there is no book of `symbol`.
        """
        try:
            messages = parse_messages(frame)
        except ValueError:
            self.unreadable_frames += 1
            raise
        for message in messages:
            self._take(message, now_s)
        self._measure(messages, now_s, wall_ms)
        if self.mirror.market_id is not None and not self.ready:
            raise UnknownSymbol(f"{self.symbol} is not traded at {self.uri}; there are: {', '.join(sorted(self.mirror.books))}")
        return not self.session.requests()

    def last_event_age_s(self, now_s: float) -> float | None:
        return None if self._last_event_s is None else max(0.0, now_s - self._last_event_s)

    def summary(self, now_s: float) -> Summary:
        age_s = self.last_event_age_s(now_s)
        mirror, statistics = self.mirror, self.statistics
        return Summary(
            uri=self.uri,
            connected=self.connected,
            reason=self.reason,
            market_id=mirror.market_id,
            seq=self.session.seq,
            last_event_ms=mirror.last_event_ms,
            last_event_age_s=None if age_s is None else round(age_s, 3),
            trade_count=statistics.trade_count,
            trades_per_s=round(self.trades.per_second(now_s), 1),
            events_per_s=round(self.events.per_second(now_s), 1),
            feed_latency_ms=self.latency.recent(now_s),
            liquidations=statistics.liquidations_by_trader.total(),
            deleveragings=statistics.deleveragings_by_trader.total(),
            unseen_liquidations=statistics.unseen_liquidations,
            insurance_cash=mirror.insurance_cash,
            holes=self.session.holes,
            checksum_failures=mirror.checksum_failures,
            unreadable_frames=self.unreadable_frames,
            last_refusal=self.last_refusal,
            books=[_book_summary(book, mirror.instruments[book.symbol].tick) for book in mirror.books.values()],
            traders=standings(mirror, statistics),
        )

    def json_line(self, now_s: float) -> str:
        """One line of ASCII without its end."""
        return json.dumps(to_builtins(self.summary(now_s)))

    def plain_line(self, now_s: float) -> str:
        """One line for people without a terminal, without its end."""
        state = "CONNECTED" if self.connected else f"DISCONNECTED ({foreign(self.reason)})"
        book = self.book
        if book is None:
            return f"{state} {foreign(self.uri)} waiting for the first snapshot"
        prices = [("bid", book.best_bid), ("ask", book.best_ask), ("mark", book.mark_price)]
        quotes = " ".join(f"{name} {price_text(price, self.decimals)}" for name, price in prices)
        rates = f"trades {self.statistics.trade_count:,} ({self.trades.per_second(now_s):.1f}/s)"
        fund = "".join(f" {word}" for word in house_words(self.mirror, self.statistics))
        return f"{state} {foreign(book.symbol)} {book.status} {quotes} {rates}{fund}{self._leader()}"

    def _leader(self) -> str:
        rows = standings(self.mirror, self.statistics)
        return f" traders {len(rows)} leader {foreign(rows[0].trader_id)} {money_text(rows[0].total_equity)}" if rows else ""

    def _take(self, message: Message, now_s: float) -> None:
        if not isinstance(message, _NO_EVENTS):
            self._last_event_s = now_s
            self.events.note(now_s)
        if isinstance(message, Trade):
            self.trades.note(now_s)
        elif isinstance(message, Error):
            self.last_refusal = message.reason
        if self.session.take(message):
            self.statistics.fold(message)
            if not self.mirror.fold(message):
                self.session.refresh()

    def _measure(self, messages: list[Message], now_s: float, wall_ms: int) -> None:
        newest = next((message for message in reversed(messages) if not isinstance(message, _NO_EVENTS)), None)
        if newest is not None:
            self.latency.note(now_s, wall_ms - newest.timestamp)
        if self._equity_of != self.mirror.market_id:
            self._equity_of, self.equity = self.mirror.market_id, EquityHistory()
        if self.mirror.positions and self.equity.is_due(now_s):
            # In the order of their last update, so that of a trader's positions the one with the latest equity counts.
            self.equity.take(now_s, {state.trader_id: state.total_equity for state in self.mirror.positions.values()})


def _book_summary(book: BookView, tick: float) -> BookSummary:
    decimals = decimals_of(tick)
    return BookSummary(
        symbol=book.symbol,
        status=book.status,
        best_bid=book.best_bid,
        best_ask=book.best_ask,
        spread=None if book.spread is None else round(book.spread, decimals),
        mid_price=None if book.mid_price is None else round(book.mid_price, decimals + 1),
        mark_price=book.mark_price,
        last_trade=book.last_trade,
    )
