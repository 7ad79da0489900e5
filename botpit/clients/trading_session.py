"""A trader's conversation with the order port: from a login to a logout, and back to work after every loss.

A connection is worth little by itself. It can end at any moment, with orders on their way; the exchange may
come back as it was, earlier than it was (its disk lost the last moments) or as another market altogether. So
a trader may send orders only while it knows what it has, and that is what this session brings about, always
in the same four steps:

1. *Log in*, naming the market and the last private event it has (`last_seq`). Whatever happened meanwhile
   follows the answer, event by event, numbered without a hole. If the exchange cannot go on from there
   (`START_ANEW`), it logs in again and asks for nothing of before: what happened in between is then unknown,
   and never guessed.
2. *Sync*: ask for the account and the open orders. Events add to a picture; only the exchange's own list
   corrects one. A hole in the numbers, which no healthy exchange leaves, leads back to this step.
3. *Trade*: each request gets a number and waits for its one answer, at most MAX_IN_FLIGHT at a time. An
   exchange that says `rate_limited` is left alone for as long as it says.
4. *Leave*: cancel everything, then log out. Losing the connection cancels as well, because the login asked
   for cancel-on-disconnect.

A loss leaves requests without an answer, and nobody knows whether they arrived. Nothing is sent again:
what was a good idea a second ago need not be one now. An order among them is *unresolved* until the exchange
mentions it, by an event that follows the next login or in its list of open orders. What is unresolved after
the sync was refused or never arrived (or, if the session had to begin anew, may have been there and gone).

`TRANSITIONS` is the whole of it: what is not in the table cannot happen. The session keeps no account and no
orders. It says which request a message answers and whether it is news; whoever owns it folds the messages,
sends what `requests` returns, and tells the time.
"""

from __future__ import annotations

from enum import Enum, auto
from math import ceil
from typing import NamedTuple, get_args

from message_schemas import (
    Account,
    AccountRequest,
    AccountStatus,
    AllCancelled,
    CancelAllRequest,
    Error,
    Fill,
    InstrumentInfo,
    Liquidation,
    LoggedIn,
    LoggedOut,
    LoginRequest,
    LogoutRequest,
    Message,
    OpenOrders,
    OpenOrdersRequest,
    OrderAccepted,
    OrderCancelled,
    OrderReplaced,
    OrderRequest,
    Rejection,
    TradingRequest,
)

MAX_IN_FLIGHT = 64
"""Requests that may wait for their answer; further ones are not sent."""
START_ANEW = frozenset({"seq_ahead", "too_old", "other_market"})
"""Why an exchange cannot go on where we stopped; the answer is a login that asks for nothing of before."""
DEFAULT_WAIT_MS = 1_000
LONGEST_WAIT_MS = 60_000
"""How long an exchange is left alone that refuses without saying how long, and at most."""

PrivateEvent = (
    OrderAccepted | OrderReplaced | OrderCancelled | Fill | Liquidation | AccountStatus
)
"""What carries an `account_seq` of its own: 1, 2, 3 … for each trader."""
_PRIVATE_EVENTS: tuple[type[PrivateEvent], ...] = get_args(PrivateEvent)


class State(Enum):
    AWAY = "there is no connection"
    LOGGING_IN = "the login is not granted yet"
    SYNCING = "logged in; account and open orders are asked for"
    READY = "account and orders are known: requests may be sent"
    LEAVING = "everything is being cancelled, then the logout"
    DONE = "nothing more is to be waited for"


class Cause(Enum):
    OPENED = auto()
    LOST = auto()
    LOGGED_IN = auto()
    SYNCED = auto()
    MISSED = auto()
    """The numbers of the private events have a hole."""
    STOPPED = auto()
    LEFT = auto()
    """Logged out, or cancelling was refused: the end of the connection will do it."""


TRANSITIONS: dict[tuple[State, Cause], State] = {
    (State.AWAY, Cause.OPENED): State.LOGGING_IN,
    (State.AWAY, Cause.LOST): State.AWAY,  # an attempt to connect that failed
    (State.AWAY, Cause.STOPPED): State.DONE,
    (State.LOGGING_IN, Cause.LOGGED_IN): State.SYNCING,
    (State.LOGGING_IN, Cause.LOST): State.AWAY,
    (State.LOGGING_IN, Cause.STOPPED): State.DONE,
    (State.SYNCING, Cause.SYNCED): State.READY,
    (State.SYNCING, Cause.MISSED): State.SYNCING,
    (State.SYNCING, Cause.LOST): State.AWAY,
    (State.SYNCING, Cause.STOPPED): State.DONE,
    (State.READY, Cause.MISSED): State.SYNCING,
    (State.READY, Cause.LOST): State.AWAY,
    (State.READY, Cause.STOPPED): State.LEAVING,
    (State.LEAVING, Cause.MISSED): State.LEAVING,
    (State.LEAVING, Cause.LEFT): State.DONE,
    (State.LEAVING, Cause.LOST): State.DONE,
    (State.LEAVING, Cause.STOPPED): State.LEAVING,
    (State.DONE, Cause.OPENED): State.DONE,
    (State.DONE, Cause.MISSED): State.DONE,
    (State.DONE, Cause.LOST): State.DONE,
    (State.DONE, Cause.STOPPED): State.DONE,
}


class Heard(NamedTuple):
    """What a message is: the answer to `request`, or an event (None); not `is_news` if it came before.

    `unresolved`: with the message that ends a sync, the orders a loss left without an answer, of which
    nothing was heard since.
    """

    request: TradingRequest | None = None
    is_news: bool = True
    unresolved: tuple[OrderRequest, ...] = ()


class TradingSession:
    """One trader's side of the conversation, over any number of connections.

    `market_id` and `account_seq` say up to where this trader knows what happened to it; given an earlier
    session's, it asks for what came after. `login` numbers this trader's logins, `instruments` are the
    market's; both are of the last login. `quiet_until_ms`: before then the exchange wants no requests. Times
    are in milliseconds, of any clock.
    """

    def __init__(
        self,
        trader_id: str,
        *,
        market_id: str | None = None,
        account_seq: int | None = None,
        cancel_on_disconnect: bool = True,
    ) -> None:
        self.trader_id = trader_id
        self.market_id = market_id
        self.account_seq = account_seq
        self.state = State.AWAY
        self.login = 0
        self.instruments: list[InstrumentInfo] = []
        self.quiet_until_ms = 0
        self._cancel_on_disconnect = cancel_on_disconnect
        self._requests = 0
        self._in_flight: dict[int, TradingRequest] = {}
        self._outbox: list[TradingRequest] = []
        self._retries: list[TradingRequest] = []
        self._syncing: list[TradingRequest] = []
        self._unresolved: dict[str, OrderRequest] = {}
        self._farewell: CancelAllRequest | None = None

    # ----------------------------------------------------------------------------------------- the connection

    def opened(self) -> None:
        """There is a connection: log in on it."""
        self._move(Cause.OPENED)
        if self.state is State.LOGGING_IN:
            self._ask_for_login(self.account_seq, self.market_id)

    def lost(self) -> None:
        """The connection is gone, or could not be made. Whatever waited for an answer waits in vain."""
        self._move(Cause.LOST)
        for request in self._in_flight.values():
            if isinstance(request, OrderRequest) and request.client_order_id is not None:
                self._unresolved[request.client_order_id] = request
        self._in_flight.clear()
        self._outbox.clear()
        self._retries.clear()

    def time_passes(self, now_ms: int) -> None:
        """Ask again what was refused, once the exchange's wait is over."""
        if self._retries and now_ms >= self.quiet_until_ms:
            retries, self._retries = self._retries, []
            for request in retries:
                self._ask(request)

    # ----------------------------------------------------------------------------------------------- requests

    def may_send(self, now_ms: int) -> bool:
        return (
            self.state is State.READY
            and now_ms >= self.quiet_until_ms
            and len(self._in_flight) < MAX_IN_FLIGHT
        )

    def send(self, request: TradingRequest, now_ms: int) -> bool:
        """Number a request and send it, if that may be now."""
        may = self.may_send(now_ms)
        if may:
            self._ask(request)
        return may

    @property
    def next_request_id(self) -> int:
        return self._requests + 1

    def stop(self) -> None:
        """Cancel everything and log out. Who is not ready has nothing to log out of, or loses its orders with
        the connection."""
        was = self.state
        self._move(Cause.STOPPED)
        self._retries.clear()
        if was is State.READY:
            self._farewell = CancelAllRequest()
            self._ask(self._farewell)
        elif self.state is State.DONE:
            self._in_flight.clear()

    def requests(self) -> list[TradingRequest]:
        """What is to be sent now, in order."""
        taken, self._outbox = self._outbox, []
        return taken

    # ----------------------------------------------------------------------------------------------- messages

    def receive(self, message: Message, now_ms: int) -> Heard:
        """Take an answer or a private event of the present connection."""
        request = self._answered(message)
        if isinstance(message, _PRIVATE_EVENTS):
            return Heard(request, self._is_news(message) or request is not None)
        match message:
            case LoggedIn() if isinstance(request, LoginRequest):
                self._logged_in(message, request)
            case Account() | OpenOrders() if request in self._syncing:
                return Heard(request, unresolved=self._synced(message, request))
            case Error():
                self._refused(message, request, now_ms)
            case Rejection():
                self._rejected(message, request, now_ms)
            case AllCancelled() if request is self._farewell is not None:
                self._ask(LogoutRequest())
            case LoggedOut() if self.state is State.LEAVING:
                self._move(Cause.LEFT)
        return Heard(request)

    def _answered(self, message: Message) -> TradingRequest | None:
        """The request that a message answers; None for an event, which answers nobody."""
        request_id = getattr(message, "request_id", None)
        if not isinstance(request_id, int):
            return None
        return self._in_flight.pop(request_id, None)

    def _is_news(self, event: PrivateEvent) -> bool:
        """Note an event's number; False if it came before, or is of no login of ours."""
        if self.account_seq is None or self.state in (State.AWAY, State.LOGGING_IN):
            return False
        if isinstance(event, OrderAccepted):
            self._unresolved.pop(event.client_order_id or "", None)
        expected, number = self.account_seq + 1, event.account_seq or 0
        if number < expected:
            return False
        self.account_seq = number
        if number > expected:
            self._move(Cause.MISSED)
            self._sync()
        return True

    # -------------------------------------------------------------------------------------------- login, sync

    def _ask_for_login(self, last_seq: int | None = None, market_id: str | None = None) -> None:
        """Ask for what came after `last_seq` of that market, or for nothing of before."""
        login = LoginRequest(
            trader_id=self.trader_id,
            last_seq=last_seq,
            market_id=market_id,
            cancel_on_disconnect=self._cancel_on_disconnect,
        )
        self._ask(login)

    def _logged_in(self, answer: LoggedIn, request: LoginRequest) -> None:
        self._move(Cause.LOGGED_IN)
        self.login, self.instruments = answer.session, answer.instruments
        if answer.market_id != self.market_id:
            self._unresolved.clear()  # they ended with the market that they were sent to
        if request.last_seq is None or answer.market_id != self.market_id:
            self.market_id, self.account_seq = answer.market_id, answer.account_seq
        self._sync()

    def _sync(self) -> None:
        """Ask for account and open orders, unless the session is about to leave."""
        if self.state is State.SYNCING:
            self._syncing = [AccountRequest(), OpenOrdersRequest()]
            for request in self._syncing:
                self._ask(request)

    def _synced(
        self, answer: Account | OpenOrders, request: TradingRequest | None
    ) -> tuple[OrderRequest, ...]:
        """Take an answer of the sync; with the last one come the orders that stay unresolved."""
        self._syncing = [each for each in self._syncing if each is not request]
        if isinstance(answer, OpenOrders):
            for order in answer.orders:
                self._unresolved.pop(order.client_order_id or "", None)
        if self._syncing or self.state is not State.SYNCING:
            return ()
        self._move(Cause.SYNCED)
        unresolved, self._unresolved = tuple(self._unresolved.values()), {}
        return unresolved

    # ----------------------------------------------------------------------------------------------- refusals

    def _refused(self, error: Error, request: TradingRequest | None, now_ms: int) -> None:
        """A login that cannot go on from before begins anew; any other, and what syncs, is asked again after
        a while."""
        if isinstance(request, LoginRequest) and error.reason in START_ANEW:
            self._ask_for_login()
        elif isinstance(request, LoginRequest) or request in self._syncing:
            assert request is not None
            self._be_quiet(error.details.get("retry_after_ms"), now_ms)
            self._retries.append(request)
        elif error.reason == "rate_limited":
            self._be_quiet(error.details.get("retry_after_ms"), now_ms)

    def _rejected(
        self, rejection: Rejection, request: TradingRequest | None, now_ms: int
    ) -> None:
        if rejection.reason == "rate_limited":
            self._be_quiet(rejection.details.get("retry_after_ms"), now_ms)
        if request is self._farewell is not None:
            self._move(Cause.LEFT)

    def _be_quiet(self, retry_after_ms: object, now_ms: int) -> None:
        wait_ms: float = DEFAULT_WAIT_MS
        if isinstance(retry_after_ms, int | float):
            wait_ms = retry_after_ms
        self.quiet_until_ms = now_ms + ceil(min(max(wait_ms, 1), LONGEST_WAIT_MS))

    # ------------------------------------------------------------------------------------------------- inside

    def _ask(self, request: TradingRequest) -> None:
        self._requests += 1
        request.request_id = self._requests
        self._in_flight[self._requests] = request
        self._outbox.append(request)

    def _move(self, cause: Cause) -> None:
        assert (self.state, cause) in TRANSITIONS, f"{cause} cannot happen while {self.state}"
        self.state = TRANSITIONS[self.state, cause]
