"""One bot without its sockets: what exchange and relay say goes in, what the strategy wants comes out.

The brain logs in, learns account and open orders, follows both streams and asks the strategy. A strategy's crash is an output
like any other, so that whoever runs the brain decides how to tell it. Nothing is sent before both connections are up and the
account is known, and nothing waits for better days: a quote of a minute ago is not what the strategy wants now.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from bot_strategies import Strategy
from botpit.bots.counts import Counts
from botpit.bots.market_handle import MarketHandle, Notice, Output
from botpit.bots.runner import StrategyRunner
from message_schemas import (
    Account,
    AccountRequest,
    AccountStatus,
    AllCancelled,
    BookUpdate,
    CancelAllRequest,
    CancelRejected,
    Channel,
    Error,
    Fill,
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
    OrderRejected,
    OrderReplaced,
    OrderRequest,
    ReplaceRejected,
    Snapshot,
    SubscribeRequest,
    Trade,
    TradingRequest,
)

POLLED_CHANNELS: list[Channel] = ["book", "positions"]
"""What `StrategyContext` is made of: prices, and the mark and the own money, which only `positions` tell."""
MARKET_CHANNELS: list[Channel] = [*POLLED_CHANNELS, "trades", "status"]
"""What the market handle shows besides: the last trade, the queue ahead of own orders, whether the market is open."""
START_ANEW = ("seq_ahead", "too_old", "other_market")
"""Why an exchange cannot go on where we stopped; the answer is a login that asks for nothing of before."""


class Brain:
    """A strategy in conversation with exchange (the gateway) and relay (the feed).

    Every method that takes news returns the outputs they cause, in order. `finished`: after `stop`, nothing more is to be waited
    for. `clock_s` measures how long the strategy thinks and answers take, in seconds from anywhere; without one, as in a
    simulation, where time stands still meanwhile, nothing takes long. `counts` restores those of an earlier process: what its
    market told this trader since is asked for, and counted, but it is no news to a strategy that begins now.
    """

    def __init__(
        self,
        strategy: Strategy,
        *,
        trader_id: str,
        clock_s: Callable[[], float] = lambda: 0.0,
        counts: Counts | None = None,
    ) -> None:
        self.handle = MarketHandle(trader_id)
        self.counts = counts or Counts()
        self.runner = StrategyRunner(strategy, self.handle, self.counts, clock_s)
        self.finished = False
        self._strategy = strategy
        self._clock_s = clock_s
        self._market_id: str | None = None
        self._started_market: str | None = None
        self._handed_s: dict[str | int | None, float] = {}
        self._gateway_ready = False
        self._feed_ready = False
        self._stopping = False
        self._retries: list[TradingRequest] = []

    @property
    def failed(self) -> bool:
        """The strategy crashed too often, or was given up: stop the bot."""
        return self.runner.failed

    # ----------------------------------------------------------------------------------------------------- connections

    def gateway_opened(self, now_ms: int) -> LoginRequest:
        """The gateway is connected: what to send first. After a loss it asks for what was missed."""
        self.handle.now_ms = now_ms
        login = self._login(self.counts.account_seq)
        self.handle.expect_answer(login)
        return login

    def feed_opened(self) -> SubscribeRequest:
        """The feed is connected: what to send first. A strategy that is only polled sees no trades and no status."""
        polled = self.runner.hooks <= {"next_order"}
        return SubscribeRequest(channels=POLLED_CHANNELS if polled else MARKET_CHANNELS, batch=True)

    def handed_over(self, order: OrderRequest) -> None:
        """An order was given to the gateway's link."""
        self.counts.sent += 1
        self._handed_s[order.request_id] = self._clock_s()

    def gateway_lost(self) -> None:
        self._gateway_ready = self.handle.open = False
        self._retries.clear()
        self._handed_s.clear()
        self.handle.disconnected()
        self.finished = self._stopping

    def feed_lost(self) -> None:
        self._feed_ready = self.handle.open = False

    # ------------------------------------------------------------------------------------------------------------ news

    def gateway_message(self, message: Message, now_ms: int) -> list[Output]:
        """An answer or a private event."""
        self.handle.now_ms = now_ms
        request = self._answered(message)
        match message:
            case LoggedIn():
                self._logged_in(message, request)
            case Account():
                self.handle.take_account(message)
            case OpenOrders():
                self.handle.own.told(message)
                self._gateway_ready = self.handle.account_known
            case Error():
                self._error(message, request)
            case AllCancelled() if self._stopping:
                self.handle.ask(LogoutRequest())
            case LoggedOut():
                self.finished = True
            case OrderRejected() | ReplaceRejected() | CancelRejected():
                self._rejected(message, request)
            case OrderAccepted() | OrderCancelled() | OrderReplaced() | Fill() | Liquidation() | AccountStatus():
                self._event(message)
        return self._outputs()

    def feed_message(self, message: Message, now_ms: int) -> list[Output]:
        """A public event or a view of the book."""
        handle = self.handle
        handle.now_ms = now_ms
        if not handle.mirror.apply(message):
            handle.outbox.append(self.feed_opened())
        match message:
            case Snapshot():
                self._feed_ready = True
            case BookUpdate() if message.symbol == handle.own.symbol:
                handle.own.level_told("buy", message.bids, message.timestamp)
                handle.own.level_told("sell", message.asks, message.timestamp)
                self._call("on_book", lambda: self._strategy.on_book(handle))
            case Trade() if message.symbol == handle.own.symbol:
                handle.own.traded(message)
                self._call("on_trade", lambda: self._strategy.on_trade(handle, message))
        return self._outputs()

    def timer(self, now_ms: int) -> list[Output]:
        """A decision interval has passed."""
        handle = self.handle
        handle.now_ms = now_ms
        if self._retries and now_ms >= handle.quiet_until_ms:
            retries, self._retries = self._retries, []
            for request in retries:
                handle.ask(request)
        if handle.may_send:
            self._call("on_timer", lambda: self._strategy.on_timer(handle))
            self._call("next_order", self._poll)
        return self._outputs()

    def stop(self, now_ms: int) -> list[Output]:
        """Let the strategy say goodbye, cancel everything, log out; `finished` is true when that is done or hopeless."""
        self.handle.now_ms = now_ms
        self._call("on_stop", lambda: self._strategy.on_stop(self.handle))
        self._stopping = True
        self.handle.open = False
        self.finished = not self._gateway_ready
        if self._gateway_ready:
            self.handle.ask(CancelAllRequest())
        return self.handle.take_outbox()

    # ------------------------------------------------------------------------------------------------------- conversation

    def _login(self, last_seq: int | None) -> LoginRequest:
        market_id = None if last_seq is None else self.counts.market_id
        return LoginRequest(trader_id=self.handle.trader_id, last_seq=last_seq, market_id=market_id, cancel_on_disconnect=True)

    def _answered(self, message: Message) -> TradingRequest | None:
        """The request that a message answers, None if it is an event; how long an order waited for its answer is counted."""
        request_id = getattr(message, "request_id", None)
        handed_s = self._handed_s.pop(request_id, None)
        if handed_s is not None:
            self.counts.latency.add((self._clock_s() - handed_s) * 1e6)
        return self.handle.answered(request_id)

    def _logged_in(self, answer: LoggedIn, request: TradingRequest | None) -> None:
        self.handle.session = answer.session
        if answer.market_id != self._market_id:
            self._market_id = answer.market_id
            self.handle.new_market(answer)
        if isinstance(request, LoginRequest) and request.last_seq is None:
            self.counts.market_id, self.counts.account_seq = answer.market_id, answer.account_seq
        self.handle.ask(AccountRequest())
        self.handle.ask(OpenOrdersRequest())

    def _error(self, error: Error, request: TradingRequest | None) -> None:
        """Only the requests of a login are answered so; without their answers nothing can begin."""
        if isinstance(request, LoginRequest) and error.reason in START_ANEW:
            told: dict[str, object] = {"reason": error.reason, "last_seq": request.last_seq, "market_id": request.market_id}
            self.handle.outbox.append(Notice("beginning anew, what happened meanwhile is not counted", told))
            self.handle.ask(self._login(None))
        elif isinstance(request, LoginRequest | AccountRequest | OpenOrdersRequest):
            self.handle.outbox.append(Notice("login refused, trying again", error.details | {"reason": error.reason}))
            self.handle.slow_down(error.details.get("retry_after_ms"))
            self._retries.append(request)

    def _event(self, event: OrderAccepted | OrderCancelled | OrderReplaced | Fill | Liquidation | AccountStatus) -> None:
        self.counts.account_seq = max(self.counts.account_seq or 0, event.account_seq or 0)
        handle = self.handle
        match event:
            case Fill():
                self._filled(event)
                return
            case Liquidation():
                handle.last_liquidation_ts = event.timestamp
                return
            case AccountStatus():
                return
            case OrderAccepted():
                self.counts.accepted += not event.repeated
                handle.own.accepted(event)
            case OrderCancelled():
                handle.own.cancelled(event)
            case OrderReplaced():
                handle.own.replaced(event)
        self._call("on_order", lambda: self._strategy.on_order(handle, event))

    def _filled(self, fill: Fill) -> None:
        self.counts.filled(fill)
        self.handle.filled(fill)
        self._call("on_fill", lambda: self._strategy.on_fill(self.handle, fill))

    def _rejected(self, answer: OrderRejected | ReplaceRejected | CancelRejected, request: TradingRequest | None) -> None:
        self.handle.refused(request, answer)
        if isinstance(answer, CancelRejected):
            self.counts.cancel_rejected[answer.reason] += 1
        else:
            self.counts.rejected[answer.reason] += 1
            self.handle.outbox.append(Notice(answer.type, answer.details | {"reason": answer.reason}, routine=True))
        if self._stopping and isinstance(request, CancelAllRequest):
            self.finished = True  # not logged out: losing the connection cancels the orders
        self._call("on_order", lambda: self._strategy.on_order(self.handle, answer))

    # ----------------------------------------------------------------------------------------------------- the strategy

    def _outputs(self) -> list[Output]:
        """Everything to be sent and told by now; the strategy begins as soon as both sides of one market are known."""
        ready = self._gateway_ready and self._feed_ready and self.handle.mirror.market_id == self._market_id
        self.handle.open = ready and not self._stopping
        if self.handle.open and self._started_market != self._market_id:
            self._started_market = self._market_id
            self._call("on_start", lambda: self._strategy.on_start(self.handle))
        return self.handle.take_outbox()

    def _begun(self) -> bool:
        """Whether the strategy was started in the market that both sides now speak of, and not yet stopped."""
        same_market = self._started_market == self._market_id == self.handle.mirror.market_id
        return same_market and self._started_market is not None and not self._stopping

    def _poll(self) -> None:
        order = self._strategy.next_order(self.handle.context)
        if order is not None:
            self.handle.place(order)

    def _call(self, hook: str, call: Callable[[], None]) -> None:
        if self._begun():
            self.runner.ask(hook, call)


def request_text(request: TradingRequest | SubscribeRequest) -> str:
    """A request as it goes over the wire: JSON without the fields that are None."""
    values = {name: getattr(request, name) for name in request.__struct_fields__}
    told = {"type": request.type} | {name: value for name, value in values.items() if value is not None}
    return json.dumps(told, separators=(",", ":"))
