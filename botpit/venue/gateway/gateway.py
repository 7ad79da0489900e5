"""Sessions without sockets: who a connection acts for, what it may do, and which answers and events it is sent, in which order.

A connection that never logs in is a *plain* session: it may name any trader and gets one answer per request, in order, and
nothing else. A *logged-in* session acts for its trader and also gets that trader's private events. Every request has exactly
one answer; it comes before what it caused (WIRE.md, 9001).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import message_schemas as wire
from botpit.core import events as ev
from botpit.core.accounts import Account
from botpit.core.commands import Cancel, CancelAll, Command, Login, Logout, Order, Reconfigure, Replace, SessionLost, Tick
from botpit.core.entry import find_order
from botpit.core.exchange import Exchange
from botpit.venue.feed.publisher import Feed
from botpit.venue.gateway.admin import Admin, AdminDesk
from botpit.venue.gateway.private import PrivateEventBuffer
from botpit.venue.gateway.sessions import NOT_FIRST, Buckets, Sendable, Session
from botpit.venue.rates import NS_PER_S, Bucket
from botpit.wire.decode import (
    NO_ORDER_NAMED,
    Decoder,
    Fault,
    FieldError,
    is_array,
    names_an_order,
    parse,
    refusal,
    split_array,
)
from botpit.wire.encode import Encoder, array, fault_bytes, heartbeat, nested, pong, with_request_id
from botpit.wire.private_events import private_events

_CANCELS = frozenset((wire.CancelRequest, wire.CancelAllRequest))
NOBODY_NAMED = "trader_id: needed without a login"
OPEN_SCOPE = "trade"
"""What a login may do in an exchange without tokens."""


class Journal(Protocol):
    """Where commands are written before anybody is told of their effects."""

    def append(self, command: Command, now_ns: int) -> None: ...


class Culprit(Exception):
    """The exchange failed at this command: a fault of its own. The cause is the exception it raised."""

    def __init__(self, command: Command, now_ns: int) -> None:
        super().__init__(f"at {now_ns}: {command}")


def _read(inbox: deque[bytes], most: int) -> list[Any]:
    """Up to so many frames, each as its request, its fault, or the list of requests that it is; after a list none."""
    read: list[Any] = []
    while inbox and len(read) < most:
        frame = inbox.popleft()
        if is_array(frame):
            elements = split_array(frame)
            read.append(elements if isinstance(elements, Fault) else list(map(parse, elements)))
            break
        read.append(parse(frame))
    return read


class Gateway:
    """All sessions of one exchange, and the one place where commands reach it."""

    def __init__(
        self, exchange: Exchange, feed: Feed, encoder: Encoder, tape: PrivateEventBuffer, journal: Journal, admin: Admin, *,
        max_requests_per_s: int, max_cancels_per_s: int,
    ) -> None:
        self._exchange = exchange
        self._feed = feed
        self._encoder = encoder
        self._journal = journal
        self._rates = (max_requests_per_s, max_cancels_per_s)
        self._decoder = Decoder(tuple(market.instrument for market in exchange.markets.values()))
        self._admin = AdminDesk(exchange, encoder, admin, self._apply)
        self._tape = tape
        self._by_trader: dict[str, list[Session]] = {}
        self._buckets: dict[str, Buckets] = {}
        self._now_ns = 0
        self._asking: Session | None = None
        self._caused: list[Sendable] = []
        self.flushable: set[Session] = set()
        self._queries: dict[type[Any], Callable[[Any, str], bytes]] = {
            wire.OrderStatusRequest: self._order_status, wire.OpenOrdersRequest: self._open_orders,
            wire.AccountRequest: self._account, wire.PingRequest: lambda request, trader: pong(self._now_ns),
        }
        self._commands: dict[type[Any], Callable[[Any, str, Session], Command]] = {
            wire.OrderRequest: self._order, wire.PlaceOrderRequest: self._order, wire.CancelRequest: self._cancel,
            wire.CancelAllRequest: self._cancel_all, wire.ReplaceRequest: self._replace,
        }

    # -------------------------------------------------------------------------------------------------------------- sessions

    def connect(self) -> Session:
        return Session(self._rates[0])

    def receive(self, session: Session, inbox: deque[bytes], most: int, now_ns: int) -> int:
        """Answer up to `most` frames of a session, in order, or up to the first array; returns the number of requests in them.

        All are read before the first is carried out: work of one kind done many times over keeps its code in the cache.
        """
        self._now_ns, self._asking, requests = now_ns, session, 0
        outbox, caused = session.outbox, self._caused
        for request in _read(inbox, most):
            if session.ended:
                break
            if type(request) is list:
                outbox.append(self._answer_array(session, request))
                requests += len(request)
            else:
                outbox.append(self._answer(session, request))
                requests += 1
            if caused:
                outbox += caused
                caused.clear()
        if requests:
            session.last_message_ns = now_ns
            self.flushable.add(session)
        self._asking = None
        return requests

    def text_of(self, said: Sendable) -> bytes:
        """What is sent for it."""
        return said if isinstance(said, bytes) else self._encoder.private(said)

    def _answer_array(self, session: Session, requests: list[Any]) -> bytes:
        return array([self.text_of(self._answer_element(session, request)) for request in requests])

    def _answer_element(self, session: Session, request: Any) -> Sendable:
        if isinstance(request, wire.LoginRequest | wire.LogoutRequest):
            return self._refuse(request, "invalid_message", error=f"type: {request.type} does not go into an array")
        return self._answer(session, request)

    def lost(self, session: Session, now_ns: int) -> None:
        """The session's connection is gone."""
        if session.trader is not None and not session.ended:
            self._leave(session)
            if not session.is_operator:
                self._now_ns = now_ns
                self._apply(SessionLost(session.trader, session.number))

    def tick(self, now_ns: int) -> None:
        """Apply a Tick, if it would change anything."""
        due_ns = self._exchange.next_due_ns(now_ns)
        if due_ns is not None and due_ns <= now_ns:
            self._now_ns = now_ns
            self._apply(Tick())

    def heartbeats(self, now_ns: int) -> None:
        """To each logged-in session that was told nothing for a second."""
        for trader, sessions in self._by_trader.items():
            account = self._exchange.accounts.get(trader)
            for session in sessions:
                if now_ns - session.last_message_ns >= NS_PER_S:
                    self._now_ns = now_ns
                    self._queue(session, heartbeat("account_seq", account.seq if account else 0, now_ns))

    def sessions(self) -> int:
        """How many sessions are logged in."""
        return sum(map(len, self._by_trader.values()))

    def _queue(self, session: Session, *messages: Sendable) -> None:
        session.outbox += messages
        session.last_message_ns = self._now_ns
        self.flushable.add(session)

    def _leave(self, session: Session) -> None:
        assert session.trader is not None
        others = self._by_trader[session.trader]
        others.remove(session)
        if not others:
            del self._by_trader[session.trader]

    # -------------------------------------------------------------------------------------------------------------- requests

    def _answer(self, session: Session, request: Any) -> Sendable:
        """The one answer to one request; what it caused is told by the way."""
        understand = self._commands.get(type(request))
        if understand is None or session.is_operator:
            return self._answer_other(session, request)
        session.used = True
        trader = request.trader_id or session.trader
        if trader is None:
            return self._refuse(request, "invalid_message", error=NOBODY_NAMED)
        try:
            command = understand(request, trader, session)
        except FieldError as error:
            return self._refuse(request, "invalid_message", error=str(error))
        answer = self._turned_away(session, trader, request) or self._apply(command) or b""
        return answer if request.request_id is None else with_request_id(self.text_of(answer), request.request_id)

    def _answer_other(self, session: Session, request: Any) -> bytes:
        """The answer to all that is not a trader's command: faults, logins, what the operator asks, questions."""
        match request:
            case Fault():
                return fault_bytes(request, self._now_ns)
            case wire.LoginRequest():
                return self._login(session, request)
            case wire.LogoutRequest():
                return self._logout(session, request)
        session.used = True
        if session.is_operator or isinstance(request, wire.CloseRequest | wire.ReopenRequest):
            return self._finished(request, self._admin.answer(session, request, self._now_ns))
        trader = getattr(request, "trader_id", None) or session.trader
        if trader is None and not isinstance(request, wire.PingRequest):
            return self._refuse(request, "invalid_message", error=NOBODY_NAMED)
        if isinstance(request, wire.OrderStatusRequest) and not names_an_order(request):
            return self._refuse(request, "invalid_message", error=NO_ORDER_NAMED)
        turned_away = self._turned_away(session, trader, request)
        return turned_away or with_request_id(self._queries[type(request)](request, trader or ""), request.request_id)

    def _turned_away(self, session: Session, trader: str | None, request: Any) -> bytes:
        """The refusal of who asks for somebody else, or too fast; empty when he may go on."""
        if session.trader is not None and session.trader != trader:
            return self._refuse(request, "unauthorized")
        wait_ms = self._bucket(session, trader, request).take(self._now_ns)
        return self._refuse(request, "rate_limited", retry_after_ms=wait_ms) if wait_ms else b""

    def _bucket(self, session: Session, trader: str | None, request: Any) -> Bucket:
        """A trader's own rate; the session's for what names no account that is there."""
        buckets = self._buckets.get(trader) if trader is not None else None
        if buckets is None:
            if trader is None or trader not in self._exchange.accounts:
                return session.bucket
            buckets = self._buckets[trader] = Buckets(*self._rates)
        return buckets.cancels if type(request) in _CANCELS else buckets.requests

    def _refuse(self, request: Any, reason: str, **details: object) -> bytes:
        return fault_bytes(refusal(request, reason, **details), self._now_ns)

    def _finished(self, request: Any, answer: bytes | Fault) -> bytes:
        return fault_bytes(answer, self._now_ns) if isinstance(answer, Fault) else with_request_id(answer, request.request_id)

    # -------------------------------------------------------------------------------------------------------------- commands

    def _order(self, request: wire.OrderRequest | wire.PlaceOrderRequest, trader: str, session: Session) -> Order:
        return self._decoder.order(request, trader, session.number)

    def _cancel(self, request: wire.CancelRequest, trader: str, session: Session) -> Cancel:
        return self._decoder.cancel(request, trader)

    def _cancel_all(self, request: wire.CancelAllRequest, trader: str, session: Session) -> CancelAll:
        return self._decoder.cancel_all(request, trader)

    def _replace(self, request: wire.ReplaceRequest, trader: str, session: Session) -> Replace:
        account = self._exchange.accounts.get(trader)
        record = find_order(account, request.order_id, request.client_order_id) if account else None
        return self._decoder.replace(request, trader, record.order.symbol if record else None)

    def end_sessions(self, now_ns: int) -> None:
        """End the logins of an earlier process of this market, whose sockets are gone with it."""
        self._now_ns = now_ns
        for trader, account in sorted(self._exchange.accounts.items()):
            for number in list(account.open_sessions):
                self._apply(SessionLost(trader, number))

    def reconfigure(self, command: Reconfigure, now_ns: int) -> None:
        """Put other rules in place, which can be (see `exchange/rules.py`)."""
        self._now_ns = now_ns
        self._apply(command)

    def _apply(self, command: Command) -> ev.Answer | None:
        """Journal and apply a command, notify everybody concerned, and return the answer to whoever asked, if it has one.

        Raises Culprit when the exchange itself fails at it.
        """
        now_ns = self._now_ns
        self._journal.append(command, now_ns)
        try:
            outcome = self._exchange.apply(command, now_ns)
        except Exception as error:
            raise Culprit(command, now_ns) from error
        for owner, event in private_events(outcome.events):
            self._tape.append(owner, event)
            if owner in self._by_trader:
                self._notify(owner, event, is_answer=event is outcome.answer)
        self._feed.publish(outcome.events, now_ns)
        return outcome.answer

    def _notify(self, trader: str, event: ev.PrivateEvent, *, is_answer: bool) -> None:
        """A private event to each session of its trader, once; on the asking socket the answer is it."""
        message = self._encoder.private(event)
        for session in self._by_trader[trader]:
            if session is not self._asking:
                self._queue(session, message)
            elif not is_answer:
                self._caused.append(message)

    # ----------------------------------------------------------------------------------------------------- login and logout

    def _login(self, session: Session, request: wire.LoginRequest) -> bytes:
        if request.trader_id == wire.OPERATOR:
            return self._login_operator(session, request)
        if not session.is_fresh:
            return self._refuse(request, "unauthorized", error=NOT_FIRST)
        if request.market_id is not None and request.market_id != self._exchange.market_id:
            return self._refuse(request, "other_market", market_id=self._exchange.market_id)
        account = self._exchange.accounts.get(request.trader_id)
        missed = self._missed(account, request)
        if isinstance(missed, bytes):
            return missed
        wait_ms = self._bucket(session, request.trader_id, request).take(self._now_ns)
        if wait_ms:
            return self._refuse(request, "rate_limited", retry_after_ms=wait_ms)
        answer = self._apply(Login(request.trader_id, bool(request.cancel_on_disconnect)))
        account = self._exchange.accounts.get(request.trader_id)
        if account is not None:
            session.trader, session.number = request.trader_id, account.sessions
            self._by_trader.setdefault(request.trader_id, []).append(session)
            self._caused += missed
        if isinstance(answer, ev.LoggedIn):
            return with_request_id(self._encoder.logged_in(answer, OPEN_SCOPE), request.request_id)
        return with_request_id(self.text_of(answer or b""), request.request_id)

    def _login_operator(self, session: Session, request: wire.LoginRequest) -> bytes:
        answer = self._admin.login(session, request, self._now_ns)
        if isinstance(answer, bytes):
            self._by_trader.setdefault(wire.OPERATOR, []).append(session)
        return self._finished(request, answer)

    def _missed(self, account: Account | None, request: wire.LoginRequest) -> list[bytes] | bytes:
        """The private events the login asks for, or the error that refuses it."""
        if request.last_seq is None:
            return []
        newest = account.seq if account else 0
        if request.last_seq > newest:
            return self._refuse(request, "seq_ahead", account_seq=newest)
        missed = self._tape.after(request.trader_id, request.last_seq, newest)
        if missed is not None:
            return missed
        state = nested(self._encoder.account(request.trader_id, account, self._now_ns))
        return self._refuse(request, "too_old", account_seq=newest, account=state)

    def _logout(self, session: Session, request: wire.LogoutRequest) -> bytes:
        if session.trader is None:
            session.used = True
            return self._refuse(request, "unauthorized", error="nobody is logged in on this socket")
        if session.is_operator:
            answer = self._admin.logout(session, self._now_ns)
        else:
            answer = self.text_of(self._apply(Logout(session.trader, session.number)) or b"")
        self._leave(session)
        session.ended = True
        return with_request_id(answer, request.request_id)

    # --------------------------------------------------------------------------------------------------------------- queries

    def _order_status(self, request: wire.OrderStatusRequest, trader: str) -> bytes:
        account = self._exchange.accounts.get(trader)
        record = account.remembered_order(request.order_id, request.client_order_id) if account else None
        asked = (request.order_id, request.client_order_id)
        return self._encoder.order_status(trader, account, record, asked, self._now_ns)

    def _open_orders(self, request: wire.OpenOrdersRequest, trader: str) -> bytes:
        return self._encoder.open_orders(trader, self._exchange.accounts.get(trader), self._now_ns)

    def _account(self, request: wire.AccountRequest, trader: str) -> bytes:
        return self._encoder.account(trader, self._exchange.accounts.get(trader), self._now_ns)
