"""A relay without sockets, and one behind a whole exchange: the line between them is the test's to spoil."""

from __future__ import annotations

import json
from collections.abc import Callable

from botpit.venue.feed.relay import RelayFeed
from tests.socketless.listener import FeedHost, Listener
from tests.socketless.messages import pieces, whole
from tests.socketless.noise import Noise, same
from tests.socketless.requests import Message, order
from tests.socketless.rules import BOTH
from tests.socketless.venue import SocketlessVenue


class SocketlessRelay(FeedHost):
    """A relay whose requests go to `send`; whoever has it brings it the answers. `clock` says the time."""

    feed: RelayFeed

    def __init__(self, send: Callable[[str], bool], clock: Callable[[], int]) -> None:
        self.feed = RelayFeed(send)
        self._clock = clock

    @property
    def now_ns(self) -> int:
        return self._clock()

    def hears(self, frame: bytes) -> None:
        """One frame arrives, and its readers get what becomes of it."""
        self.feed.receive(frame, self.now_ns)
        self.ends_turn()


class RelayLine(SocketlessRelay):
    """A relay and its line to an exchange, which has the time for both."""

    def __init__(self, venue: SocketlessVenue) -> None:
        super().__init__(self._send, lambda: self.exchange.now_ns)
        self.exchange = venue
        self.noise: Noise = same
        self.asked: list[Message] = []
        self.upstream: Listener | None = None

    def connects(self) -> None:
        self.upstream = self.exchange.listener()
        for opening in self.feed.opening():
            self._send(opening)
        self.carries()

    def breaks(self) -> None:
        """The connection is lost with all that was on its way."""
        assert self.upstream is not None
        self.upstream.leaves()
        self.upstream = None
        self.feed.lost()

    def meets(self, venue: SocketlessVenue) -> None:
        """Another exchange stands where the old one did."""
        venue.now_ns = max(venue.now_ns, self.exchange.now_ns)
        self.exchange = venue

    def _send(self, request: str) -> bool:
        if self.upstream is None:
            return False
        self.asked.append(json.loads(request))
        self.upstream.deliver(request)
        return True

    def carries(self) -> None:
        """Bring everything that waits to the relay and on to its readers, answers to what it asks
        meanwhile too.
        """
        while self.upstream is not None and (frames := self.upstream.takes_frames()):
            for frame in frames:
                arriving = self.noise(pieces(frame))
                if arriving:
                    self.brings(whole(arriving, like=frame))

    def brings(self, frame: bytes) -> None:
        """One frame arrives; as the relay's process does, what is no message counts as a hole."""
        try:
            self.hears(frame)
        except ValueError:
            self.feed.hole()
            self.ends_turn()

    def passes(self, seconds: float = 0.1) -> None:
        """Time passes on both sides; the relay looks at what it owes."""
        self.exchange.passes(seconds)
        self.exchange.ends_turn()
        self.exchange.feed.subscriptions.heartbeats(self.now_ns)
        self.carries()
        self.feed.poll(self.now_ns)
        self.carries()

    def settles(self) -> None:
        for _ in range(30):
            self.passes()


def connected(toml: str = BOTH) -> RelayLine:
    line = RelayLine(SocketlessVenue(toml))
    line.connects()
    return line


def trades(line: RelayLine, count: int = 1) -> None:
    """So many trades, each a turn of its own."""
    client = line.exchange.client()
    for _ in range(count):
        client.asks(order("bob", "sell", 1, 100.0))
        client.asks(order("alice", "buy", 1, 100.0))
        line.exchange.ends_turn()
        line.carries()
