"""A relay's feed: one upstream connection in, any number of readers out, and no state of the market in between.

Messages pass as the bytes they came in. A reader's snapshot is asked from the exchange and cut to what the reader subscribed
to, so the relay never has to know a book or a position, and may be killed and restarted at any time. When the upstream
connection comes back, or a hole shows in it, the relay resumes after the last event it has; only when that is no longer
possible do its readers start over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import message_schemas as wire
from botpit.venue.feed.buffer import EventBuffer
from botpit.venue.feed.subscriptions import Delivery, Reader, Subscription, Subscriptions
from botpit.wire.forms import json_text
from botpit.wire.heads import Head, head, snapshot_fields, split_frame
from botpit.wire.market_views import DEPTH
from botpit.wire.outgoing import Outgoing, relayed

_CHANNEL_OF: dict[str, str] = {message.type: channel for message, channel in wire.CHANNEL_OF.items()}
_VIEWS = ("book", "book_delta")
ANSWER_WITHIN_NS = 2_000_000_000
"""A request that is not answered by then is made again."""
Key = tuple[str, str]
"""(channel, symbol)."""


class RelayFeed:
    """`send` writes one text upstream and says whether it could. `holes`: how often something was missing and asked for again.

    `_last` is the number and the `seq` of the last event of each channel and symbol. A hole in one of them is filled from there
    on; what the others have already is passed over by its number. Events that then come later than ones with a higher `seq` are
    put in their place on the tape, and the readers get a fresh snapshot: nobody is ever told events out of order.
    """

    def __init__(self, send: Callable[[str], bool]) -> None:
        self._send = send
        self.market_id = ""
        self.seq = 0
        self.buffer = EventBuffer()
        self.subscriptions = Subscriptions(self)
        self.holes = 0
        self._symbols: list[str] = []
        self._channels = Subscription().channels
        self._upstream: frozenset[str] = frozenset()
        self._relayed: frozenset[str] = frozenset()
        self._last: dict[Key, tuple[int, int]] = {}
        self._snapshot_seq = self._good_seq = 0
        self._asked = 0
        self._asked_ns = 0
        self._awaited: int | None = None
        self._snapshot_asked = False
        self._limited = False
        self._start_over = False
        self._hole_is_open = False
        self._holds_back = False
        self._unverified = False
        self._turn: list[Outgoing] = []
        self._deliveries: list[Delivery] = []

    def symbols(self) -> Iterable[str]:
        return self._symbols

    def oldest_seq(self, subscription: Subscription) -> int:
        """A channel that nobody read here until now has no past here."""
        return self.buffer.oldest_seq if subscription.channels <= self._relayed else self.seq + 2

    def since(self, seq: int) -> Iterator[Outgoing]:
        return self.buffer.since(seq) if seq >= self.buffer.oldest_seq else iter(())

    def want_snapshot(self, reader: Reader, now_ns: int) -> None:
        """The next poll asks for it, once for all who wait."""

    # -------------------------------------------------------------------------------------------------------------- requests

    def opening(self) -> list[str]:
        """What to say first on a new upstream connection. Until the last of it is answered, all else that comes is left aside."""
        texts = [self._subscribe()]
        if self.market_id:
            self._good_seq = self._good_seq if self._hole_is_open else self.seq
            texts.append(self._resume())
        self._awaited = self._asked
        self._snapshot_asked = True
        return texts

    def poll(self, now_ns: int) -> None:
        """Ask for what is owed: what was refused or not answered, again; one snapshot for all who wait. Call it often."""
        if self._awaited is None and not self._snapshot_asked:
            self._asked_ns = now_ns
            if self.subscriptions.waiting():
                self._ask_snapshot()
        elif self._limited or now_ns - self._asked_ns > ANSWER_WITHIN_NS:
            self._limited, self._asked_ns = False, now_ns
            self._ask_again()

    def _subscribe(self) -> str:
        self._channels |= self.subscriptions.channels()
        return self._request("subscribe", channels=sorted(self._channels), batch=True)

    def _resume(self) -> str:
        self._start_over = True
        return self._request("resume", from_seq=self._good_seq + 1, market_id=self.market_id)

    def _request(self, kind: str, **fields: object) -> str:
        self._asked += 1
        return json_text({"type": kind, **fields, "request_id": self._asked}).decode()

    def _ask_again(self) -> None:
        """Everything after the last good event; or all anew, when there is none. The subscription is said again with it."""
        self._send(self._subscribe())
        if self.market_id:
            self._send(self._resume())
        self._awaited = self._asked
        self._snapshot_asked = True

    def _refused(self, about: Head) -> None:
        if about.reason == "rate_limited":
            self._limited = True
        elif about.request_id == self._awaited:
            self.market_id = ""
            self._ask_again()

    # -------------------------------------------------------------------------------------------------------------- messages

    def receive(self, frame: bytes, now_ns: int) -> None:
        """Take one upstream frame. Raises ValueError when it is no message."""
        for message in split_frame(frame):
            self._take(head(message), message, now_ns)

    def end_turn(self, now_ns: int) -> list[Delivery]:
        """What the frames since the last time brought, and to which readers."""
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
        elif about.type == "heartbeat":
            self._verify()
        elif about.type == "snapshot":
            self._snapshot(snapshot_fields(message), now_ns)
        elif about.type in _CHANNEL_OF:
            self._relay(about, message)

    def _relay(self, about: Head, message: bytes) -> None:
        channel = "orders_full" if about.type.startswith("order_") and about.trader_id is not None else _CHANNEL_OF[about.type]
        item = relayed(channel, about.symbol, about.seq, message)
        if channel not in self._relayed:
            return
        if channel in _VIEWS:
            self._pass_on(item)
        else:
            self._count(about, item)

    def _count(self, about: Head, item: Outgoing) -> None:
        """Pass an event on if it is the next of its channel and symbol."""
        key, number = (item.channel, item.symbol), about.channel_seq
        if not isinstance(number, int) or number < 1:
            raise ValueError(f"a {about.type} without its number")
        last, last_seq = self._last.get(key, (0, self._snapshot_seq))
        if number > last + 1:
            self.hole(last_seq)
        elif number == last + 1:
            self._last[key] = number, item.seq
            if item.seq < self.seq:
                self._hold_back()
            self.seq = max(self.seq, item.seq)
            self._unverified = True
            self._pass_on(item)
            self.buffer.append(item)

    def _hold_back(self) -> None:
        """An event came out of order: from here on the readers wait for the snapshot that has them all."""
        self._holds_back = self._start_over = True
        self._ask_snapshot()

    def _ask_snapshot(self) -> None:
        if not self._snapshot_asked:
            self._snapshot_asked = self._send(self._subscribe())

    def _pass_on(self, item: Outgoing) -> None:
        if not self._holds_back:
            self._turn.append(item)

    def _verify(self) -> None:
        """It has become quiet: a snapshot shows whether the last events were lost on the way."""
        if self._unverified:
            self._ask_snapshot()

    def hole(self, good_seq: int | None = None) -> None:
        """Something is missing or cannot be read: all after `good_seq` (None: after the last event) is asked for again."""
        self.holes += 1
        self._good_seq = self.seq if good_seq is None else good_seq
        self._hole_is_open = True
        self._ask_again()

    def _snapshot(self, snapshot: dict[str, Any], now_ns: int) -> None:
        fresh, counts = snapshot["market_id"] != self.market_id, _counts(snapshot, self._upstream)
        lost = [] if fresh else self._lost(counts)
        if lost:
            return self.hole(min(lost))
        self._flush(now_ns)
        if fresh or not self._upstream <= self._relayed:
            self.buffer.clear(snapshot["seq"] + 1)
        self.market_id, self._relayed = snapshot["market_id"], self._upstream
        self.seq = self._snapshot_seq = snapshot["seq"]
        self._last = {key: (number, self.seq) for key, number in counts.items()}
        self._symbols = [each["symbol"] for each in snapshot["instruments"]]
        self._snapshot_asked = self._unverified = self._hole_is_open = self._holds_back = False
        if fresh or self._start_over:
            self._start_over = False
            self.subscriptions.start_over(now_ns)
        self._admit(snapshot, now_ns)

    def _lost(self, counts: dict[Key, int]) -> list[int]:
        """For each channel and symbol of which the snapshot has seen more, or less, than we: the `seq` of our last event."""
        return [
            self._last.get(key, (0, self._snapshot_seq))[1] for key in {**counts, **self._last}
            if key[0] in self._relayed and counts.get(key, 0) != self._last.get(key, (0, 0))[0]
        ]

    def _admit(self, snapshot: dict[str, Any], now_ns: int) -> None:
        """The snapshot serves everybody who waits for one of the channels it covers."""
        cut: dict[Subscription, bytes] = {}
        for reader in self.subscriptions.waiting():
            wanted = reader.subscription
            if wanted.channels <= self._relayed:
                if wanted not in cut:
                    cut[wanted] = json_text(cut_snapshot(snapshot, wanted))
                self.subscriptions.admit(reader, cut[wanted], now_ns)

    def _flush(self, now_ns: int) -> None:
        """What came so far is for those who are live now, not for those whom a snapshot is about to admit."""
        items, self._turn = self._turn, []
        if items:
            self._deliveries += self.subscriptions.deliveries(items, now_ns)


def _counts(snapshot: dict[str, Any], channels: frozenset[str]) -> dict[Key, int]:
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
    if subscription.channels & {"orders", "orders_full"}:
        if orders is None:
            raise ValueError("a snapshot without its orders")
        hidden = set() if "orders_full" in subscription.channels else {"trader_id"}
        cut["orders"] = [{key: value for key, value in each.items() if key not in hidden} for each in orders]
    return cut
