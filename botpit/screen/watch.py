"""What a watcher of the feed knows: the market's mirror, the link's state, rates and latency.

One object serves the screen, the plain lines and the JSON lines. Times are monotonic seconds unless a name
says `wall`; both are handed in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from msgspec import to_builtins

from botpit.clients.feed_session import FeedSession, Need, request_text
from botpit.clients.mirror import BookView, Mirror
from botpit.clients.statistics import Statistics
from botpit.screen.equity import EquityHistory
from botpit.screen.latency import FeedLatency, Latency
from botpit.screen.rates import SlidingRate
from botpit.screen.standings import Standing, fund_words, standings
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

_NO_EVENTS = (Error, Heartbeat, Resumed, Snapshot, Subscribed)


class UnknownSymbol(Exception):
    """The chosen instrument is not traded in this market; the text names those that are."""


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
    """The market in one line for scripts. `trade_count` is since the market began, rates are over the last
    five seconds.

    `liquidations` and `deleveragings` count what came while watching; `unseen_liquidations`, of both kinds,
    came before or were missed. `insurance_cash` is null until it first changes. `feed_latency_ms` is over the
    last ten seconds, null when they brought no event. `last_refusal` is the reason of the relay's last
    `error`. While disconnected, the market is as last received.
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
    """A watched feed. `symbol` is the instrument to show, None for the first."""

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
        """Whether a snapshot has come with the chosen instrument in it."""
        if self.mirror.market_id is None:
            return False
        return self._symbol is None or self._symbol in self.mirror.books

    @property
    def symbol(self) -> str | None:
        return self._symbol or next(iter(self.mirror.books), None)

    @property
    def book(self) -> BookView | None:
        return self.mirror.books.get(self.symbol or "")

    @property
    def decimals(self) -> int:
        """The decimals of the shown instrument's prices."""
        instrument = self.mirror.instruments.get(self.symbol or "")
        if instrument is None:
            return 2
        return decimals_of(instrument.tick)

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
        """Fold in one frame that came at `now_s`, at `wall_ms` on the wall clock. False: a fresh snapshot is
        needed.

        Raises ValueError, and counts the frame, when it is not a message of this protocol, and UnknownSymbol
        when there is no book of `symbol`.
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
            traded = ", ".join(sorted(self.mirror.books))
            raise UnknownSymbol(
                f"{self.symbol} is not traded at {self.uri}; there are: {traded}"
            )
        return not self.session.requests()

    def last_event_age_s(self, now_s: float) -> float | None:
        """None before the first event."""
        if self._last_event_s is None:
            return None
        return max(0.0, now_s - self._last_event_s)

    def summary(self, now_s: float) -> Summary:
        mirror, statistics = self.mirror, self.statistics
        return Summary(
            uri=self.uri,
            connected=self.connected,
            reason=self.reason,
            market_id=mirror.market_id,
            seq=self.session.seq,
            last_event_ms=mirror.last_event_ms,
            last_event_age_s=_rounded(self.last_event_age_s(now_s), 3),
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
            books=[self._book_summary(book) for book in mirror.books.values()],
            traders=standings(mirror, statistics),
        )

    def _book_summary(self, book: BookView) -> BookSummary:
        decimals = decimals_of(self.mirror.instruments[book.symbol].tick)
        return BookSummary(
            symbol=book.symbol,
            status=book.status,
            best_bid=book.best_bid,
            best_ask=book.best_ask,
            spread=_rounded(book.spread, decimals),
            mid_price=_rounded(book.mid_price, decimals + 1),
            mark_price=book.mark_price,
            last_trade=book.last_trade,
        )

    def json_line(self, now_s: float) -> str:
        """One line of ASCII without its end."""
        return json.dumps(to_builtins(self.summary(now_s)))

    def plain_line(self, now_s: float) -> str:
        """One line for people without a terminal, without its end."""
        return " ".join(self._words(now_s))

    def _words(self, now_s: float) -> Iterator[str]:
        yield "CONNECTED" if self.connected else f"DISCONNECTED ({foreign(self.reason)})"
        book = self.book
        if book is None:
            yield f"{foreign(self.uri)} waiting for the first snapshot"
            return
        yield f"{foreign(book.symbol)} {book.status}"
        yield f"bid {price_text(book.best_bid, self.decimals)}"
        yield f"ask {price_text(book.best_ask, self.decimals)}"
        yield f"mark {price_text(book.mark_price, self.decimals)}"
        trades_per_s = self.trades.per_second(now_s)
        yield f"trades {self.statistics.trade_count:,} ({trades_per_s:.1f}/s)"
        yield from fund_words(self.mirror, self.statistics)
        if rows := standings(self.mirror, self.statistics):
            leader = rows[0]
            yield f"traders {len(rows)} leader {foreign(leader.trader_id)} {money_text(leader.total_equity)}"

    def _take(self, message: Message, now_s: float) -> None:
        if not isinstance(message, _NO_EVENTS):
            self._last_event_s = now_s
            self.events.note(now_s)
        if isinstance(message, Trade):
            self.trades.note(now_s)
        elif isinstance(message, Error):
            self.last_refusal = message.reason
        if self.session.receive(message):
            self.statistics.fold(message)
            if not self.mirror.fold(message):
                self.session.refresh()

    def _measure(self, messages: list[Message], now_s: float, wall_ms: int) -> None:
        events = [message for message in messages if not isinstance(message, _NO_EVENTS)]
        if events:
            self.latency.note(now_s, wall_ms - events[-1].timestamp)
        if self._equity_of != self.mirror.market_id:
            self._equity_of = self.mirror.market_id
            self.equity = EquityHistory()
        if self.mirror.positions and self.equity.is_due(now_s):
            # The mirror keeps positions in the order of their last update, so a trader's latest equity
            # counts.
            positions = self.mirror.positions.values()
            self.equity.add(
                now_s, {position.trader_id: position.total_equity for position in positions}
            )


def _rounded(value: float | None, decimals: int) -> float | None:
    if value is None:
        return None
    return round(value, decimals)
