"""A whole exchange without sockets, wired once for all tests: sequencer, feed, gateway, turns, journal.

The test turns the clock, and says when a turn ends.
"""

from __future__ import annotations

import random

from botpit.core.commands import Command, Open
from botpit.core.exchange import Exchange
from botpit.settings import parse_settings
from botpit.venue.feed.publisher import Feed
from botpit.venue.gateway.gateway import Gateway, Journal
from botpit.venue.gateway.market import LiveMarket
from botpit.venue.gateway.private import MAX_EVENTS_PER_TRADER, PrivateEventBuffer
from botpit.venue.turn import Turns
from botpit.wire.sequencer import Sequencer
from tests.socketless.client import Client
from tests.socketless.crowd import Crowd
from tests.socketless.listener import FeedHost
from tests.socketless.requests import Message, order

START_MS = 1_700_000_000_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class CommandList:
    """A journal that the test can look into."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    def append(self, command: Command, now_ns: int) -> None:
        self.commands.append(command)


class FakeOperator:
    """The house, as far as a gateway asks it; notes what it is told."""

    def __init__(self, token: str | None) -> None:
        self.told: list[object] = []
        self._token = token

    def knows(self, token: str) -> bool:
        return token == self._token

    def closed(self, symbols: list[str]) -> None:
        self.told.append(symbols)

    def reopen(self) -> None:
        self.told.append("reopen")


def opening_of(toml: str, market_id: str = "m1") -> Open:
    """How a market with these settings begins."""
    settings = parse_settings(toml)
    return Open(market_id, settings.rules(), settings.engine_instruments())


class SocketlessVenue(FeedHost):
    """An exchange, its gateway and its feed. `now_ns` stands still until `passes`; without a token
    there is no house's door. `keeps`: so many of a trader's own events are kept for its next login.

    `turns` are those that sockets would take; as their clock sees it, one takes `spent_ns`. Whoever uses them
    ends no turn by `ends_turn`.
    """

    feed: Feed

    def __init__(
        self,
        toml: str = "",
        market_id: str = "m1",
        token: str | None = None,
        keeps: int = MAX_EVENTS_PER_TRADER,
        journal: Journal | None = None,
    ) -> None:
        self.now_ns, self.spent_ns = START_MS * NS_PER_MS, 0
        self.exchange = Exchange(opening_of(toml, market_id))
        self.sequencer = Sequencer(self.exchange)
        self.encoder = self.sequencer.encoder
        self.feed = Feed(self.sequencer)
        self.journal = journal or CommandList()
        self.operator = FakeOperator(token)
        market = parse_settings(toml).market
        self.gateway = Gateway(
            LiveMarket(self.sequencer, self.feed, PrivateEventBuffer(self.encoder, keeps)), self.journal, self.operator,
            max_requests_per_s=market.max_requests_per_s, max_cancels_per_s=market.max_cancels_per_s,
        )  # fmt: skip
        self.turns = Turns(self.gateway, self.feed, lambda: self.now_ns, lambda: self.spent_ns)

    def client(self) -> Client:
        return Client(self)

    def crowd(self, seed: int) -> Crowd:
        return Crowd(self, random.Random(seed))

    def passes(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS_PER_S)

    def rests(self, *orders: Message) -> None:
        """Each order is sent by a connection of its own, and accepted."""
        for each in orders:
            answer = self.client().asks(each)
            assert answer["type"] == "order_accepted", answer

    def quotes(
        self, *traders: str, side: str = "sell", price: float = 100.0, qty: int = 5
    ) -> None:
        """Each trader rests an order called "quote", in this order."""
        self.rests(
            *(order(each, side, qty, price, client_order_id="quote") for each in traders)
        )

    def state(self) -> tuple[object, ...]:
        """Everything that a refused message must not change."""
        exchange = self.exchange
        accounts = {
            trader: (
                account.cash,
                account.seq,
                account.sessions,
                dict(account.open_sessions),
                sorted(account.by_client_id),
            )
            for trader, account in exchange.accounts.items()
        }
        books = {
            symbol: (market.mark, market.book.bids.top(1_000), market.book.asks.top(1_000))
            for symbol, market in exchange.markets.items()
        }
        return accounts, books, self.feed.seq, len(self.journal.commands)
