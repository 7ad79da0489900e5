"""All sessions of one exchange without sockets: requests in, answers and events out, in which
order, and to whom.

A connection that never logs in is a *plain* session: it may name any trader and gets one answer per
request, in order, and nothing else. A *logged-in* session acts for its trader and also gets that
trader's private events. Every request has exactly one answer; it comes before what it caused
(API_SPEC.md, How 9001 works). Which requests there are, and what each of them takes, is the table
that trading, queries and admin bring; the gateway carries it out.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

import message_schemas as wire
from botpit.core.commands import Command, Reconfigure, SessionLost, Tick
from botpit.core.events import Reason
from botpit.venue.gateway.admin import Admin, AdminDesk
from botpit.venue.gateway.auth import Authentication
from botpit.venue.gateway.market import LiveMarket
from botpit.venue.gateway.queries import Queries
from botpit.venue.gateway.routes import Route, refuse
from botpit.venue.gateway.sessions import Logins, Rates, Reply, Sendable, Session
from botpit.venue.gateway.trading import Trading
from botpit.venue.rates import NS_PER_S
from botpit.wire.account_views import AccountViews
from botpit.wire.decode import Fault, FieldError, is_array, parse, refusal, split_array
from botpit.wire.encode import array, fault_bytes, heartbeat, with_request_id

NOBODY_NAMED = "trader_id: needed without a login"


class Journal(Protocol):
    """Where commands are written before anybody is sent what they caused."""

    def append(self, command: Command, now_ns: int) -> None: ...


class Culprit(Exception):
    """The exchange failed at this command: a fault of its own. The cause is the exception it raised."""

    def __init__(self, command: Command, now_ns: int) -> None:
        super().__init__(f"at {now_ns}: {command}")


class Gateway:
    """`flushable`: the sessions with something in their outbox. `routes`: what is known of each kind of
    request. Times are Unix time in ns, handed in by who keeps the clock.
    """

    def __init__(
        self,
        market: LiveMarket,
        journal: Journal,
        admin: Admin,
        *,
        max_requests_per_s: int,
        max_cancels_per_s: int,
    ) -> None:
        exchange, encoder = market.exchange, market.sequencer.encoder
        views = AccountViews(exchange, encoder.units)
        self._market = market
        self._journal = journal
        self._exchange = exchange
        self._rates = Rates(exchange, max_requests_per_s, max_cancels_per_s)
        self._logins = Logins()
        self._by_trader = self._logins.by_trader
        self._auth = Authentication(
            market, views, self._logins, self._rates, admin, self._perform
        )
        self.routes: dict[type[Any], Route] = {
            **Trading(exchange, self._perform).routes(),
            **Queries(exchange, views).routes(),
            **AdminDesk(exchange, encoder.units, admin, self._perform).routes(),
        }
        self.flushable: set[Session] = set()

    # ------------------------------------------------------------------------------------- requests

    def connect(self) -> Session:
        return Session(self._rates.max_requests_per_s)

    def receive(self, session: Session, most: int, now_ns: int) -> int:
        """Answer up to `most` frames of its inbox, in order, or up to the first array; returns the
        requests in them.

        All are read before the first is carried out: work of one kind done many times over keeps
        its code in the cache.
        """
        requests, outbox = 0, session.outbox
        for request in _read(session.inbox, most):
            if session.ended:
                break
            if type(request) is list:
                answer, after = self._answer_array(session, request, now_ns)
                requests += len(request)
            else:
                answer, after = self.answer(session, request, now_ns)
                requests += 1
            outbox.append(answer)
            if after:
                outbox += after
        if requests:
            session.last_message_ns = now_ns
            self.flushable.add(session)
        return requests

    def answer(
        self, session: Session, request: Any, now_ns: int
    ) -> tuple[Sendable, list[Sendable]]:
        """The one answer to one request, and what its session is sent after it."""
        route = self.routes.get(type(request))
        if route is not None:
            answer, after = self._carry_out(route, session, request, now_ns)
        elif isinstance(request, Fault):
            return fault_bytes(request, now_ns), []
        elif isinstance(request, wire.LoginRequest):
            answer, after = self._auth.login(session, request, now_ns)
        else:
            answer, after = self._auth.logout(session, request, now_ns)
        assert answer is not None, request
        if request.request_id is not None:
            answer = with_request_id(text_of(answer), request.request_id)
        return answer, after

    def _carry_out(self, route: Route, session: Session, request: Any, now_ns: int) -> Reply:
        session.used = True
        principal = session.principal
        if route.scope is not None and route.scope not in principal.scopes:
            details = {"error": f"type: {request.type} is not for this session"}
            return fault_bytes(Fault("error", Reason.UNAUTHORIZED, details), now_ns), []
        trader = principal.trader
        if route.names_trader:
            trader = request.trader_id or trader
            if trader is None:
                return refuse(request, Reason.INVALID_MESSAGE, now_ns, error=NOBODY_NAMED)
        try:
            understood = route.understand(request, trader or "", session)
        except FieldError as error:
            return refuse(request, Reason.INVALID_MESSAGE, now_ns, error=str(error))
        if principal.trader is not None and principal.trader != trader:
            return refuse(request, Reason.UNAUTHORIZED, now_ns)
        wait_ms = self._rates.bucket(session, trader or "", route.rate).take(now_ns)
        if wait_ms:
            return refuse(request, Reason.RATE_LIMITED, now_ns, retry_after_ms=wait_ms)
        return route.act(understood, now_ns, session)

    def _answer_array(
        self, session: Session, requests: list[Any], now_ns: int
    ) -> tuple[Sendable, list[Sendable]]:
        answers: list[bytes] = []
        after: list[Sendable] = []
        for request in requests:
            if isinstance(request, wire.LoginRequest | wire.LogoutRequest):
                error = f"type: {request.type} does not go into an array"
                fault = refusal(request, Reason.INVALID_MESSAGE, error=error)
                fault.request_id = request.request_id
                request = fault
            answer, caused = self.answer(session, request, now_ns)
            answers.append(text_of(answer))
            after += caused
        return array(answers), after

    # ------------------------------------------------------------------------------------- commands

    def lost(self, session: Session, now_ns: int) -> None:
        """The session's connection is gone."""
        trader = session.principal.trader
        if trader is not None and not session.ended:
            self._logins.leave(session)
            if not session.is_operator:
                self._perform(SessionLost(trader, session.number), now_ns)

    def tick(self, now_ns: int) -> None:
        """Apply a Tick, if it would change anything."""
        due_ns = self._exchange.next_due_ns(now_ns)
        if due_ns is not None and due_ns <= now_ns:
            self._perform(Tick(), now_ns)

    def end_sessions(self, now_ns: int) -> None:
        """End the logins of an earlier process of this market, whose sockets are gone with it."""
        for trader, account in sorted(self._exchange.accounts.items()):
            for number in list(account.open_sessions):
                self._perform(SessionLost(trader, number), now_ns)

    def reconfigure(self, command: Reconfigure, now_ns: int) -> None:
        """Put other rules in place, which can be (see `core/rules.py`)."""
        self._perform(command, now_ns)

    def _perform(self, command: Command, now_ns: int, asking: Session | None = None) -> Reply:
        """Journal and apply a command and notify everybody concerned.

        Its answer, and the events that the asking session is to get after it: each of its trader's
        that is not the answer. Raises Culprit when the exchange itself fails.
        """
        self._journal.append(command, now_ns)
        try:
            answer, private, _ = self._market.apply(command, now_ns)
        except Exception as error:
            raise Culprit(command, now_ns) from error
        after: list[Sendable] = []
        if self._by_trader:
            for event in private:
                for session in self._by_trader.get(event.trader, ()):
                    if session is not asking:
                        self._queue(session, event, now_ns)
                    elif event is not answer:
                        after.append(event)
        return answer, after

    # ------------------------------------------------------------------------------------- sessions

    def heartbeats(self, now_ns: int) -> None:
        """To each logged-in session that got nothing for a second."""
        for trader, sessions in self._by_trader.items():
            account = self._exchange.accounts.get(trader)
            for session in sessions:
                if now_ns - session.last_message_ns >= NS_PER_S:
                    self._queue(
                        session,
                        heartbeat("account_seq", account.seq if account else 0, now_ns),
                        now_ns,
                    )

    def sessions(self) -> int:
        """How many sessions are logged in."""
        return self._logins.count()

    def _queue(self, session: Session, message: Sendable, now_ns: int) -> None:
        session.outbox.append(message)
        session.last_message_ns = now_ns
        self.flushable.add(session)


def text_of(message: Sendable) -> bytes:
    """What is sent for it."""
    if isinstance(message, bytes):
        return message
    return message.bytes("own")


def parse_array(frame: bytes) -> list[Any] | Fault:
    """The requests of an array, each as its request or its fault; or the fault of the whole frame."""
    elements = split_array(frame)
    if isinstance(elements, Fault):
        return elements
    return list(map(parse, elements))


def _read(inbox: deque[bytes], most: int) -> list[Any]:
    """Up to so many frames, each as its request, its fault, or the list of requests that it is;
    after a list none.
    """
    read: list[Any] = []
    while inbox and len(read) < most:
        frame = inbox.popleft()
        if is_array(frame):
            read.append(parse_array(frame))
            break
        read.append(parse(frame))
    return read
