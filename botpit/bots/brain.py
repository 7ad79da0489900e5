"""One bot without its sockets: what exchange and relay say goes in, what the strategy wants comes out.

The brain folds two streams, the trading session's and the feed's, into what the bot knows, and asks the strategy at each piece of
news. A strategy's crash is an output like any other, so that whoever runs the brain decides how to tell it. Nothing is sent
before both sides are there, and nothing waits for better days: a quote of a minute ago is not what the strategy wants now.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from bot_strategies import ALL, OrderEvent, Strategy
from botpit.bots.counts import Counts
from botpit.bots.market_handle import MarketHandle
from botpit.bots.notice import Notice, Output
from botpit.bots.order_entry import OrderEntry
from botpit.bots.runner import StrategyRunner
from botpit.bots.state import BotState
from botpit.clients.mirror import Mirror
from botpit.clients.trading_session import START_ANEW, Heard, State, TradingSession
from message_schemas import (
    Account,
    AccountRequest,
    BookUpdate,
    CancelRejected,
    CancelRequest,
    Channel,
    Error,
    Fill,
    Liquidation,
    LoggedIn,
    LoginRequest,
    Message,
    OpenOrders,
    OpenOrdersRequest,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    OrderReplaced,
    OrderRequest,
    ReplaceRejected,
    ReplaceRequest,
    Snapshot,
    SubscribeRequest,
    Trade,
    TradingRequest,
)

POLLED_CHANNELS: list[Channel] = ["book", "positions"]
"""What `StrategyContext` is made of: prices, and the mark and the own money, which only `positions` tell."""
MARKET_CHANNELS: list[Channel] = [*POLLED_CHANNELS, "trades", "status"]
"""What the market handle shows besides: the last trade, the queue ahead of own orders, whether the market is open."""


class Brain:
    """A strategy in conversation with exchange (the gateway) and relay (the feed).

    Every method that takes news returns the outputs they cause, in order. `symbol` is the instrument that the strategy trades
    unless it names others. With a `view` that somebody else keeps, `saw` tells of what was folded into it; otherwise the brain
    keeps its own and `feed_message` is the feed. `clock_s` measures how long the strategy thinks and answers take, in seconds
    from anywhere; without one, as in a simulation, where time stands still meanwhile, nothing takes long. `counts` restores those
    of an earlier process: what its market told this trader since is asked for, and counted, but it is no news to a strategy that
    begins now.
    """

    def __init__(
        self,
        strategy: Strategy,
        *,
        trader_id: str,
        symbol: str | None = None,
        view: Mirror | None = None,
        clock_s: Callable[[], float] = lambda: 0.0,
        counts: Counts | None = None,
    ) -> None:
        self.counts = counts or Counts()
        self.session = TradingSession(trader_id, market_id=self.counts.market_id, account_seq=self.counts.account_seq)
        self.state = BotState(trader_id, view or Mirror())
        self.entry = OrderEntry(self.state, self.session, self._tell)
        self.runner = StrategyRunner(strategy, self._tell, self.counts, clock_s)
        self.markets: dict[str, MarketHandle] = {}
        self._strategy = strategy
        self._symbol = symbol
        self._clock_s = clock_s
        self._started_market: str | None = None
        self._handed_s: dict[str | int | None, float] = {}
        self._feed_lost = False
        self._subscription: SubscribeRequest | None = None
        self._told: list[Output] = []

    @property
    def failed(self) -> bool:
        """The strategy crashed too often, or was given up: stop the bot."""
        return self.runner.failure is not None

    @property
    def finished(self) -> bool:
        """After `stop`: nothing more is to be waited for."""
        return self.session.state is State.DONE

    @property
    def market(self) -> MarketHandle:
        """The own instrument's, once a login has said which there are."""
        return self.markets[self.state.symbols[0]]

    # ----------------------------------------------------------------------------------------------------- connections

    def gateway_opened(self, now_ms: int) -> list[TradingRequest]:
        """The gateway is connected: what to send first. After a loss it asks for what was missed."""
        self.state.now_ms = now_ms
        self.session.opened()
        return self.session.take_requests()

    def gateway_lost(self) -> None:
        self.session.lost()
        self._handed_s.clear()
        self.entry.open = False

    def feed_opened(self) -> SubscribeRequest:
        """The feed is connected: what to send first. A strategy that is only polled sees no trades and no status."""
        polled = self.runner.hooks <= {"next_order"}
        self._subscription = SubscribeRequest(
            channels=POLLED_CHANNELS if polled else MARKET_CHANNELS, symbols=self._symbols_to_read(), batch=True
        )
        return self._subscription

    def feed_lost(self) -> None:
        self._feed_lost, self._subscription = True, None
        self.entry.open = False

    def handed_over(self, order: OrderRequest) -> None:
        """An order was given to the gateway's link."""
        self.counts.sent += 1
        self._handed_s[order.request_id] = self._clock_s()

    # ------------------------------------------------------------------------------------------------------------ news

    def gateway_message(self, message: Message, now_ms: int) -> list[Output]:
        """An answer or a private event."""
        self.state.now_ms = now_ms
        self._note_latency(message)
        heard = self.session.take(message, now_ms)
        if heard.is_news:
            self.counts.market_id, self.counts.account_seq = self.session.market_id, self.session.account_seq
            self._fold(message, heard)
        return self._outputs()

    def feed_message(self, message: Message, now_ms: int) -> list[Output]:
        """A public event or a view of the book, for a brain that keeps its own view."""
        if not self.state.view.apply(message):
            self._told.append(self.feed_opened())
        return self.saw(message, now_ms)

    def saw(self, message: Message, now_ms: int) -> list[Output]:
        """A public event or a view of the book that the view has taken already."""
        state = self.state
        state.now_ms = now_ms
        match message:
            case Snapshot():
                self._feed_lost = False
            case BookUpdate() if message.symbol in self.markets:
                state.orders.level_told(message.symbol, "buy", message.bids, message.timestamp)
                state.orders.level_told(message.symbol, "sell", message.asks, message.timestamp)
                self._call("on_book", lambda: self._strategy.on_book(self.markets[message.symbol]))
            case Trade() if message.symbol in self.markets:
                state.orders.traded(message)
                self._call("on_trade", lambda: self._strategy.on_trade(self.markets[message.symbol], message))
        return self._outputs()

    def timer(self, now_ms: int) -> list[Output]:
        """A decision interval has passed."""
        self.state.now_ms = now_ms
        self.session.time_passes(now_ms)
        if self.entry.may_send:
            self._call("on_timer", lambda: self._strategy.on_timer(self.market))
            self._call("next_order", self._poll)
        return self._outputs()

    def stop(self, now_ms: int) -> list[Output]:
        """Let the strategy say goodbye, cancel everything, log out; `finished` is true when that is done or hopeless."""
        self.state.now_ms = now_ms
        self._call("on_stop", lambda: self._strategy.on_stop(self.market))
        self.session.stop()
        return self._outputs()

    # ------------------------------------------------------------------------------------------------ what the exchange says

    def _fold(self, message: Message, heard: Heard) -> None:
        state = self.state
        match message:
            case LoggedIn() if isinstance(heard.request, LoginRequest):
                self._logged_in(message)
            case Account():
                state.take_account(message)
            case OpenOrders():
                state.orders.told(message)
            case Error():
                self._note_refusal(message, heard.request)
            case OrderRejected() | ReplaceRejected() | CancelRejected():
                self._rejected(message, heard.request)
            case Fill():
                self.counts.filled(message)
                state.filled(message)
                self._tell_fill(message)
            case Liquidation():
                state.last_liquidation_ts = message.timestamp
            case OrderAccepted() | OrderCancelled() | OrderReplaced():
                self._order_event(message)
        if heard.unresolved:
            told: dict[str, object] = {"count": len(heard.unresolved)}
            self._tell(Notice("orders were lost with the connection, or refused", told))

    def _logged_in(self, answer: LoggedIn) -> None:
        if answer.market_id != self.state.market_id:
            self._new_market(answer)
        if self._subscription is not None and self._subscription.symbols != self._symbols_to_read():
            self._told.append(self.feed_opened())

    def _new_market(self, answer: LoggedIn) -> None:
        """Find the instruments that the strategy trades; a market without one of them is none for it."""
        there = [each.symbol for each in answer.instruments]
        symbols = traded_symbols(self._strategy, self._symbol, there)
        missing = [symbol for symbol in symbols if symbol not in there]
        if missing:
            self.runner.give_up(ValueError(f"symbol {missing[0]} is not traded here, only {', '.join(there)}"))
            symbols = []
        self.state.begin(answer.market_id, answer.instruments, symbols)
        self.markets = {}
        for symbol in symbols:
            self.markets[symbol] = MarketHandle(symbol, self.state, self.entry, self.markets)

    def _note_refusal(self, error: Error, request: TradingRequest | None) -> None:
        if isinstance(request, LoginRequest) and error.reason in START_ANEW:
            told: dict[str, object] = {"reason": error.reason}
            told |= {"last_seq": request.last_seq, "market_id": request.market_id}
            self._tell(Notice("beginning anew, what happened meanwhile is not counted", told))
        elif isinstance(request, LoginRequest | AccountRequest | OpenOrdersRequest):
            self._tell(Notice("login refused, trying again", error.details | {"reason": error.reason}))

    def _rejected(self, answer: OrderRejected | ReplaceRejected | CancelRejected, request: TradingRequest | None) -> None:
        symbol = self._symbol_of(request)
        self.entry.refused(request, answer)
        if isinstance(answer, CancelRejected):
            self.counts.cancel_rejected[answer.reason] += 1
        else:
            self.counts.rejected[answer.reason] += 1
            self._tell(Notice(answer.type, answer.details | {"reason": answer.reason}, routine=True))
        self._tell_order(symbol, answer)

    def _order_event(self, event: OrderAccepted | OrderCancelled | OrderReplaced) -> None:
        orders = self.state.orders
        match event:
            case OrderAccepted():
                self.counts.accepted += not event.repeated
                orders.accepted(event)
                self._tell_order(event.symbol, event)
            case OrderCancelled():
                orders.cancelled(event)
                self._tell_order(event.symbol, event)
            case OrderReplaced():
                orders.replaced(event)
                known = orders.named(event.client_order_id, event.order_id)
                self._tell_order(known.symbol if known else None, event)

    def _symbol_of(self, request: TradingRequest | None) -> str | None:
        """Which instrument a request was about; the own one where nothing says so."""
        if isinstance(request, CancelRequest | ReplaceRequest):
            order = self.state.orders.named(request.client_order_id, request.order_id)
            return order.symbol if order else None
        return getattr(request, "symbol", None) or next(iter(self.state.instruments), None)

    def _note_latency(self, message: Message) -> None:
        handed_s = self._handed_s.pop(getattr(message, "request_id", None), None)
        if handed_s is not None:
            self.counts.latency.add((self._clock_s() - handed_s) * 1e6)

    # ----------------------------------------------------------------------------------------------------- the strategy

    def _tell_fill(self, fill: Fill) -> None:
        market = self.markets.get(fill.symbol)
        if market is not None:
            self._call("on_fill", lambda: self._strategy.on_fill(market, fill))

    def _tell_order(self, symbol: str | None, event: OrderEvent) -> None:
        market = self.markets.get(symbol or self.state.symbols[0])
        if market is not None:
            self._call("on_order", lambda: self._strategy.on_order(market, event))

    def _poll(self) -> None:
        order = self._strategy.next_order(self.market.context)
        if order is not None:
            self.entry.place(order, self.market.of(order.symbol or self.market.symbol).symbol)

    def _call(self, hook: str, call: Callable[[], None]) -> None:
        """Ask the strategy, if it was started in the market that both sides now speak of, and is not stopped."""
        started = self._started_market is not None and self._started_market == self.state.market_id
        if started and self._started_market == self.state.view.market_id and not self._stopping:
            self.runner.ask(hook, call)

    @property
    def _stopping(self) -> bool:
        return self.session.state in (State.LEAVING, State.DONE)

    def _outputs(self) -> list[Output]:
        """Everything to be sent and told by now; the strategy begins as soon as both sides of one market are known."""
        state = self.state
        self.entry.open = self.session.state is State.READY and not self._feed_lost and state.sees_market
        if self.entry.open and self._started_market != state.market_id:
            self._started_market = state.market_id
            self._call("on_start", lambda: self._strategy.on_start(self.market))
        told, self._told = self._told, []
        return told + self.session.take_requests()

    def _tell(self, notice: Notice) -> None:
        self._told.append(notice)

    def _symbols_to_read(self) -> list[str] | None:
        """What to ask the feed for; None, everything, until a login has said what there is."""
        traded = self.state.symbols
        return list(traded) if len(traded) < len(self.state.instruments) else None


def traded_symbols(strategy: Strategy, own: str | None, there: list[str]) -> list[str]:
    """What a strategy trades in a market of the instruments `there`: its `own` one first, then those it names itself."""
    named = [strategy.symbols] if isinstance(strategy.symbols, str) else list(strategy.symbols)
    if named == [ALL]:
        named = there
    first = [own] if own is not None else named[:1] or there[:1]
    return list(dict.fromkeys(first + named))


def request_text(request: TradingRequest | SubscribeRequest) -> str:
    """A request as it goes over the wire: JSON without the fields that are None."""
    values = {name: getattr(request, name) for name in request.__struct_fields__}
    told = {"type": request.type} | {name: value for name, value in values.items() if value is not None}
    return json.dumps(told, separators=(",", ":"))
