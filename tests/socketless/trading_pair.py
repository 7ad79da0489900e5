"""A trading session and a real gateway, with a line between them that a test can cut anywhere."""

from __future__ import annotations

from collections import deque
from typing import Any

from botpit.bots import request_text
from botpit.clients.trading_session import Heard, State, TradingSession
from message_schemas import LoggedIn, OrderRequest, Side, TradingRequest, parse_messages
from tests.socketless.client import Client
from tests.socketless.market import NS_PER_MS
from tests.socketless.venue import SocketlessVenue


class TradingPair:
    """Alice's session with the gateway of a venue.

    What either says lies on the line until `pumps`, in the order said. `heard` are the messages that were
    news, with what the session made of each; `sent` the requests that went on the line; `unresolved` the ids
    of orders it gave up.
    """

    def __init__(
        self, venue: SocketlessVenue | None = None, session: TradingSession | None = None
    ) -> None:
        self.venue = venue or SocketlessVenue()
        self.session = session or TradingSession("alice")
        self.heard: list[tuple[Any, Heard]] = []
        self.sent: list[TradingRequest] = []
        self.unresolved: list[str | None] = []
        self._client: Client | None = None
        self._to_venue: deque[TradingRequest] = deque()
        self._to_session: deque[bytes] = deque()

    @property
    def now_ms(self) -> int:
        return self.venue.now_ns // NS_PER_MS

    @property
    def told(self) -> list[str]:
        """The types of what was news."""
        return [message.type for message, _ in self.heard]

    @property
    def asked(self) -> list[str]:
        return [request.type for request in self.sent]

    # ----------------------------------------------------------------------------------------------- the line

    def connects(self) -> None:
        self._client = self.venue.client()
        self.session.opened()
        self._collect()

    def is_cut(self, arrived: int = 0, heard: int = 0) -> None:
        """The connection ends; so many requests still arrive, and so many messages are still heard."""
        assert self._client is not None
        for _ in range(min(arrived, len(self._to_venue))):
            self._arrive()
        for _ in range(min(heard, len(self._to_session))):
            self._hear()
        self._client.is_lost()
        self._client = None
        self._to_venue.clear()
        self._to_session.clear()
        self.session.lost()

    def pumps(self) -> None:
        """Deliver everything, until both sides are silent."""
        while self._client is not None and (self._to_venue or self._to_session):
            while self._to_venue:
                self._arrive()
            self._take_from_venue()
            while self._to_session:
                self._hear()

    def passes(self, seconds: float) -> None:
        self.venue.passes(seconds)
        self.session.time_passes(self.now_ms)
        self._collect()

    def opens(self) -> TradingPair:
        self.connects()
        self.pumps()
        assert self.session.state is State.READY
        return self

    # --------------------------------------------------------------------------------------------- the trader

    def buys(
        self, qty: int = 1, price: float = 100.0, name: str | None = None, side: Side = Side.BUY
    ) -> bool:
        """Put an order on the line."""
        return self.asks(OrderRequest(side=side, qty=qty, price=price, client_order_id=name))

    def asks(self, request: TradingRequest) -> bool:
        done = self.session.send(request, self.now_ms)
        self._collect()
        return done

    def stops(self) -> None:
        self.session.stop()
        self._collect()

    def logins(self) -> list[LoggedIn]:
        return [message for message, _ in self.heard if isinstance(message, LoggedIn)]

    def _collect(self) -> None:
        requests = self.session.requests()
        self.sent += requests
        self._to_venue += requests

    def _arrive(self) -> None:
        assert self._client is not None
        self._client.deliver(request_text(self._to_venue.popleft()))

    def _take_from_venue(self) -> None:
        assert self._client is not None
        self._to_session += self._client.takes_raw()

    def _hear(self) -> None:
        for message in parse_messages(self._to_session.popleft()):
            heard = self.session.receive(message, self.now_ms)
            if heard.is_news:
                self.heard.append((message, heard))
            self.unresolved += [order.client_order_id for order in heard.unresolved]
            self._collect()
