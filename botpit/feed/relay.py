"""A relay's feed: one upstream connection in, any number of readers out, and no state of the market in between.

Messages pass as the bytes they came in. A reader's snapshot is asked from the exchange and cut to what the reader subscribed
to, so the relay never has to know a book or a position, and may be killed and restarted at any time. When the upstream
connection comes back, or a hole shows in it, the relay resumes after the last event it has; only when that is no longer
possible do its readers start over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from botpit.feed.fanout import Delivery, Fanout, Reader, Subscription
from botpit.feed.publisher import DEPTH
from botpit.feed.tape import Item, Tape
from botpit.wire.encode import json_text
from botpit.wire.heads import Head, head, split_frame, whole

_CHANNEL_OF = {
    "trade": "trades", "position_update": "positions", "liquidation": "liquidations", "account_status": "liquidations",
    "insurance_update": "liquidations", "market_status": "status", "book_update": "book", "book_delta": "book_delta",
    "order_add": "orders", "order_reduce": "orders", "order_remove": "orders",
}


class RelayFeed:
    """`send` writes one text upstream and says whether it could. `holes`: how often events were missing and asked for again."""

    def __init__(self, send: Callable[[str], bool]) -> None:
        self._send = send
        self.market_id = ""
        self.seq = 0
        self.tape = Tape()
        self.fanout = Fanout(self)
        self.holes = 0
        self._symbols: list[str] = []
        self._channels = Subscription().channels
        self._upstream: frozenset[str] = frozenset()
        self._relayed: frozenset[str] = frozenset()
        self._counts: dict[tuple[str, str], int] = {}
        self._asked = 0
        self._awaited: int | None = None
        self._snapshot_asked = False
        self._limited = False
        self._start_over = False
        self._turn: list[Item] = []
        self._deliveries: list[Delivery] = []

    def symbols(self) -> Iterable[str]:
        return self._symbols

    def oldest_seq(self, subscription: Subscription) -> int:
        """A channel that nobody read here until now has no past here."""
        return self.tape.oldest_seq if subscription.channels <= self._relayed else self.seq + 2

    def want_snapshot(self, reader: Reader, now_ns: int) -> None:
        """The next poll asks for it, once for all who wait."""

    # -------------------------------------------------------------------------------------------------------------- requests

    def opening(self) -> list[str]:
        """What to say first on a new upstream connection. Until the last of it is answered, all else that comes is left aside."""
        texts = [self._subscribe()]
        if self.market_id:
            texts.append(self._resume())
        self._awaited = self._asked
        self._snapshot_asked = True
        return texts

    def poll(self) -> None:
        """Ask for what is owed: a request that came too soon, again; one snapshot for all who wait. Call it ten times a
        second."""
        if self._limited:
            self._limited = False
            self._ask_again()
        elif self._awaited is None and not self._snapshot_asked and self.fanout.waiting():
            self._snapshot_asked = self._send(self._subscribe())

    def _subscribe(self) -> str:
        self._channels |= self.fanout.channels()
        return self._request("subscribe", channels=sorted(self._channels), batch=True)

    def _resume(self) -> str:
        self._start_over = True
        return self._request("resume", from_seq=self.seq + 1, market_id=self.market_id)

    def _request(self, kind: str, **fields: object) -> str:
        self._asked += 1
        return json_text({"type": kind, **fields, "request_id": self._asked}).decode()

    def _ask_again(self) -> None:
        """Everything after the last good event; or all anew, when there is none."""
        self._send(self._resume() if self.market_id else self._subscribe())
        self._awaited = self._asked
        self._snapshot_asked = True

    def _refused(self, about: Head) -> None:
        if about.reason == "rate_limited":
            self._limited = self._awaited is not None
            self._snapshot_asked = self._limited
        elif about.request_id == self._awaited:
            self.market_id = ""
            self._ask_again()

    # -------------------------------------------------------------------------------------------------------------- messages

    def receive(self, frame: bytes, now_ns: int) -> list[Delivery]:
        """Take one upstream frame; what it brought, and to which readers. Raises ValueError when it is no message."""
        for message in split_frame(frame):
            self._take(head(message), message, now_ns)
        self._flush(now_ns)
        deliveries, self._deliveries = self._deliveries, []
        return deliveries

    def _take(self, about: Head, message: bytes, now_ns: int) -> None:
        if about.type == "subscribed":
            self._upstream = self._channels
        if about.type == "error":
            self._refused(about)
        elif self._awaited is not None:
            if about.request_id == self._awaited:
                self._awaited = None
        elif about.type == "snapshot":
            self._snapshot(whole(message), now_ns)
        elif about.type in _CHANNEL_OF:
            self._relay(about, message)

    def _relay(self, about: Head, message: bytes) -> None:
        channel = "orders_full" if about.type.startswith("order_") and about.trader_id is not None else _CHANNEL_OF[about.type]
        item = Item(channel, about.symbol, about.seq, message)
        if channel not in self._relayed:
            return
        number, last = about.channel_seq, self._counts.get((channel, about.symbol), 0)
        if not isinstance(number, int) or number > last + 1:
            self.hole()
        elif number == 0:
            self._turn.append(item)
        elif number == last + 1:
            self._counts[channel, about.symbol] = number
            self.seq = about.seq
            self._turn.append(item)
            self.tape.append(item)

    def hole(self) -> None:
        """Something is missing or cannot be read: everything after the last good event is asked for again."""
        self.holes += 1
        self._ask_again()

    def _snapshot(self, snapshot: dict[str, Any], now_ns: int) -> None:
        fresh = snapshot["market_id"] != self.market_id
        counts = _counts(snapshot, self._upstream)
        if not fresh and any(counts.get(key, 0) != n for key, n in self._counts.items()):
            return self.hole()
        self._flush(now_ns)
        if fresh or not self._upstream <= self._relayed:
            self.tape.clear(snapshot["seq"] + 1)
        self.market_id, self.seq, self._counts, self._relayed = snapshot["market_id"], snapshot["seq"], counts, self._upstream
        self._symbols = [each["symbol"] for each in snapshot["instruments"]]
        self._snapshot_asked = False
        if fresh or self._start_over:
            self._start_over = False
            self.fanout.start_over(now_ns)
        self._admit(snapshot, now_ns)

    def _admit(self, snapshot: dict[str, Any], now_ns: int) -> None:
        """The snapshot serves everybody who waits for one of the channels it covers."""
        cut: dict[Subscription, bytes] = {}
        for reader in self.fanout.waiting():
            wanted = reader.subscription
            if wanted.channels <= self._relayed:
                if wanted not in cut:
                    cut[wanted] = json_text(cut_snapshot(snapshot, wanted))
                self.fanout.admit(reader, cut[wanted], now_ns)

    def _flush(self, now_ns: int) -> None:
        """What came so far is for those who are live now, not for those whom a snapshot is about to admit."""
        items, self._turn = self._turn, []
        if items:
            self._deliveries += self.fanout.deliveries(items, now_ns)


def _counts(snapshot: dict[str, Any], channels: frozenset[str]) -> dict[tuple[str, str], int]:
    by_channel = snapshot["channel_seq"].items()
    return {(channel, symbol): n for channel, by_symbol in by_channel for symbol, n in by_symbol.items() if channel in channels}


def cut_snapshot(snapshot: dict[str, Any], subscription: Subscription) -> dict[str, Any]:
    """The same snapshot as a reader of this subscription would have got it from the exchange."""
    books = {
        symbol: _cut_book(book, subscription) for symbol, book in snapshot["books"].items() if subscription.wants_symbol(symbol)
    }
    positions = [each for each in snapshot["positions"] if subscription.wants_symbol(each["symbol"])]
    return {**snapshot, "books": books, "positions": positions}


def _cut_book(book: dict[str, Any], subscription: Subscription) -> dict[str, Any]:
    cut = dict(book)
    if "book_delta" not in subscription.channels:
        cut["bids"], cut["asks"] = book["bids"][:DEPTH], book["asks"][:DEPTH]
    orders = cut.pop("orders", None)
    if "orders_full" in subscription.channels:
        cut["orders"] = orders
    elif "orders" in subscription.channels:
        cut["orders"] = [{key: value for key, value in each.items() if key != "trader_id"} for each in orders]
    return cut
