"""Readers of every need for a line that is spoiled: what each does by itself, what it may lose, and what it has
to know once the line is good again.
"""

from __future__ import annotations

import random

from botpit.clients.feed_session import FeedSession, Need, State
from message_schemas import CHANNEL_OF, Message, parse_messages
from tests.socketless.reader import MirrorReader
from tests.socketless.truth import books, books_seen, positions, positions_seen
from tests.socketless.venue import SocketlessVenue

EVENTS = ("trade", "position_update", "book_delta")
ANSWERS = ("snapshot", "subscribed", "resumed", "error")


class Present(MirrorReader):
    """A reader of the present, as monitors and bots are: it asks again when a snapshot does not come."""

    need = Need.PRESENT
    channels = ("book_delta", "trades", "positions")
    may_lose = EVENTS + ANSWERS
    notices_late = True
    """A loss shows only when something of its kind comes again."""

    def __init__(self) -> None:
        super().__init__(*self.channels, need=self.need)

    def opening(self) -> list[str]:
        self.session.opened()
        return self.asks()

    def lost(self) -> None:
        self.session.lost()

    def hears(self, message: bytes) -> None:
        for each in parse_messages(message):
            self.takes(each)

    def takes(self, message: Message) -> bool:
        looked_at = self.looks_at_snapshots()
        is_news = super().takes(message)
        if message.type == "snapshot" and looked_at:
            self.goes_on_from(message.market_id, message.seq)
        return is_news

    def looks_at_snapshots(self) -> bool:
        return self.session.state is not State.FENCED

    def goes_on_from(self, market_id: str, seq: int) -> None:
        session = self.session
        assert (session.state, session.market_id, session.seq) == (State.LIVE, market_id, seq)

    def acts(self, rng: random.Random, now_ns: int) -> None:
        """What it does by itself, now and then."""
        if rng.random() < 0.05:
            self.session.refresh()
        self.is_idle(now_ns)

    def is_idle(self, now_ns: int) -> None:
        if now_ns // 10**7 % 3 == 0:
            self.session.overdue()

    def saw_all(self) -> None:
        """What it may be sure of on a line that only breaks."""

    def agrees(self, venue: SocketlessVenue) -> None:
        assert self.session.state is State.LIVE
        assert self.mirror.market_id == self.session.market_id == venue.feed.market_id
        assert self.statistics.trade_count == venue.exchange.last_trade_id
        assert positions_seen(self.mirror) == positions(venue)
        assert books_seen(self.mirror) == books(venue)


class CatchUp(Present):
    """A battle's reader: after a lost connection it has seen every trade, unless the feed does not have them
    any more."""

    need = Need.CATCH_UP
    channels = ("trades", "positions", "liquidations")
    may_lose = EVENTS

    def __init__(self) -> None:
        super().__init__()
        self._asked: list[str] = []
        self._words = 0
        self._looks: set[str | int | None] = set()
        """Those that are asked for as a past, which may be refused."""

    def opening(self) -> list[str]:
        self._looks.clear()
        return super().opening()

    def acts(self, rng: random.Random, now_ns: int) -> None:
        if rng.random() < 0.04:
            self._words += 1
            if self.session.market_id is not None:
                self._looks.add(f"look {self._words}")
            self.session.look(f"look {self._words}")

    def takes(self, message: Message) -> bool:
        asked = self.asks()
        is_news = super().takes(message)
        self._asked = asked + self.asks()
        is_refused_look = message.type == "error" and message.request_id in self._looks
        assert not is_refused_look or len(self._asked) > len(asked), (
            "a look is answered, one way or the other"
        )
        return is_news

    def asks(self) -> list[str]:
        asked, self._asked = self._asked + super().asks(), []
        return asked

    def is_idle(self, now_ns: int) -> None:
        """It asks only when it wants to know."""

    def saw_all(self) -> None:
        assert self.session.holes == 0
        assert has_no_gap([trade.trade_id for trade in self.statistics.tape])

    def agrees(self, venue: SocketlessVenue) -> None:
        assert self.session.state is State.LIVE
        assert self.session.looked or not self._words
        assert self.session.market_id == venue.feed.market_id
        assert self.statistics.trade_count == venue.exchange.last_trade_id
        assert positions_seen(self.mirror) == positions(venue)


class Record(Present):
    """An exporter's reader: each event of a market once and in order, and those that it could not have are
    counted."""

    need = Need.RECORD
    channels = ("trades", "positions", "liquidations")
    may_lose = EVENTS
    notices_late = False

    def __init__(self, from_seq: int | None = 1) -> None:
        super().__init__()
        self.session = FeedSession(self.need, lambda: self.channels, from_seq=from_seq)
        self.taken: list[int] = []
        self.missing_before = 0
        self._market_id: str | None = None
        self._from_seq = from_seq
        self._is_paused = False

    def opening(self) -> list[str]:
        self._is_paused = False
        return super().opening()

    def takes(self, message: Message) -> bool:
        missing, was_live = self.session.missing, self.session.state is State.LIVE
        market_id = self.session.market_id
        is_new = self.session.receive(message)
        if message.type == "snapshot":
            assert self.session.market_id == message.market_id
            if was_live and market_id == message.market_id:
                self.goes_on_from(market_id, message.seq)
            elif market_id not in (None, message.market_id):
                assert not self.session.taking, "of another market, the first event comes first"
        is_new = is_new and CHANNEL_OF.get(type(message)) in self.channels
        assert not (is_new and self._is_paused)
        if self.session.market_id != self._market_id:
            self._market_id, self.taken, self.missing_before = (
                self.session.market_id,
                [],
                missing,
            )
        if is_new:
            self.taken.append(message.seq)
        return is_new

    def acts(self, rng: random.Random, now_ns: int) -> None:
        if rng.random() < 0.1:
            self._is_paused = self._is_paused or self.session.state is State.LIVE
            self.session.pause()
        elif rng.random() < 0.3:
            self._is_paused = False
            self.session.end_pause()

    def is_idle(self, now_ns: int) -> None:
        """A pause, short or not, ends with a snapshot that shows what was lost before it."""
        self._is_paused = False
        if self.session.state is State.PAUSED or now_ns % 2_000_000_000 < 250_000_000:
            self.session.pause()
            self.session.end_pause()

    def saw_all(self) -> None:
        assert self.session.missing == 0

    def agrees(self, venue: SocketlessVenue) -> None:
        assert self.session.state is State.LIVE
        assert self.session.market_id == venue.feed.market_id
        assert self.taken == sorted(set(self.taken)), "no event twice, none out of order"
        checkpoint = self.session.checkpoint
        counted = sum(
            n for (channel, _), n in checkpoint.counts.items() if channel in self.channels
        )
        happened = sum(
            sum(venue.sequencer.numbers.channel_seq[channel].values())
            for channel in self.channels
        )
        assert counted == happened and checkpoint.seq <= venue.feed.seq
        if self._from_seq == 1:
            assert len(self.taken) + self.session.missing - self.missing_before == happened


class FromNow(Record):
    """A record that begins with what follows its first snapshot."""

    def __init__(self) -> None:
        super().__init__(from_seq=None)


def has_no_gap(numbers: list[int]) -> bool:
    return numbers == list(
        range(min(numbers, default=0), min(numbers, default=0) + len(numbers))
    )
