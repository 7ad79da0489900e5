"""A whole market of bots without sockets: real exchange, gateway and feed, on a clock the test turns."""

from __future__ import annotations

from typing import Any

from bot_strategies import Market, Strategy
from botpit.bots import Brain, Notice, Output, request_text
from botpit.clients.feed_session import FeedSession, Need
from botpit.clients.mirror import Mirror
from message_schemas import OrderRequest, SubscribeRequest, parse_messages
from tests.socketless_venue import NS_PER_MS, Client, Listener, SocketlessVenue


class BotInMarket:
    """One bot, on both ports. With a `view` it reads no feed of its own. `notices`: what it had to say."""

    def __init__(
        self,
        venue: SocketlessVenue,
        strategy: Strategy,
        trader_id: str = "alice",
        **options: Any,
    ) -> None:
        self.venue = venue
        self.strategy = strategy
        self.shares_view = "view" in options
        self.brain = Brain(strategy, trader_id=trader_id, **options)
        self.notices: list[Notice] = []
        self.subscriptions: list[SubscribeRequest] = []
        self.fed: list[Any] = []
        self.gateway: Client | None = None
        self.feed: Listener | None = None

    @property
    def market(self) -> Market:
        return self.brain.market

    @property
    def now_ms(self) -> int:
        return self.venue.now_ns // NS_PER_MS

    def connects(self) -> BotInMarket:
        if not self.shares_view:
            self.connects_feed()
        self.connects_gateway()
        return self

    def connects_gateway(self) -> None:
        self.gateway = self.venue.client()
        self._carry_out([*self.brain.gateway_opened(self.now_ms)])

    def connects_feed(self) -> None:
        self.feed = self.venue.listener()
        self._carry_out([*self.brain.feed_opened()])

    def loses_gateway(self) -> None:
        assert self.gateway is not None
        self.gateway.is_lost()
        self.brain.gateway_lost()

    def decides(self) -> None:
        self._carry_out(self.brain.timer(self.now_ms))

    def stops(self) -> None:
        self._carry_out(self.brain.stop(self.now_ms))

    def hears(self) -> bool:
        """Take what waits for it; False when nothing did."""
        said = self.gateway.takes_raw() if self.gateway else []
        told = self.feed.takes_frames() if self.feed else []
        for message in (each for frame in said for each in parse_messages(frame)):
            self._carry_out(self.brain.gateway_message(message, self.now_ms))
        for message in (each for frame in told for each in parse_messages(frame)):
            self.fed.append(message)
            self._carry_out(self.brain.feed_message(message, self.now_ms))
        return bool(said or told)

    def saw(self, message: Any) -> None:
        self._carry_out(self.brain.saw(message, self.now_ms))

    def _carry_out(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Notice():
                    self.notices.append(output)
                case SubscribeRequest():
                    self.subscriptions.append(output)
                    assert self.feed is not None
                    text = request_text(output).encode()
                    self.venue.feed.subscriptions.receive(
                        self.feed.reader, text, self.venue.now_ns
                    )
                case _:
                    assert self.gateway is not None
                    self.gateway.deliver(request_text(output))
                    if isinstance(output, OrderRequest):
                        self.brain.handed_over(output)


class SharedView:
    """One mirror, fed once, for all bots of a process."""

    def __init__(self, venue: SocketlessVenue) -> None:
        self.mirror = Mirror()
        self._session = FeedSession(Need.PRESENT, lambda: ())
        self._session.opened()
        self.bots: list[BotInMarket] = []
        self.folded = 0
        self._feed = venue.listener()

    def hears(self) -> bool:
        told = self._feed.takes_frames()
        for message in (each for frame in told for each in parse_messages(frame)):
            if self._session.receive(message):
                self.mirror.fold(message)
                self.folded += 1
                for bot in self.bots:
                    bot.saw(message)
        return bool(told)


def settle(venue: SocketlessVenue, *hearers: BotInMarket | SharedView) -> None:
    """Let everybody hear and act until all are silent, in rounds of a tenth of a second (books are told)."""
    anybody_heard = True
    while anybody_heard:
        venue.passes(0.1)
        venue.ends_turn()
        heard = [each.hears() for each in hearers]
        anybody_heard = any(heard)
