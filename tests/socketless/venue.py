"""A whole exchange without sockets, wired once for all tests: a market in trade, its journal, gateway and turns.

The test turns the clock, and says when a turn ends.
"""

from __future__ import annotations

import random

from botpit.core.commands import Command
from botpit.settings import parse_settings
from botpit.venue.gateway.gateway import Gateway, Journal
from botpit.venue.gateway.private import MAX_EVENTS_PER_TRADER
from botpit.venue.turn import Turns
from tests.socketless.client import Client
from tests.socketless.crowd import Crowd
from tests.socketless.market import SocketlessMarket, opening_of
from tests.socketless.requests import Message, order


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


class SocketlessVenue(SocketlessMarket):
    """An exchange, its gateway and its feed. `now_ns` stands still until `passes`; without a token
    there is no house's door. `keeps`: so many of a trader's own events are kept for its next login.

    `turns` are those that sockets would take, and take no time. Whoever uses them ends no turn by `ends_turn`.
    """

    def __init__(
        self,
        toml: str = "",
        market_id: str = "m1",
        token: str | None = None,
        keeps: int = MAX_EVENTS_PER_TRADER,
        journal: Journal | None = None,
    ) -> None:
        super().__init__(opening_of(toml, market_id), keeps)
        self.journal = journal or CommandList()
        self.operator = FakeOperator(token)
        market = parse_settings(toml).market
        self.gateway = Gateway(
            self.live, self.journal, self.operator,
            max_requests_per_s=market.max_requests_per_s, max_cancels_per_s=market.max_cancels_per_s,
        )  # fmt: skip
        self.turns = Turns(self.gateway, self.feed, lambda: self.now_ns, lambda: 0)

    def client(self) -> Client:
        return Client(self)

    def crowd(self, seed: int) -> Crowd:
        return Crowd(self, random.Random(seed))

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
