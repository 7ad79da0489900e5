"""The exchange's own feed: its events as numbered messages, its books as views.

Events are numbered without holes: `seq` among all public events, `channel_seq` within each channel
and symbol. Views (`book_delta`, `book_update`, `snapshot`) are taken between commands only and
carry the `seq` of the last event they include.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Any

from botpit.core.positions import Position
from botpit.venue.feed.book_updates import BookUpdates
from botpit.venue.feed.buffer import Archive, EventBuffer
from botpit.venue.feed.subscriptions import Delivery, Reader, Subscription, Subscriptions
from botpit.wire.encode import nested
from botpit.wire.forms import json_text
from botpit.wire.market_views import DEPTH, Levels, MarketViews
from botpit.wire.numbers import milliseconds
from botpit.wire.outgoing import Outgoing, relayed
from botpit.wire.sequencer import Sequencer

SNAPSHOT_KEPT_NS = 100_000_000
MAX_KEPT_SNAPSHOTS = 8
"""Of one moment, for different subscriptions."""
_CHANNELS_WITH_DEPTH = frozenset(("book_delta", "orders", "orders_full"))
"""Whose readers get more than the top of the book."""
MAX_SNAPSHOT_BYTES = 524_288
"""A snapshot has flat positions only while it stays below this."""


class Feed:
    """What the exchange sends to everybody. `publish` after each command, `end_turn` once after the
    last of a turn.

    The past before the sequencer's present numbers is in the `archive`, if anywhere.
    """

    def __init__(self, sequencer: Sequencer, archive: Archive | None = None) -> None:
        self._exchange = sequencer.exchange
        self._numbers = sequencer.numbers
        self._views = MarketViews(sequencer.exchange, sequencer.encoder.units)
        self._archive = archive
        self.market_id = self._exchange.market_id
        self.buffer = EventBuffer(self._numbers.seq + 1)
        self.subscriptions = Subscriptions(self)
        self._news: list[Outgoing] = []
        self._turn: list[Outgoing] = []
        self._snapshots_of = (-1, -1, -1)
        self._snapshots: dict[tuple[frozenset[str], frozenset[str] | None], bytes] = {}
        self._book_updates = BookUpdates(self._exchange.markets)

    @property
    def seq(self) -> int:
        """Of the last public event."""
        return self._numbers.seq

    def symbols(self) -> list[str]:
        return list(self._exchange.markets)

    def oldest_seq(self, subscription: Subscription) -> int:
        """Every channel is in the buffer and in the archive, with or without readers."""
        self._keep()
        in_buffer = self.buffer.oldest_seq
        if self._archive is not None:
            oldest, newest = self._archive.span()
            if oldest <= in_buffer <= newest + 1:
                return oldest
        return in_buffer

    def since(self, seq: int) -> Iterator[Outgoing]:
        """First from the archive, as far as the buffer does not reach back."""
        self._keep()
        in_buffer = self.buffer.oldest_seq
        if seq < in_buffer and self._archive is not None:
            for kept in takewhile(lambda kept: kept.seq < in_buffer, self._archive.since(seq)):
                yield kept
                seq = kept.seq + 1
        if seq >= in_buffer:
            yield from self.buffer.since(seq)

    # --------------------------------------------------------------------------------------- events

    def publish(self, public: list[Outgoing], now_ns: int) -> None:
        """Take the public events that one command caused; they are delivered when the turn ends."""
        self._news += public
        self._turn += public
        if self.subscriptions.wanted("book_delta"):
            for symbol, levels in _changed_levels(public).items():
                book_seq = self._numbers.book_seq[symbol]
                delta = self._views.book_delta(symbol, levels, book_seq, self.seq, now_ns)
                self._turn.append(relayed("book_delta", symbol, self.seq, delta))

    def _keep(self) -> None:
        """Keep what came since the last time, and note which books it changed: many commands in one go."""
        news, self._news = self._news, []
        for event in news:
            if event.channel == "orders":
                self._book_updates.changed(event.symbol)
        self.buffer.extend(news)

    def end_turn(self, now_ns: int) -> list[Delivery]:
        """Everything since the last time, then the books that changed and are due again: messages
        and who gets them.
        """
        self._keep()
        turn, self._turn = self._turn, []
        turn += self._due_book_updates(now_ns)
        return self.subscriptions.deliveries(turn, now_ns)

    def _due_book_updates(self, now_ns: int) -> list[Outgoing]:
        due = self._book_updates.pop_due(now_ns)
        if not self.subscriptions.wanted("book"):
            return []
        return [
            relayed("book", each, self.seq, self._views.book_update(each, self.seq, now_ns))
            for each in due
        ]

    def next_view_ns(self) -> int | None:
        """When `end_turn` is to be called for a book that changed too soon after its last update;
        None: no such book.
        """
        return self._book_updates.next_due_ns()

    # ------------------------------------------------------------------------------------ snapshots

    def want_snapshot(self, reader: Reader, now_ns: int) -> None:
        self.subscriptions.admit(reader, self.snapshot(reader.subscription, now_ns), now_ns)

    def snapshot(self, subscription: Subscription, now_ns: int) -> bytes:
        """The market as of the last event, as deep as the subscription needs it. Made once for all
        who join at that event.
        """
        as_of = (self.seq, self._exchange.moves.count, now_ns // SNAPSHOT_KEPT_NS)
        if self._snapshots_of != as_of:
            self._snapshots_of, self._snapshots = as_of, {}
        kind = (subscription.channels & _CHANNELS_WITH_DEPTH, subscription.symbols)
        if kind not in self._snapshots and len(self._snapshots) < MAX_KEPT_SNAPSHOTS:
            self._snapshots[kind] = self._snapshot(subscription, now_ns)
        return self._snapshots.get(kind) or self._snapshot(subscription, now_ns)

    def _snapshot(self, subscription: Subscription, now_ns: int) -> bytes:
        channel_seq = self._numbers.channel_seq
        fields: dict[str, Any] = {
            "type": "snapshot",
            "seq": self.seq,
            "market_id": self.market_id,
            "timestamp": milliseconds(now_ns),
            "channel_seq": {**channel_seq, "orders_full": channel_seq["orders"]},
            "instruments": self._views.instruments(),
            "books": {
                symbol: self._book_state(symbol, subscription)
                for symbol in self.symbols()
                if subscription.wants_symbol(symbol)
            },
            "positions": [],
        }
        fields["positions"] = self._position_states(
            subscription, MAX_SNAPSHOT_BYTES - len(json_text(fields)), now_ns
        )
        return json_text(fields)

    def _book_state(self, symbol: str, subscription: Subscription) -> dict[str, Any]:
        channels = subscription.channels
        depth = None if "book_delta" in channels else DEPTH
        state = self._views.book_state(symbol, depth, self._numbers.book_seq[symbol])
        if channels & {"orders", "orders_full"}:
            state["orders"] = self._views.resting_orders(symbol, full="orders_full" in channels)
        return state

    def _position_states(
        self, subscription: Subscription, room: int, now_ns: int
    ) -> list[object]:
        """Every open position, then flat ones as far as `room` bytes go."""
        open_ones: list[bytes] = []
        flat: list[Position] = []
        for account in self._exchange.accounts.values():
            for position in account.positions.values():
                if not subscription.wants_symbol(position.market.instrument.symbol):
                    continue
                if position.lots:
                    open_ones.append(self._views.position_state(position, now_ns))
                else:
                    flat.append(position)
        room -= sum(map(len, open_ones)) + len(open_ones)
        return list(map(nested, open_ones + self._as_many_as_fit(flat, room, now_ns)))

    def _as_many_as_fit(self, positions: list[Position], room: int, now_ns: int) -> list[bytes]:
        states: list[bytes] = []
        for position in positions:
            state = self._views.position_state(position, now_ns)
            room -= len(state) + 1
            if room < 0:
                break
            states.append(state)
        return states


def _changed_levels(events: Iterable[Outgoing]) -> dict[str, Levels]:
    """The levels of books that one command changed, by symbol."""
    changed: dict[str, Levels] = {}
    for outgoing in events:
        if outgoing.channel == "orders":
            changed.setdefault(outgoing.symbol, {})[
                outgoing.event.side, outgoing.event.price
            ] = None
    return changed
