"""A relay between a whole exchange and its readers, all in this process: the line between them is
the test's to spoil.

Downstream, readers fold what they get with the project's own mirror, as monitors and bots do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botpit.clients.feed_session import FeedSession, Need, request_text
from botpit.clients.mirror import Mirror
from botpit.clients.statistics import Statistics
from botpit.venue.feed.relay import RelayFeed
from message_schemas import parse_messages
from tests.socketless_venue import BOTH, Listener, Message, SocketlessVenue, order
from tests.venue.book_folds import engine_levels

Noise = Callable[[list[bytes]], list[bytes]]


def same(messages: list[bytes]) -> list[bytes]:
    return messages


class Line:
    """A relay, its line to an exchange, and its readers. `noise` gets the messages of each frame
    and returns what arrives.
    """

    def __init__(self, venue: SocketlessVenue) -> None:
        self.exchange = venue
        self.noise: Noise = same
        self.asked: list[Message] = []
        self.feed = RelayFeed(self._send)
        self._upstream: Listener | None = None

    @property
    def now_ns(self) -> int:
        return self.exchange.now_ns

    def connects(self) -> None:
        self._upstream = self.exchange.listener()
        for opening in self.feed.opening():
            self._send(opening)
        self.carries()

    def breaks(self) -> None:
        """The connection is lost with all that was on its way."""
        assert self._upstream is not None
        self._upstream.leaves()
        self._upstream = None
        self.feed.lost()

    def meets(self, venue: SocketlessVenue) -> None:
        """Another exchange stands where the old one did."""
        venue.now_ns = max(venue.now_ns, self.exchange.now_ns)
        self.exchange = venue

    def _send(self, request: str) -> bool:
        if self._upstream is None:
            return False
        self.asked.append(json.loads(request))
        self.exchange.feed.subscriptions.receive(
            self._upstream.reader, request.encode(), self.now_ns
        )
        return True

    def carries(self) -> None:
        """Bring everything that waits to the relay and on to its readers, answers to what it asks
        meanwhile too.
        """
        while self._upstream is not None and (frames := self._upstream.takes_frames()):
            for frame in frames:
                arriving = self.noise(pieces(frame))
                if arriving:
                    self.brings(
                        b"[%b]" % b",".join(arriving) if frame[:1] == b"[" else arriving[0]
                    )

    def brings(self, frame: bytes) -> None:
        """One frame arrives; as the relay's process does, what is no message counts as a hole."""
        try:
            self.feed.receive(frame, self.now_ns)
        except ValueError:
            self.feed.hole()
        for messages, readers in self.feed.end_turn(self.now_ns):
            for reader in readers:
                reader.sink.send(messages)

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

    def listener(self) -> Listener:
        return Listener(self)


def pieces(frame: bytes) -> list[bytes]:
    return (
        [json.dumps(each, separators=(",", ":")).encode() for each in json.loads(frame)]
        if frame[:1] == b"["
        else [frame]
    )


class Bot:
    """A reader of the relay that keeps a mirror and subscribes again whenever something is missing."""

    def __init__(self, line: Any, *channels: str) -> None:
        self.listener = line.listener()
        self.session = FeedSession(Need.PRESENT, lambda: channels)
        self.mirror = Mirror()
        self.statistics = Statistics()
        self.trade_ids: list[int] = []
        self.snapshots = 0
        self.session.opened()
        if channels:
            self._sends()
        self.session.requests()

    def _sends(self) -> None:
        venue = self.listener._venue
        for request in self.session.requests():
            venue.feed.subscriptions.receive(
                self.listener.reader, request_text(request).encode(), venue.now_ns
            )

    def reads(self) -> None:
        for frame in self.listener.takes_frames():
            for message in parse_messages(frame):
                self._takes(message)
                self._sends()

    def _takes(self, message: Any) -> None:
        self.snapshots += message.type == "snapshot"
        if message.type == "trade":
            self.trade_ids.append(message.trade_id)
        if self.session.receive(message):
            self.statistics.fold(message)
            if not self.mirror.fold(message):
                self.session.refresh()


Books = dict[str, tuple[list[list[float]], list[list[float]]]]


def truth(venue: SocketlessVenue) -> Books:
    return {symbol: engine_levels(venue, symbol) for symbol in venue.exchange.markets}


def seen(bot: Bot) -> Books:
    return {
        symbol: ([*map(list, book.bids)], [*map(list, book.asks)])
        for symbol, book in bot.mirror.books.items()
    }


def positions(venue: SocketlessVenue) -> dict[tuple[str, str], int]:
    accounts = venue.exchange.accounts.items()
    return {
        (trader, symbol): each.lots
        for trader, account in accounts
        for symbol, each in account.positions.items()
        if each.lots
    }


def held(bot: Bot) -> dict[tuple[str, str], int]:
    return {key: each.position for key, each in bot.mirror.positions.items() if each.position}


def connected(toml: str = BOTH) -> Line:
    line = Line(SocketlessVenue(toml))
    line.connects()
    return line


def trades(line: Line, count: int = 1) -> None:
    """So many trades, each a turn of its own."""
    client = line.exchange.client()
    for _ in range(count):
        client.asks(order("bob", "sell", 1, 100.0))
        client.asks(order("alice", "buy", 1, 100.0))
        line.exchange.ends_turn()
        line.carries()


def events(messages: list[Message]) -> list[Message]:
    return [each for each in messages if "channel_seq" in each and each["type"] != "snapshot"]
