"""How a session begins and ends: whom it acts for, and what its trader missed meanwhile."""

from __future__ import annotations

from typing import Protocol

import message_schemas as wire
from botpit.core.accounts import Account
from botpit.core.commands import Login, Logout
from botpit.core.events import LoggedIn, LoggedOut, Reason
from botpit.venue.gateway.market import LiveMarket
from botpit.venue.gateway.routes import Perform, refuse
from botpit.venue.gateway.sessions import (
    OPERATOR,
    Logins,
    Principal,
    Rates,
    Reply,
    Scope,
    Sendable,
    Session,
)
from botpit.wire.account_views import AccountViews
from botpit.wire.encode import nested
from botpit.wire.outgoing import Outgoing

NOT_FIRST = "login is the first request of its socket"
_TRADES = frozenset((Scope.TRADE,))


class Keys(Protocol):
    """Whoever knows the tokens."""

    def knows(self, token: str) -> bool:
        """Whether this is the operator's token. A no takes as long, also where there is no operator."""


class Authentication:
    """Logins and logouts. A trader's login asks for no token: it is an open exchange."""

    def __init__(
        self,
        market: LiveMarket,
        views: AccountViews,
        logins: Logins,
        rates: Rates,
        keys: Keys,
        perform: Perform,
    ) -> None:
        self._market = market
        self._exchange = market.exchange
        self._views = views
        self._logins = logins
        self._rates = rates
        self._keys = keys
        self._perform = perform
        self._operator_logins = 0

    # ---------------------------------------------------------------------------------------- login

    def login(self, session: Session, request: wire.LoginRequest, now_ns: int) -> Reply:
        if request.trader_id == wire.OPERATOR:
            return self._login_operator(session, request, now_ns)
        refusal = _late(session, request, now_ns) or self._of_another_market(request, now_ns)
        if refusal is not None:
            return refusal
        trader = request.trader_id
        missed = self._missed(self._exchange.accounts.get(trader), request, now_ns)
        if isinstance(missed, tuple):
            return missed
        wait_ms = self._rates.bucket(session, trader, "requests").take(now_ns)
        if wait_ms:
            return refuse(request, Reason.RATE_LIMITED, now_ns, retry_after_ms=wait_ms)
        answer, caused = self._perform(
            Login(trader, bool(request.cancel_on_disconnect)), now_ns, session
        )
        if not isinstance(answer, Outgoing) or not isinstance(answer.event, LoggedIn):
            return answer, caused
        self._logins.enter(session, Principal(trader, _TRADES), answer.event.session)
        return self._views.logged_in(answer.event, Scope.TRADE), caused + missed

    def _of_another_market(self, request: wire.LoginRequest, now_ns: int) -> Reply | None:
        market_id = self._exchange.market_id
        if request.market_id not in (None, market_id):
            return refuse(request, Reason.OTHER_MARKET, now_ns, market_id=market_id)
        return None

    def _missed(
        self, account: Account | None, request: wire.LoginRequest, now_ns: int
    ) -> list[Sendable] | Reply:
        """The private events that the login asks for, or the refusal when they cannot be had."""
        if request.last_seq is None:
            return []
        newest = account.seq if account else 0
        if request.last_seq > newest:
            return refuse(request, Reason.SEQ_AHEAD, now_ns, account_seq=newest)
        missed = self._market.private.after(request.trader_id, request.last_seq, newest)
        if missed is not None:
            return list(missed)
        state = nested(self._views.account(request.trader_id, account, now_ns))
        return refuse(request, Reason.TOO_OLD, now_ns, account_seq=newest, account=state)

    def _login_operator(
        self, session: Session, request: wire.LoginRequest, now_ns: int
    ) -> Reply:
        """Each attempt costs before its token is looked at, so that nobody guesses faster than it may ask."""
        for name in ("last_seq", "cancel_on_disconnect"):
            if getattr(request, name) is not None:
                error = f"{name}: the house has neither events nor orders"
                return refuse(request, Reason.INVALID_MESSAGE, now_ns, error=error)
        refusal = _late(session, request, now_ns)
        if refusal is not None:
            return refusal
        wait_ms = session.bucket.take(now_ns)
        if wait_ms:
            return refuse(request, Reason.RATE_LIMITED, now_ns, retry_after_ms=wait_ms)
        if not self._keys.knows(request.token or ""):
            return refuse(
                request, Reason.UNAUTHORIZED, now_ns, error="token: it is not the house's"
            )
        refusal = self._of_another_market(request, now_ns)
        if refusal is not None:
            return refusal
        self._operator_logins += 1
        self._logins.enter(session, OPERATOR, self._operator_logins)
        event = LoggedIn(wire.OPERATOR, session.number, 0, now_ns)
        return self._views.logged_in(event, Scope.OPERATE), []

    # --------------------------------------------------------------------------------------- logout

    def logout(self, session: Session, request: wire.LogoutRequest, now_ns: int) -> Reply:
        trader = session.principal.trader
        if trader is None:
            session.used = True
            return refuse(
                request, Reason.UNAUTHORIZED, now_ns, error="nobody is logged in on this socket"
            )
        reply = self._goodbye(session, trader, now_ns)
        self._logins.leave(session)
        session.ended = True
        return reply

    def _goodbye(self, session: Session, trader: str, now_ns: int) -> Reply:
        if session.is_operator:
            event = LoggedOut(trader, session.number, 0, now_ns)
            return self._market.sequencer.encoder.event(event, "own"), []
        return self._perform(Logout(trader, session.number), now_ns, session)


def _late(session: Session, request: wire.LoginRequest, now_ns: int) -> Reply | None:
    """The refusal of a login that is not the first request of its socket."""
    if session.is_fresh:
        return None
    return refuse(request, Reason.UNAUTHORIZED, now_ns, error=NOT_FIRST)
