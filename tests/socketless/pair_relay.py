"""A relay on a line that is spoiled: what it may lose, and what a reader behind it has to know in the end."""

from __future__ import annotations

import json
import random

from botpit.clients.feed_session import FeedSession, Need, State
from tests.socketless.pair_readers import ANSWERS, EVENTS, has_no_gap
from tests.socketless.reader import ConnectedReader
from tests.socketless.relay import SocketlessRelay
from tests.socketless.truth import books, books_seen, positions, positions_seen
from tests.socketless.venue import SocketlessVenue


class Behind:
    """A relay, and a reader of its own that has to know the truth."""

    need = Need.RELAY
    channels = ("book_delta", "trades", "positions")
    may_lose = EVENTS + ANSWERS
    notices_late = True

    def __init__(self) -> None:
        self.now_ns = 0
        self._asked: list[str] = []
        self.relay = SocketlessRelay(self._send, lambda: self.now_ns)
        self._bot = ConnectedReader(self.relay, *self.channels)
        self._guest = self.relay.listener()

    def _send(self, request: str) -> bool:
        self._asked.append(request)
        return True

    @property
    def session(self) -> FeedSession:
        return self.relay.feed.session

    def opening(self) -> list[str]:
        return self.relay.feed.opening()

    def lost(self) -> None:
        self.relay.feed.lost()

    def asks(self) -> list[str]:
        asked, self._asked = self._asked, []
        return asked

    def hears(self, message: bytes) -> None:
        holes, was_taking = self.session.holes, self.session.taking
        self.relay.hears(message)
        if was_taking and b'"snapshot"' in message and self.session.holes == holes:
            snapshot = json.loads(message)
            assert (self.session.state, self.session.market_id) == (
                State.LIVE,
                snapshot["market_id"],
            )
        assert self.session.holes == holes or self.session.state is State.FENCED, (
            "what is missing is asked for at once"
        )
        self._bot.reads()

    def acts(self, rng: random.Random, now_ns: int) -> None:
        if rng.random() < 0.05:
            self.relay.feed.hole()
            assert self._asked, "whatever is awaited may have been in what could not be read"
        if rng.random() < 0.3:
            self._guest.leaves()
            self._guest = self.relay.listener()
        self.is_idle(now_ns)

    def is_idle(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self.relay.feed.poll(now_ns)

    def saw_all(self) -> None:
        assert has_no_gap(self._bot.trade_ids)

    def agrees(self, venue: SocketlessVenue) -> None:
        assert self.session.state is State.LIVE
        assert self._bot.mirror.market_id == self.session.market_id == venue.feed.market_id
        assert self._bot.statistics.trade_count == venue.exchange.last_trade_id
        assert positions_seen(self._bot.mirror) == positions(venue)
        assert books_seen(self._bot.mirror) == books(venue)
