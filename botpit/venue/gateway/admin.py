"""What the operator may ask: it closes instruments, and has the next market begun.

What it closes goes the way of every command. Who the operator is, and how one market follows
another, is not known here: the `Admin` that is handed in knows.
"""

from __future__ import annotations

from typing import Any, Protocol

import message_schemas as wire
from botpit.core.commands import Close
from botpit.core.events import Reason, Rejected, TradingStatus
from botpit.core.exchange import Exchange
from botpit.venue.gateway.auth import Keys
from botpit.venue.gateway.routes import Perform, Route, refuse
from botpit.venue.gateway.sessions import Reply, Scope, Session
from botpit.wire.encode import closed, reopening
from botpit.wire.outgoing import Outgoing
from botpit.wire.units import Units


class Admin(Keys, Protocol):
    """Whoever runs the exchange."""

    def closed(self, symbols: list[str]) -> None:
        """These were closed on its order."""

    def reopen(self) -> None:
        """It wants the next market, once everybody has what this turn brought."""


class AdminDesk:
    """The operator's requests to one market."""

    def __init__(
        self, exchange: Exchange, units: Units, admin: Admin, perform: Perform
    ) -> None:
        self._exchange = exchange
        self._units = units
        self._admin = admin
        self._perform = perform

    def routes(self) -> dict[type[Any], Route]:
        return {
            wire.CloseRequest: Route(Scope.OPERATE, self._close, names_trader=False),
            wire.ReopenRequest: Route(Scope.OPERATE, self._reopen, names_trader=False),
        }

    def _close(
        self, asked: tuple[wire.CloseRequest, str], now_ns: int, session: Session
    ) -> Reply:
        request, _ = asked
        symbols = self._not_closed() if request.symbol is None else [request.symbol]
        if not symbols:
            return refuse(request, Reason.MARKET_HALTED, now_ns)
        refused = self._close_all(symbols, session, now_ns)
        return refused or closed(self._exchange, self._units, symbols, now_ns), []

    def _reopen(
        self, asked: tuple[wire.ReopenRequest, str], now_ns: int, session: Session
    ) -> Reply:
        self._close_all(self._not_closed(), session, now_ns)
        self._admin.reopen()
        return reopening(self._exchange.market_id, now_ns), []

    def _close_all(self, symbols: list[str], session: Session, now_ns: int) -> Outgoing | None:
        """Close each; returns the first refusal, if there is one."""
        for symbol in symbols:
            answer, _ = self._perform(Close(symbol), now_ns, session)
            if isinstance(answer, Outgoing) and isinstance(answer.event, Rejected):
                return answer
        if symbols:
            self._admin.closed(symbols)
        return None

    def _not_closed(self) -> list[str]:
        markets = self._exchange.markets.items()
        return [
            symbol for symbol, market in markets if market.status is not TradingStatus.CLOSED
        ]
