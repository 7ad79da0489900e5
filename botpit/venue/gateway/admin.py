"""Operator sessions: they have no account, and may close instruments and ask for the next market.

What they close goes the way of every command. Who the operator is, and how one market follows another, is not known here: the
`Admin` that is handed in knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import message_schemas as wire
from botpit.core.commands import Close, Command
from botpit.core.events import Answer, LoggedIn, LoggedOut, Rejected, TradingStatus
from botpit.core.exchange import Exchange
from botpit.venue.gateway.sessions import NOT_FIRST, Session
from botpit.wire.decode import Fault, refusal
from botpit.wire.encode import Encoder, pong

OPERATOR_SCOPE = "house"


class Admin(Protocol):
    """Whoever runs the exchange."""

    def knows(self, token: str) -> bool:
        """Whether this is its token. It takes the same work to say no to any other, also where there is no door."""

    def closed(self, symbols: list[str]) -> None:
        """These were closed on its order."""

    def reopen(self) -> None:
        """It wants the next market, once all that this turn brought is told."""


class AdminDesk:
    """What an operator's sessions may ask of one market. `apply` is the gateway's."""

    def __init__(self, exchange: Exchange, encoder: Encoder, admin: Admin, apply: Callable[[Command], Answer | None]) -> None:
        self._exchange = exchange
        self._encoder = encoder
        self._admin = admin
        self._apply = apply
        self._logins = 0
        self._requests: dict[type[Any], Callable[[Any, int], bytes | Fault]] = {
            wire.PingRequest: self._ping, wire.CloseRequest: self._close, wire.ReopenRequest: self._reopen,
        }

    # ----------------------------------------------------------------------------------------------------- login and logout

    def login(self, session: Session, request: wire.LoginRequest, now_ns: int) -> bytes | Fault:
        """Each attempt costs before its token is looked at, so that nobody guesses faster than he may ask."""
        for name in ("last_seq", "cancel_on_disconnect"):
            if getattr(request, name) is not None:
                return refusal(request, "invalid_message", error=f"{name}: the house has neither events nor orders")
        if not session.is_fresh:
            return refusal(request, "unauthorized", error=NOT_FIRST)
        wait_ms = session.bucket.take(now_ns)
        if wait_ms:
            return refusal(request, "rate_limited", retry_after_ms=wait_ms)
        if not self._admin.knows(request.token or ""):
            return refusal(request, "unauthorized", error="token: it is not the house's")
        if request.market_id not in (None, self._exchange.market_id):
            return refusal(request, "other_market", market_id=self._exchange.market_id)
        self._logins += 1
        session.trader, session.number = wire.OPERATOR, self._logins
        return self._encoder.logged_in(LoggedIn(wire.OPERATOR, session.number, 0, now_ns), OPERATOR_SCOPE)

    def logout(self, session: Session, now_ns: int) -> bytes:
        return self._encoder.private(LoggedOut(wire.OPERATOR, session.number, 0, now_ns))

    # -------------------------------------------------------------------------------------------------------------- requests

    def answer(self, session: Session, request: Any, now_ns: int) -> bytes | Fault:
        """The answer to what an operator's session asks, or to what only such a session may ask."""
        perform = self._requests.get(type(request)) if session.is_operator else None
        if perform is None:
            error = f"type: {request.type} is not for this session"
            return Fault("error", "unauthorized", {"error": error}, request_id=request.request_id)
        wait_ms = session.bucket.take(now_ns)
        return refusal(request, "rate_limited", retry_after_ms=wait_ms) if wait_ms else perform(request, now_ns)

    def _ping(self, request: wire.PingRequest, now_ns: int) -> bytes:
        return pong(now_ns)

    def _close(self, request: wire.CloseRequest, now_ns: int) -> bytes | Fault:
        symbols = self._not_closed() if request.symbol is None else [request.symbol]
        if not symbols:
            return refusal(request, "market_halted")
        refused = self._close_all(symbols)
        return self._encoder.closed(symbols, now_ns) if refused is None else self._encoder.private(refused)

    def _reopen(self, request: wire.ReopenRequest, now_ns: int) -> bytes:
        self._close_all(self._not_closed())
        self._admin.reopen()
        return self._encoder.reopening(now_ns)

    def _close_all(self, symbols: list[str]) -> Rejected | None:
        """Close each; returns the first refusal, if there is one."""
        for symbol in symbols:
            answer = self._apply(Close(symbol))
            if isinstance(answer, Rejected):
                return answer
        if symbols:
            self._admin.closed(symbols)
        return None

    def _not_closed(self) -> list[str]:
        markets = self._exchange.markets.items()
        return [symbol for symbol, market in markets if market.status is not TradingStatus.CLOSED]
