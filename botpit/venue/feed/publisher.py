"""The exchange's own feed: its events as numbered messages, its books as views.

Events are numbered without holes: `seq` among all public events, `channel_seq` within each channel and symbol. Views
(`book_delta`, `book_update`, `snapshot`) are taken between commands only and carry the `seq` of the last event they include.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Any
from zlib import crc32

from botpit.core.book import Book
from botpit.core.commands import BUY
from botpit.core.events import Event
from botpit.core.exchange import Exchange
from botpit.core.positions import Position
from botpit.venue.feed.book_updates import BookUpdates
from botpit.venue.feed.buffer import Archive, EventBuffer, EventItem, Item
from botpit.venue.feed.subscriptions import Delivery, Reader, Subscription, Subscriptions
from botpit.wire.encode import Encoder, json_text, nested
from botpit.wire.numbers import milliseconds
from botpit.wire.sequence_numbers import SequenceNumbers, touched_levels

DEPTH = 10
"""Levels a side of `book_update`, of a snapshot's books and of a checksum."""
SNAPSHOT_KEPT_NS = 100_000_000
MAX_KEPT_SNAPSHOTS = 8
"""Of one moment, for different subscriptions."""
_CHANNELS_WITH_DEPTH = frozenset(("book_delta", "orders", "orders_full"))
"""Whose readers get more than the top of the book."""
MAX_SNAPSHOT_BYTES = 524_288
"""Flat positions are told only while a snapshot stays below this."""


class Feed:
    """What the exchange tells everybody. `publish` after each command, `end_turn` once after the last of a turn.

    `numbers`: how far it had counted, when it goes on from there; what was told before that is in the `archive`, if anywhere.
    """

    def __init__(
        self, exchange: Exchange, encoder: Encoder, numbers: SequenceNumbers | None = None, archive: Archive | None = None
    ) -> None:
        self._exchange = exchange
        self._encoder = encoder
        self._archive = archive
        self.market_id = exchange.market_id
        self.numbers = numbers or SequenceNumbers(exchange.markets)
        self.buffer = EventBuffer(self.numbers.seq + 1)
        self.subscriptions = Subscriptions(self)
        self._turn: list[Item] = []
        self._taken: list[list[Event]] = []
        self._snapshots_of = (-1, -1, -1)
        self._snapshots: dict[tuple[frozenset[str], frozenset[str] | None], bytes] = {}
        self._book_updates = BookUpdates(exchange.markets)

    @property
    def seq(self) -> int:
        """Of the last public event."""
        self._number()
        return self.numbers.seq

    def symbols(self) -> list[str]:
        return list(self._exchange.markets)

    def oldest_seq(self, subscription: Subscription) -> int:
        """Every channel is on the tape and in the archive, whoever reads it."""
        oldest, newest = self._archive.span() if self._archive else (1, 0)
        return oldest if oldest <= self.buffer.oldest_seq <= newest + 1 else self.buffer.oldest_seq

    def since(self, seq: int) -> Iterator[Item]:
        """First from the archive, as far as the tape does not reach back."""
        self._number()
        on_tape = self.buffer.oldest_seq
        if seq < on_tape and self._archive is not None:
            for kept in takewhile(lambda kept: kept.seq < on_tape, self._archive.since(seq)):
                yield Item(kept.channel, kept.symbol, kept.seq, bytes(kept.message), bytes(kept.full))
                seq = kept.seq + 1
        if seq >= on_tape:
            yield from self.buffer.since(seq)

    # ---------------------------------------------------------------------------------------------------------------- events

    def publish(self, events: list[Event], now_ns: int) -> None:
        """Take what one command caused. Its events get their numbers when somebody asks, at the latest when the turn ends."""
        self._taken.append(events)
        if self.subscriptions.wanted("book_delta"):
            self._number()
            for symbol, levels in touched_levels(events).items():
                self._turn.append(Item("book_delta", symbol, self.seq, self._book_delta(symbol, levels, now_ns), b""))

    def _number(self) -> None:
        """Number all that was taken since the last time: many commands in one go."""
        if not self._taken:
            return
        taken, self._taken = self._taken, []
        items: list[Item] = []
        for events in taken:
            for event, channel, symbol, seq, number in self.numbers.count(events):
                items.append(EventItem(channel, symbol, seq, b"", b"", event, number, self._encoder))
                if channel == "orders":
                    self._book_updates.changed(symbol)
        self._turn += items
        self.buffer.extend(items)

    # ----------------------------------------------------------------------------------------------------------------- views

    def _book_delta(self, symbol: str, levels: dict[tuple[int, int], None], now_ns: int) -> bytes:
        book = self._exchange.markets[symbol].book
        changes: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
        for side, price in levels:
            changes[side == BUY].append((price, book.side(side).qty_at(price)))
        fields = {
            "type": "book_delta", "symbol": symbol,
            "book_seq": self.numbers.book_seq[symbol], "prev_book_seq": self.numbers.book_seq[symbol] - 1,
            "bids": self._encoder.levels(symbol, changes[True]), "asks": self._encoder.levels(symbol, changes[False]),
            "checksum": checksum(book), "seq": self.seq, "timestamp": milliseconds(now_ns),
        }
        return json_text(fields)

    def end_turn(self, now_ns: int) -> list[Delivery]:
        """Everything since the last time, then the books that changed and may be told again: messages and who gets them."""
        self._number()
        self._turn += self._due_book_updates(now_ns)
        items, self._turn = self._turn, []
        return self.subscriptions.deliveries(items, now_ns) if items else []

    def _due_book_updates(self, now_ns: int) -> list[Item]:
        due = self._book_updates.take_due(now_ns)
        if not self.subscriptions.wanted("book"):
            return []
        return [Item("book", symbol, self.seq, self._book_update(symbol, now_ns), b"") for symbol in due]

    def _book_update(self, symbol: str, now_ns: int) -> bytes:
        return self._encoder.book_update(self._exchange.markets[symbol], DEPTH, self.seq, now_ns)

    def next_view_ns(self) -> int | None:
        """When `end_turn` is to be called for a book that changed too soon after its last update; None: no such book."""
        return self._book_updates.next_due_ns()

    # ------------------------------------------------------------------------------------------------------------- snapshots

    def want_snapshot(self, reader: Reader, now_ns: int) -> None:
        self.subscriptions.admit(reader, self.snapshot(reader.subscription, now_ns), now_ns)

    def snapshot(self, subscription: Subscription, now_ns: int) -> bytes:
        """The market as of the last event, as deep as the subscription needs it. Made once for all who join at that event."""
        as_of = (self.seq, self._exchange.moves.count, now_ns // SNAPSHOT_KEPT_NS)
        if self._snapshots_of != as_of:
            self._snapshots_of, self._snapshots = as_of, {}
        kind = (subscription.channels & _CHANNELS_WITH_DEPTH, subscription.symbols)
        if kind not in self._snapshots and len(self._snapshots) < MAX_KEPT_SNAPSHOTS:
            self._snapshots[kind] = self._snapshot(subscription, now_ns)
        return self._snapshots.get(kind) or self._snapshot(subscription, now_ns)

    def _snapshot(self, subscription: Subscription, now_ns: int) -> bytes:
        fields: dict[str, Any] = {
            "type": "snapshot", "seq": self.seq, "market_id": self.market_id, "timestamp": milliseconds(now_ns),
            "channel_seq": {**self.numbers.channel_seq, "orders_full": self.numbers.channel_seq["orders"]},
            "instruments": self._encoder.instruments(),
            "books": {each: self._book_state(each, subscription) for each in self.symbols() if subscription.wants_symbol(each)},
            "positions": [],
        }
        fields["positions"] = self._position_states(subscription, MAX_SNAPSHOT_BYTES - len(json_text(fields)), now_ns)
        return json_text(fields)

    def _book_state(self, symbol: str, subscription: Subscription) -> dict[str, Any]:
        channels, market = subscription.channels, self._exchange.markets[symbol]
        state = self._encoder.book_state(market, None if "book_delta" in channels else DEPTH, self.numbers.book_seq[symbol])
        if channels & {"orders", "orders_full"}:
            state["orders"] = self._encoder.resting_orders(market, full="orders_full" in channels)
        return state

    def _position_states(self, subscription: Subscription, room: int, now_ns: int) -> list[object]:
        """Every open position, then flat ones as far as `room` bytes go."""
        open_ones: list[bytes] = []
        flat: list[Position] = []
        for account in self._exchange.accounts.values():
            for position in account.positions.values():
                if not subscription.wants_symbol(position.market.instrument.symbol):
                    continue
                if position.lots:
                    open_ones.append(self._encoder.position_state(position, now_ns))
                else:
                    flat.append(position)
        room -= sum(map(len, open_ones)) + len(open_ones)
        return list(map(nested, open_ones + self._as_many_as_fit(flat, room, now_ns)))

    def _as_many_as_fit(self, positions: list[Position], room: int, now_ns: int) -> list[bytes]:
        states: list[bytes] = []
        for position in positions:
            state = self._encoder.position_state(position, now_ns)
            room -= len(state) + 1
            if room < 0:
                break
            states.append(state)
        return states


def checksum(book: Book) -> int:
    """CRC-32 of the ten best bids, then the ten best asks, as `price:qty|…` in ticks and lots (WIRE.md, checksum)."""
    levels = [*book.bids.top(DEPTH), *book.asks.top(DEPTH)]
    return crc32("|".join(f"{price}:{qty}" for price, qty in levels).encode())
