"""A market in trade on a clock that the test turns: commands in, numbered events out, and a feed that has them.

`SocketlessVenue` puts a gateway before it; a test that writes commands itself needs no more than this.
"""

from __future__ import annotations

from botpit.core.commands import Command, Open
from botpit.core.exchange import Exchange
from botpit.settings import parse_settings
from botpit.venue.feed.publisher import Feed
from botpit.venue.gateway.market import LiveMarket
from botpit.venue.gateway.private import MAX_EVENTS_PER_TRADER, PrivateEventBuffer
from botpit.wire.sequencer import Sequencer, Step
from tests.socketless.listener import FeedHost

START_MS = 1_700_000_000_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


def opening_of(toml: str, market_id: str = "m1") -> Open:
    """How a market with these settings begins."""
    settings = parse_settings(toml)
    return Open(market_id, settings.rules(), settings.engine_instruments())


class SocketlessMarket(FeedHost):
    """One market from its opening. `now_ns` stands still until `passes`."""

    feed: Feed

    def __init__(self, opening: Open, keeps: int = MAX_EVENTS_PER_TRADER) -> None:
        self.now_ns = START_MS * NS_PER_MS
        self.exchange = Exchange(opening)
        self.sequencer = Sequencer(self.exchange)
        self.encoder = self.sequencer.encoder
        self.feed = Feed(self.sequencer)
        self.live = LiveMarket(
            self.sequencer, self.feed, PrivateEventBuffer(self.encoder, keeps)
        )

    def passes(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS_PER_S)

    def does(self, command: Command) -> Step:
        """Carry out a command that no gateway has seen."""
        return self.live.apply(command, self.now_ns)
