"""A relay's feed: one upstream connection in, any number of readers out, and no state of the market.

Messages pass as the bytes they came in. A reader's snapshot is asked from the exchange and cut to what the
reader subscribed to, so the relay never has to know a book or a position, and may be killed and restarted at
any time. What it asks upstream, and which events it may pass on, is decided by its feed session, which
resumes after the last event when the connection comes back or a hole shows in it; only when that is no longer
possible do its readers start over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import message_schemas as wire
from botpit.clients.feed_session import FeedSession, Need, State, counts_of
from botpit.clients.requests import request_fields
from botpit.venue.feed.buffer import EventBuffer
from botpit.venue.feed.subscriptions import Delivery, Reader, Subscription, Subscriptions
from botpit.wire.forms import json_text
from botpit.wire.heads import Head, head, snapshot_fields, split_frame
from botpit.wire.market_views import DEPTH
from botpit.wire.outgoing import Outgoing, relayed

_CHANNEL_OF: dict[str, str] = {
    message.type: channel for message, channel in wire.CHANNEL_OF.items()
}
_VIEWS = ("book", "book_delta")
ANSWER_WITHIN_NS = 2_000_000_000
"""A request that is not answered by then is made again."""


class RelayFeed:
    """`send` writes one text upstream and says whether it could.

    Events that were lost and are repeated come later than some with a higher `seq`. They are put in their
    place on the tape, and the readers wait for a fresh snapshot: they never see events out of order.
    """

    def __init__(self, send: Callable[[str], bool]) -> None:
        self._send = send
        self.session = FeedSession(Need.RELAY, self._wanted)
        self.buffer = EventBuffer()
        self.subscriptions = Subscriptions(self)
        self._symbols: list[str] = []
        self._channels = Subscription().channels
        self._asked_ns = 0
        self._starts_over = False
        self._holds_back = False
        self._turn: list[Outgoing] = []
        self._deliveries: list[Delivery] = []

    @property
    def market_id(self) -> str:
        """Empty while there is none."""
        return self.session.market_id or ""

    @property
    def seq(self) -> int:
        return self.session.seq

    @property
    def holes(self) -> int:
        """How often something was missing and asked for again."""
        return self.session.holes

    def symbols(self) -> Iterable[str]:
        return self._symbols

    def oldest_seq(self, subscription: Subscription) -> int:
        """A channel that nobody read here until now has no past here."""
        return self.buffer.oldest_seq if self._covers(subscription) else self.seq + 2

    def since(self, seq: int) -> Iterator[Outgoing]:
        if seq < self.buffer.oldest_seq:
            return iter(())
        return self.buffer.since(seq)

    def want_snapshot(self, reader: Reader, now_ns: int) -> None:
        """The next poll asks for it, once for all who wait."""

    def _covers(self, subscription: Subscription) -> bool:
        return subscription.channels <= (self.session.covered or frozenset())

    # ----------------------------------------------------------------------------------------------- requests

    def opening(self) -> list[str]:
        """What to send first on a new upstream connection."""
        self.session.opened()
        return self._texts()

    def lost(self) -> None:
        self.session.lost()

    def poll(self, now_ns: int) -> None:
        """Ask again for what was not answered, and for one snapshot for all who wait. Call it often."""
        if self.session.state is State.LIVE:
            self._asked_ns = now_ns
            if self.subscriptions.waiting():
                self.session.refresh()
        elif self.session.limited or now_ns - self._asked_ns > ANSWER_WITHIN_NS:
            self._asked_ns = now_ns
            self.session.overdue()
        self._ask()

    def hole(self) -> None:
        """Something upstream could not be read: all after the last event is asked for again."""
        self.session.hole()
        self._ask()

    def _wanted(self) -> list[str]:
        """Every channel that anybody has read, with all its symbols, so that the numbers have no holes."""
        self._channels |= self.subscriptions.channels()
        return sorted(self._channels)

    def _ask(self) -> None:
        for text in self._texts():
            self._send(text)

    def _texts(self) -> list[str]:
        requests = self.session.requests()
        # What is repeated may come out of order, so the readers' next snapshot is a fresh start.
        self._starts_over |= any(
            isinstance(request, wire.ResumeRequest) for request in requests
        )
        return [json_text(request_fields(request)).decode() for request in requests]

    # ----------------------------------------------------------------------------------------------- messages

    def receive(self, frame: bytes, now_ns: int) -> None:
        """Take one upstream frame. Raises ValueError when it is no message."""
        for message in split_frame(frame):
            self._take(head(message), message, now_ns)
        self._ask()

    def end_turn(self, now_ns: int) -> list[Delivery]:
        """What the frames since the last time brought, and to which readers."""
        self._flush(now_ns)
        deliveries, self._deliveries = self._deliveries, []
        return deliveries

    def _take(self, about: Head, message: bytes, now_ns: int) -> None:
        session, channel = self.session, _CHANNEL_OF.get(about.type)
        if channel is not None:
            self._relay(channel, about, message)
            return
        match about.type:
            case "snapshot" if session.taking:
                self._snapshot(snapshot_fields(message), now_ns)
            case "heartbeat":
                session.heartbeat(about.seq)
            case "subscribed":
                session.subscribed(about.request_id)
            case "resumed":
                session.resumed(about.request_id)
            case "error":
                session.refused(about.request_id, about.reason, {})

    def _relay(self, channel: str, about: Head, message: bytes) -> None:
        if channel == "orders" and about.trader_id is not None:
            channel = "orders_full"
        if channel not in _VIEWS:
            self._relay_event(channel, about, message)
        elif self.session.hears(channel):
            self._pass_on(relayed(channel, about.symbol, about.seq, message))

    def _relay_event(self, channel: str, about: Head, message: bytes) -> None:
        session, number, seq = self.session, about.channel_seq, about.seq
        if not isinstance(number, int) or number < 1:
            if session.hears(channel):
                raise ValueError(f"a {about.type} without its number")
            return
        last_seq = session.seq
        if session.event((channel, about.symbol), number, seq):
            item = relayed(channel, about.symbol, seq, message)
            if seq < last_seq:
                self._hold_back()
            self._pass_on(item)
            self.buffer.append(item)

    def _hold_back(self) -> None:
        """An event came out of order: from here on the readers wait for the snapshot that has them all."""
        self._holds_back = self._starts_over = True
        self.session.refresh()

    def _pass_on(self, item: Outgoing) -> None:
        if not self._holds_back:
            self._turn.append(item)

    def _snapshot(self, snapshot: dict[str, Any], now_ns: int) -> None:
        session = self.session
        market_id, seq, before = (
            snapshot["market_id"],
            snapshot["seq"],
            session.covered or frozenset(),
        )
        is_new = market_id != session.market_id
        if not session.snapshot(market_id, seq, counts_of(snapshot["channel_seq"])):
            return
        self._flush(now_ns)
        if is_new or not (session.covered or frozenset()) <= before:
            self.buffer.clear(seq + 1)
        self._symbols = [each["symbol"] for each in snapshot["instruments"]]
        if is_new or self._starts_over:
            self.subscriptions.start_over(now_ns)
        self._starts_over = self._holds_back = False
        self._admit(snapshot, now_ns)

    def _admit(self, snapshot: dict[str, Any], now_ns: int) -> None:
        """The snapshot serves everybody who waits for one of the channels it covers."""
        cut: dict[Subscription, bytes] = {}
        for reader in self.subscriptions.waiting():
            wanted = reader.subscription
            if self._covers(wanted):
                if wanted not in cut:
                    cut[wanted] = json_text(cut_snapshot(snapshot, wanted))
                self.subscriptions.admit(reader, cut[wanted], now_ns)

    def _flush(self, now_ns: int) -> None:
        """What came so far is for those who are live now, not for those whom a snapshot is about to admit."""
        items, self._turn = self._turn, []
        if items:
            self._deliveries += self.subscriptions.deliveries(items, now_ns)


def cut_snapshot(snapshot: dict[str, Any], subscription: Subscription) -> dict[str, Any]:
    """The same snapshot as a reader of this subscription would have got it from the exchange."""
    books = {
        symbol: _cut_book(book, subscription)
        for symbol, book in snapshot["books"].items()
        if subscription.wants_symbol(symbol)
    }
    positions = [
        each for each in snapshot["positions"] if subscription.wants_symbol(each["symbol"])
    ]
    return {**snapshot, "books": books, "positions": positions}


def _cut_book(book: dict[str, Any], subscription: Subscription) -> dict[str, Any]:
    cut = dict(book)
    if "book_delta" not in subscription.channels:
        cut["bids"], cut["asks"] = book["bids"][:DEPTH], book["asks"][:DEPTH]
    orders = cut.pop("orders", None)
    if subscription.channels & {"orders", "orders_full"}:
        if orders is None:
            raise ValueError("a snapshot without its orders")
        hidden = set() if "orders_full" in subscription.channels else {"trader_id"}
        cut["orders"] = [
            {key: value for key, value in each.items() if key not in hidden} for each in orders
        ]
    return cut
