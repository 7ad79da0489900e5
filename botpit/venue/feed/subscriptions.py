"""Who reads what: subscriptions, catch-up and delivery, the same for the exchange's own port and for a relay.

Readers with the same subscription form a group. What a turn brought is put together once per group,
so that a message is encoded once and framed once per group, however many read it. A reader begins,
and begins again after `subscribe` and `resume`, with a snapshot: it asks its source for one and
joins its group when that comes, so nothing is missing or doubled in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import message_schemas as wire
from botpit.core.events import Reason
from botpit.venue.rates import NS_PER_S, Bucket
from botpit.wire.decode import FEED, Fault, is_array, parse
from botpit.wire.encode import array, fault_bytes, heartbeat, with_request_id
from botpit.wire.forms import json_text
from botpit.wire.numbers import milliseconds
from botpit.wire.outgoing import Outgoing

MAX_BATCH_BYTES = 65_536
"""A batch frame carries more than one message only up to this size."""
CATCH_UP_SLICE_BYTES = 262_144
"""How much of the past one reader is sent at a time."""
REQUESTS_PER_S = 20
"""`subscribe` and `resume` of one reader: each may cost a snapshot."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """`symbols` None: all."""

    channels: frozenset[str] = frozenset(wire.DEFAULT_CHANNELS)
    symbols: frozenset[str] | None = None
    batch: bool = False

    def messages(self, events: Iterable[Outgoing]) -> list[bytes]:
        """What of the events this subscription gets, in order."""
        channels, observes = self.channels, "orders_full" in self.channels
        messages: list[bytes] = []
        for event in events:
            if self.wants_symbol(event.symbol):
                if event.channel in channels:
                    messages.append(event.bytes("public"))
                if observes and (message := event.bytes("observer")):
                    messages.append(message)
        return messages

    def framed(self, messages: list[bytes]) -> list[bytes]:
        """The messages as they are sent: each alone, or joined."""
        return batched(messages) if self.batch else messages

    def wants_symbol(self, symbol: str) -> bool:
        return self.symbols is None or symbol == "" or symbol in self.symbols


class Sink(Protocol):
    """A reader's connection. `waiting_bytes`: what it has been sent and its socket has not taken yet."""

    @property
    def waiting_bytes(self) -> int: ...

    def send(self, messages: Iterable[bytes]) -> None: ...

    def write(self, frames: bytes) -> None: ...

    def close(self, code: int, reason: str = "") -> None: ...


class Reader:
    """One connection to the feed. `catch_up_from`: the next past event it is to be sent, None when
    it asked for none.
    """

    __slots__ = (
        "bucket",
        "catch_up_from",
        "last_message_ns",
        "sink",
        "subscribed",
        "subscription",
    )

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.subscription = Subscription()
        self.subscribed = False
        self.catch_up_from: int | None = None
        self.last_message_ns = 0
        self.bucket = Bucket(REQUESTS_PER_S)


Delivery = tuple[list[bytes], list[Reader]]
"""Messages, and the readers that get them."""


class Source(Protocol):
    """Where the messages come from: the exchange itself, or a relay's upstream."""

    @property
    def market_id(self) -> str: ...

    @property
    def seq(self) -> int: ...

    def symbols(self) -> Iterable[str]: ...

    def oldest_seq(self, subscription: Subscription) -> int:
        """From which event on `since` has everything that this subscription wants."""

    def since(self, seq: int) -> Iterator[Outgoing]:
        """Everything that is kept with this `seq` or a later one, as far as there is no hole."""

    def want_snapshot(self, reader: Reader, now_ns: int) -> None:
        """Call `Subscriptions.admit` for this reader, now or when there is a snapshot of the
        subscription it has.
        """


class Subscriptions:
    """All readers of one port."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._groups: dict[Subscription, set[Reader]] = {}
        self._waiting: set[Reader] = set()
        self._live_channels: frozenset[str] = frozenset()

    # ----------------------------------------------------------------------------- coming and going

    def join(self, reader: Reader, now_ns: int) -> None:
        self._wait_for_snapshot(reader, now_ns)

    def leave(self, reader: Reader) -> None:
        self._waiting.discard(reader)
        group = self._groups.get(reader.subscription)
        if group is not None:
            group.discard(reader)
            if not group:
                del self._groups[reader.subscription]
                self._note_live_channels()

    def admit(self, reader: Reader, snapshot: bytes, now_ns: int) -> None:
        """The rest of the past it asked for, then its snapshot; from now on it is live."""
        if reader not in self._waiting:
            return
        self._waiting.discard(reader)
        past: list[bytes] = []
        if reader.catch_up_from is not None:
            past = reader.subscription.messages(self._source.since(reader.catch_up_from))
            reader.catch_up_from = None
        self._send(reader, [*past, snapshot], now_ns)
        self._groups.setdefault(reader.subscription, set()).add(reader)
        self._note_live_channels()

    def waiting(self) -> list[Reader]:
        """Readers to whom the source owes a snapshot."""
        return [reader for reader in self._waiting if self._past_is_short(reader)]

    def readers(self) -> int:
        """How many readers are connected."""
        return len(self._waiting) + sum(map(len, self._groups.values()))

    def channels(self) -> frozenset[str]:
        """Every channel that somebody reads or waits for."""
        readers = {reader.subscription for reader in self._waiting}
        return frozenset().union(*(each.channels for each in (*self._groups, *readers)))

    def start_over(self, now_ns: int) -> None:
        """What the readers know is of no use any more: each gets a fresh snapshot."""
        for group in list(self._groups.values()):
            for reader in list(group):
                self.leave(reader)
                reader.catch_up_from = None
                self._wait_for_snapshot(reader, now_ns)

    def _wait_for_snapshot(self, reader: Reader, now_ns: int) -> None:
        self._waiting.add(reader)
        self._source.want_snapshot(reader, now_ns)

    # ------------------------------------------------------------------------------------- delivery

    def wanted(self, channel: str) -> bool:
        """Whether any reader is live on this channel."""
        return channel in self._live_channels

    def _note_live_channels(self) -> None:
        self._live_channels = frozenset().union(*(each.channels for each in self._groups))

    def deliveries(self, events: list[Outgoing], now_ns: int) -> list[Delivery]:
        """The messages of a turn for each group that wants any of them."""
        found: list[Delivery] = []
        for subscription, group in self._groups.items():
            messages = subscription.messages(events)
            if messages:
                for reader in group:
                    reader.last_message_ns = now_ns
                found.append((subscription.framed(messages), list(group)))
        return found

    def heartbeats(self, now_ns: int) -> None:
        """To each reader that subscribed and has heard nothing for a second."""
        beat = heartbeat("seq", self._source.seq, now_ns)
        quiet = [
            reader
            for group in self._groups.values()
            for reader in group
            if reader.subscribed and now_ns - reader.last_message_ns >= NS_PER_S
        ]
        for reader in quiet:
            self._send(reader, [beat], now_ns)

    def _send(self, reader: Reader, messages: list[bytes], now_ns: int) -> None:
        reader.last_message_ns = now_ns
        reader.sink.send(reader.subscription.framed(messages))

    # ------------------------------------------------------------------------------------- requests

    def receive(self, reader: Reader, message: bytes, now_ns: int) -> None:
        """Answer one message of a reader. Every fault is an `error` and changes nothing."""
        match self._allowed(reader, message, now_ns):
            case wire.SubscribeRequest() as request:
                self._subscribe(reader, request, now_ns)
            case wire.ResumeRequest() as request:
                self._resume(reader, request, now_ns)
            case Fault() as fault:
                fault.answer = "error"
                self._send(reader, [fault_bytes(fault, now_ns)], now_ns)

    def _allowed(self, reader: Reader, message: bytes, now_ns: int) -> Any:
        """The request, or the fault that refuses it."""
        if is_array(message):
            return _array_fault()
        request = parse(message, FEED)
        if isinstance(request, Fault):
            return request
        wait_ms = reader.bucket.take(now_ns)
        if wait_ms:
            return _error(request, Reason.RATE_LIMITED, {"retry_after_ms": wait_ms})
        return request

    def _subscribe(self, reader: Reader, request: wire.SubscribeRequest, now_ns: int) -> None:
        known = set(self._source.symbols())
        unknown = [symbol for symbol in request.symbols or () if symbol not in known]
        if unknown:
            fault = _error(
                request,
                Reason.INVALID_MESSAGE,
                {"error": f"symbols: {unknown[0]} is not traded here"},
            )
            return self._send(reader, [fault_bytes(fault, now_ns)], now_ns)
        self.leave(reader)
        channels, symbols = reader.subscription.channels, None
        if request.channels is not None:
            channels = frozenset[str](request.channels)
        if request.symbols is not None:
            symbols = frozenset(request.symbols)
            known = set(symbols)
        reader.subscription = Subscription(channels, symbols, bool(request.batch))
        reader.subscribed = True
        reader.catch_up_from = None
        fields = {
            "type": "subscribed",
            "channels": sorted(channels),
            "symbols": sorted(known),
            "batch": reader.subscription.batch,
            "timestamp": milliseconds(now_ns),
        }
        self._send(reader, [with_request_id(json_text(fields), request.request_id)], now_ns)
        self._wait_for_snapshot(reader, now_ns)

    def _resume(self, reader: Reader, request: wire.ResumeRequest, now_ns: int) -> None:
        fault = self._resume_fault(reader, request)
        if fault is not None:
            return self._send(reader, [fault_bytes(fault, now_ns)], now_ns)
        self.leave(reader)
        reader.catch_up_from = request.from_seq
        fields = {
            "type": "resumed",
            "from_seq": request.from_seq,
            "timestamp": milliseconds(now_ns),
        }
        self._send(reader, [with_request_id(json_text(fields), request.request_id)], now_ns)
        self._waiting.add(reader)
        if self._past_is_short(reader):
            self._source.want_snapshot(reader, now_ns)

    def _resume_fault(self, reader: Reader, request: wire.ResumeRequest) -> Fault | None:
        source = self._source
        if request.market_id is not None and request.market_id != source.market_id:
            return _error(request, Reason.OTHER_MARKET, {"market_id": source.market_id})
        if request.from_seq > source.seq + 1:
            return _error(request, Reason.SEQ_AHEAD, {"seq": source.seq})
        oldest_seq = source.oldest_seq(reader.subscription)
        if request.from_seq < oldest_seq:
            return _error(request, Reason.TOO_OLD, {"oldest_seq": oldest_seq})
        return None

    # ------------------------------------------------------------------------------------- catch-up

    def catching_up(self) -> list[Reader]:
        """Readers whose past is too long for one go: send them slices as their sockets take them."""
        return [reader for reader in self._waiting if not self._past_is_short(reader)]

    def catch_up(self, reader: Reader, now_ns: int) -> bool:
        """Send the next slice of the past. False: what it needs is no longer kept, so the
        connection must end.
        """
        assert reader.catch_up_from is not None
        began_at, messages, size = reader.catch_up_from, list[bytes](), 0
        for event in self._source.since(reader.catch_up_from):
            if size >= CATCH_UP_SLICE_BYTES and event.seq >= reader.catch_up_from:
                break
            reader.catch_up_from = event.seq + 1
            wanted = reader.subscription.messages([event])
            messages += wanted
            size += sum(map(len, wanted))
        if reader.catch_up_from == began_at:
            return False
        if messages:
            self._send(reader, messages, now_ns)
        if self._past_is_short(reader):
            self._source.want_snapshot(reader, now_ns)
        return True

    def _past_is_short(self, reader: Reader) -> bool:
        return (
            reader.catch_up_from is None or self._source.seq - reader.catch_up_from < SHORT_PAST
        )


SHORT_PAST = 1_000
"""Events that are sent in one go with the snapshot."""


def batched(messages: list[bytes]) -> list[bytes]:
    """The messages as arrays, in order, more than one to an array only up to MAX_BATCH_BYTES."""
    frames: list[bytes] = []
    start, size = 0, 2
    for index, message in enumerate(messages):
        if index > start and size + len(message) + 1 > MAX_BATCH_BYTES:
            frames.append(array(messages[start:index]))
            start, size = index, 2
        size += len(message) + 1
    frames.append(array(messages[start:]))
    return frames


def _error(request: Any, reason: Reason, details: dict[str, Any]) -> Fault:
    return Fault("error", reason, details, request_id=request.request_id)


def _array_fault() -> Fault:
    return Fault(
        "error",
        Reason.INVALID_MESSAGE,
        {"error": "arrays of requests are not taken on this port"},
    )
