"""One bot without its sockets: what exchange and relay say goes in, what the strategy wants comes out.

The brain folds two streams, the trading session's and the feed's, into what the bot knows, and asks the
strategy at each piece of news. A strategy's crash is an output like any other, so that whoever runs the brain
decides how to report it. Nothing is sent before both sides are there, and nothing waits for better days: a
quote of a minute ago is not what the strategy wants now.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from bot_strategies import ALL, Strategy
from botpit.bots.counts import Counts
from botpit.bots.feed import BotFeed
from botpit.bots.market_handle import MarketHandle
from botpit.bots.notice import Notice, Output
from botpit.bots.order_entry import OrderEntry
from botpit.bots.runner import StrategyRunner
from botpit.bots.state import BotState
from botpit.clients.mirror import Mirror
from botpit.clients.requests import request_fields
from botpit.clients.trading_session import START_ANEW, Heard, State, TradingSession
from message_schemas import (
    BookUpdate,
    CancelRejected,
    Error,
    Fill,
    LoggedIn,
    LoginRequest,
    Message,
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

HOOK_OF: dict[type, str] = {
    Fill: "on_fill",
    OrderAccepted: "on_order",
    OrderCancelled: "on_order",
    OrderReplaced: "on_order",
    OrderRejected: "on_order",
    ReplaceRejected: "on_order",
    CancelRejected: "on_order",
}
"""What the strategy learns of its orders."""


class Brain:
    """A strategy in conversation with exchange (the gateway) and relay (the feed).

    Every method that takes news returns the outputs they cause, in order. `symbol` is the instrument that the
    strategy trades unless it names others. With a `view` that somebody else keeps, `saw` says what was
    folded into it, and there is no feed; otherwise the brain keeps its own by `feed_message`. `clock_s`
    measures how long the strategy thinks and answers take, in seconds from anywhere; without one, as in a
    simulation, where time stands still meanwhile, nothing takes long. `counts` restores those of an earlier
    process: what happened to this trader since is asked for, and counted, but it is no news to a strategy
    that begins now.
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
        self.session = TradingSession(
            trader_id, market_id=self.counts.market_id, account_seq=self.counts.account_seq
        )
        self.state = BotState(trader_id, view or Mirror())
        self.entry = OrderEntry(self.state, self.session, self._notify)
        self.runner = StrategyRunner(strategy, self._notify, self.counts, clock_s)
        self.feed = (
            BotFeed(self.state, self.runner.hooks, self._notify) if view is None else None
        )
        self.markets: dict[str, MarketHandle] = {}
        self.strategy = strategy
        self._symbol = symbol
        self.clock_s = clock_s
        self._sees_market = False
        self._started_market: str | None = None
        self._handed_s: dict[str | int | None, float] = {}
        self._outbox: list[Output] = []

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

    # -------------------------------------------------------------------------------------------- connections

    def gateway_opened(self, now_ms: int) -> list[TradingRequest]:
        """The gateway is connected: what to send first. After a loss it asks for what was missed."""
        self.state.now_ms = now_ms
        self.session.opened()
        return self.session.requests()

    def gateway_lost(self) -> None:
        self.session.lost()
        self._handed_s.clear()
        self.entry.open = False

    def feed_opened(self) -> list[SubscribeRequest]:
        """The feed is connected: what to send first."""
        assert self.feed is not None, "somebody else keeps the view"
        self.feed.opened()
        return self.feed.requests()

    def feed_lost(self) -> None:
        assert self.feed is not None, "somebody else keeps the view"
        self.feed.lost()
        self._sees_market = self.entry.open = False

    def handed_over(self, order: OrderRequest) -> None:
        """An order was given to the gateway's link."""
        self.counts.sent += 1
        self._handed_s[order.request_id] = self.clock_s()

    # --------------------------------------------------------------------------------------------------- news

    def gateway_message(self, message: Message, now_ms: int) -> list[Output]:
        """An answer or a private event."""
        self.state.now_ms = now_ms
        self._note_latency(message)
        heard = self.session.receive(message, now_ms)
        if heard.is_news:
            self._fold(message, heard)
        return self._outputs()

    def feed_message(self, message: Message, now_ms: int) -> list[Output]:
        """A public event or a view of the book, for a brain that keeps its own view."""
        assert self.feed is not None, "somebody else keeps the view"
        is_news = self.feed.receive(message)
        self._outbox += self.feed.requests()
        if is_news:
            return self.saw(message, now_ms)
        return self._outputs()

    def saw(self, message: Message, now_ms: int) -> list[Output]:
        """A public event or a view of the book that the view has taken already."""
        state, strategy = self.state, self.strategy
        state.now_ms = now_ms
        match message:
            case BookUpdate() if message.symbol in self.markets:
                state.orders.book_told(message)
                self._ask("on_book", strategy.on_book, self.markets[message.symbol])
            case Trade() if message.symbol in self.markets:
                state.orders.traded(message)
                self._ask("on_trade", strategy.on_trade, self.markets[message.symbol], message)
            case Snapshot():
                self._look()
        return self._outputs()

    def timer(self, now_ms: int) -> list[Output]:
        """A decision interval has passed."""
        self.state.now_ms = now_ms
        self.session.time_passes(now_ms)
        if self.entry.may_send:
            self._ask("on_timer", self.strategy.on_timer, self.market)
            self._ask("next_order", self._poll)
        return self._outputs()

    def stop(self, now_ms: int) -> list[Output]:
        """Let the strategy say goodbye, cancel everything, log out; then `finished` will come true."""
        self.state.now_ms = now_ms
        if self.markets:
            self._ask("on_stop", self.strategy.on_stop, self.market)
        self.session.stop()
        return self._outputs()

    def _outputs(self) -> list[Output]:
        """What is to be sent and logged now; the strategy begins once both sides of one market are known."""
        session = self.session
        self.entry.open = self._sees_market and session.state is State.READY
        if self.entry.open and self._started_market != self.state.market_id:
            self._started_market = self.state.market_id
            self._ask("on_start", self.strategy.on_start, self.market)
        outputs, self._outbox = self._outbox, []
        outputs += session.requests()
        return outputs

    # --------------------------------------------------------------------------------- what the exchange says

    def _fold(self, message: Message, heard: Heard) -> None:
        symbol = self.state.symbol_of(message, heard.request)
        self.counts.apply(message)
        self.counts.market_id, self.counts.account_seq = (
            self.session.market_id,
            self.session.account_seq,
        )
        self.state.apply(message)
        match message:
            case LoggedIn() if isinstance(heard.request, LoginRequest):
                self._logged_in(message)
            case Error() if (
                isinstance(heard.request, LoginRequest) and message.reason in START_ANEW
            ):
                fields: dict[str, object] = {
                    "reason": message.reason,
                    "last_seq": heard.request.last_seq,
                }
                fields["market_id"] = heard.request.market_id
                self._notify(
                    Notice("beginning anew, what happened meanwhile is not counted", fields)
                )
            case Error():
                self._notify(_refusal("login refused, trying again", message))
            case OrderRejected() | ReplaceRejected() | CancelRejected():
                self.entry.refused(heard.request, message)
                if not isinstance(message, CancelRejected):
                    self._notify(_refusal(message.type, message, routine=True))
        if heard.unresolved:
            self._notify(
                Notice(
                    "orders had no answer and are not open", {"count": len(heard.unresolved)}
                )
            )
        self._tell_strategy(symbol, message)

    def _tell_strategy(self, symbol: str | None, message: Message) -> None:
        hook, market = HOOK_OF.get(type(message)), self.markets.get(symbol or "")
        if hook is not None and market is not None:
            self._ask(hook, getattr(self.strategy, hook), market, message)

    def _logged_in(self, answer: LoggedIn) -> None:
        if answer.market_id != self.state.market_id:
            self._begin_market(answer)
        if self.feed is not None:
            self.feed.revise()
            self._outbox += self.feed.requests()
        self._look()

    def _look(self) -> None:
        """See whether the view shows the market of the login, with all that the strategy trades in it."""
        self._sees_market = self.state.sees_market and (self.feed is None or self.feed.live)

    def _begin_market(self, answer: LoggedIn) -> None:
        """Find the instruments that the strategy trades; a market without one of them is none for it."""
        there = [each.symbol for each in answer.instruments]
        symbols = traded_symbols(self.strategy, self._symbol, there)
        missing = [symbol for symbol in symbols if symbol not in there]
        if missing:
            why = f"symbol {missing[0]} is not traded here, only {', '.join(there)}"
            self.runner.give_up(ValueError(why))
            symbols = []
        self.state.begin(answer.market_id, answer.instruments, symbols)
        self.markets = {}
        for symbol in symbols:
            self.markets[symbol] = MarketHandle(symbol, self.state, self.entry, self.markets)

    def _note_latency(self, message: Message) -> None:
        handed_s = self._handed_s.pop(getattr(message, "request_id", None), None)
        if handed_s is not None:
            self.counts.latency.add((self.clock_s() - handed_s) * 1e6)

    # ------------------------------------------------------------------------------------------- the strategy

    def _poll(self) -> None:
        order = self.strategy.next_order(self.market.context)
        if order is not None:
            self.entry.place(order, self.market.of(order.symbol or self.market.symbol).symbol)

    def _ask(self, hook: str, call: Callable[..., None], *arguments: object) -> None:
        """Ask the strategy, if it was started in the market that both sides now speak of."""
        started = (
            self._started_market is not None and self._started_market == self.state.market_id
        )
        stopping = self.session.state in (State.LEAVING, State.DONE)
        if started and self._started_market == self.state.view.market_id and not stopping:
            self.runner.ask(hook, call, *arguments)

    def _notify(self, notice: Notice) -> None:
        self._outbox.append(notice)


def traded_symbols(strategy: Strategy, own: str | None, there: list[str]) -> list[str]:
    """What a strategy trades of the instruments `there`: its `own` one first, then those it names."""
    named = list(strategy.symbols)
    if isinstance(strategy.symbols, str):
        named = [strategy.symbols]
    if named == [ALL]:
        named = there
    if own is not None:
        named = [own, *named]
    return list(dict.fromkeys(named)) or there[:1]


def request_text(request: TradingRequest | SubscribeRequest) -> str:
    """A request as it goes over the wire: JSON without the fields that are None."""
    return json.dumps(request_fields(request), separators=(",", ":"))


def _refusal(
    what: str, answer: Error | OrderRejected | ReplaceRejected, *, routine: bool = False
) -> Notice:
    return Notice(what, answer.details | {"reason": answer.reason}, routine)
