"""The desk a strategy sits at: `bot_strategies.Market` in the flesh.

It reads the mirror, the own orders and the account, and turns what the strategy does into numbered requests in `outbox`. It
decides nothing and asks nobody: the brain feeds it and empties the outbox.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import ceil, floor
from typing import Unpack

from msgspec.structs import replace

from bot_strategies import OpenOrder, StrategyContext, Terms
from botpit.bots.orders import OwnOrders
from botpit.clients.mirror import BookView, Mirror
from message_schemas import (
    Account,
    CancelAllRequest,
    CancelRequest,
    Fill,
    InstrumentInfo,
    LoggedIn,
    OrderRequest,
    OrderType,
    PositionState,
    Rejection,
    ReplaceRequest,
    Side,
    SideWord,
    SubscribeRequest,
    TradingRequest,
)

MAX_IN_FLIGHT = 64
"""Requests that may wait for their answer; a strategy's further ones are not sent."""
SAME_TICK = 1e-6
"""Prices closer than this part of a tick are one price: what float arithmetic leaves is no other price."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something whoever runs the bot should know.

    `routine`: it happens in any market. `error`: what the strategy raised, if that is it.
    """

    what: str
    details: dict[str, object]
    routine: bool = False
    error: Exception | None = None


Output = TradingRequest | SubscribeRequest | Notice
"""A SubscribeRequest is for the feed, every other request for the gateway; a Notice is for the log."""


class MarketHandle:
    """One bot's place in the market's first instrument. `now_ms` is set by the brain before anything else happens."""

    def __init__(self, trader_id: str) -> None:
        self.trader_id = trader_id
        self.now_ms = 0
        self.session = 0
        self.open = False
        """Whether requests may be sent: both connections are up and the account is known."""
        self.quiet_until_ms = 0
        self.in_flight: dict[int, TradingRequest] = {}
        self.outbox: list[Output] = []
        self.mirror = Mirror()
        self.own = OwnOrders("")
        self.last_rejection_reason: str | None = None
        self.last_rejection_ts = 0
        self.last_liquidation_ts = 0
        self._instrument: InstrumentInfo | None = None
        self._account: Account | None = None
        self._position = 0
        self._requests = 0

    # ------------------------------------------------------------------------------------------ what a strategy may read

    @property
    def timestamp(self) -> int:
        return self.now_ms

    @property
    def instrument(self) -> InstrumentInfo:
        assert self._instrument is not None, "not logged in yet"
        return self._instrument

    @property
    def book(self) -> BookView:
        return self.mirror.books[self.instrument.symbol]

    @property
    def mid_price(self) -> float:
        middle = self.book.mid_price
        return self.book.mark_price if middle is None else round(middle, 10)

    @property
    def position(self) -> int:
        return self._position

    @property
    def equity(self) -> float:
        return self._figures().total_equity

    @property
    def orders(self) -> list[OpenOrder]:
        return self.own.open()

    @property
    def context(self) -> StrategyContext:
        book, figures, spread = self.book, self._figures(), self.book.spread
        return StrategyContext(
            trader_id=self.trader_id,
            best_bid=book.best_bid,
            best_ask=book.best_ask,
            mid_price=self.mid_price,
            spread=None if spread is None else round(spread, 10),
            timestamp=self.now_ms,
            position=self._position,
            cash=figures.cash,
            avg_entry_price=figures.avg_entry_price,
            realized_pnl=figures.realized_pnl,
            unrealized_pnl=figures.unrealized_pnl,
            total_equity=figures.total_equity,
            maintenance_margin=self._maintenance_margin(),
            last_rejection_reason=self.last_rejection_reason,
            last_rejection_ts=self.last_rejection_ts,
            last_liquidation_ts=self.last_liquidation_ts,
        )

    def to_tick(self, price: float, side: SideWord) -> float:
        tick = self.instrument.tick
        ticks = price / tick
        nearest = round(ticks)
        if abs(ticks - nearest) > SAME_TICK:
            nearest = floor(ticks) if side == "buy" else ceil(ticks)
        return float(nearest * Decimal(repr(tick)))

    # -------------------------------------------------------------------------------------------- what a strategy may do

    def buy(self, qty: int, price: float | None = None, **terms: Unpack[Terms]) -> str | None:
        return self.place(_order(Side.BUY, qty, price, terms))

    def sell(self, qty: int, price: float | None = None, **terms: Unpack[Terms]) -> str | None:
        return self.place(_order(Side.SELL, qty, price, terms))

    def place(self, request: OrderRequest) -> str | None:
        """Send an order; give it an id no earlier run has used unless it brings its own. None when it cannot be sent now."""
        order = replace(
            request,
            side=Side(request.side),
            client_order_id=request.client_order_id or f"s{self.session}-{self._requests + 1}",
        )
        self._hint_at_tick(order.price, order.side.value)
        if not self._send(order):
            return None
        self.own.sent(order)
        return order.client_order_id

    def cancel(self, order: OpenOrder) -> bool:
        order_id, client_order_id = _names(order)
        sent = self._send(CancelRequest(order_id=order_id, client_order_id=client_order_id))
        order.cancelling = order.cancelling or sent
        return sent

    def replace(self, order: OpenOrder, *, price: float | None = None, qty: int | None = None) -> bool:
        self._hint_at_tick(price, order.side)
        order_id, client_order_id = _names(order)
        return self._send(ReplaceRequest(order_id=order_id, client_order_id=client_order_id, price=price, qty=qty))

    def cancel_all(self, side: SideWord | None = None) -> bool:
        sent = self._send(CancelAllRequest(symbol=self.instrument.symbol, side=side))
        for order in self.orders:
            order.cancelling = order.cancelling or (sent and side in (None, order.side))
        return sent

    # --------------------------------------------------------------------------------------------------- for the brain

    @property
    def may_send(self) -> bool:
        return self.open and self.now_ms >= self.quiet_until_ms and len(self.in_flight) < MAX_IN_FLIGHT

    @property
    def account_known(self) -> bool:
        return self._account is not None

    def ask(self, request: TradingRequest) -> None:
        """Send a request whatever the state of the handle."""
        self.expect_answer(request)
        self.outbox.append(request)

    def expect_answer(self, request: TradingRequest) -> None:
        self._requests += 1
        request.request_id = self._requests
        self.in_flight[self._requests] = request

    def answered(self, request_id: str | int | None) -> TradingRequest | None:
        """The request an answer belongs to; None for an event, which answers nobody."""
        return self.in_flight.pop(request_id, None) if isinstance(request_id, int) else None

    def take_outbox(self) -> list[Output]:
        taken, self.outbox = self.outbox, []
        return taken

    def disconnected(self) -> None:
        """Whatever waited for its answer waits in vain; what became of it is asked after the next login."""
        self.in_flight.clear()

    def new_market(self, answer: LoggedIn) -> None:
        self._instrument = answer.instruments[0]
        self.own = OwnOrders(self._instrument.symbol)
        self._account, self._position = None, 0

    def take_account(self, account: Account) -> None:
        self._account = account
        self._position = sum(each.position for each in account.positions if each.symbol == self.instrument.symbol)

    def filled(self, fill: Fill) -> None:
        if fill.symbol == self.instrument.symbol:
            self._position += fill.qty if fill.side == "buy" else -fill.qty
            self.own.filled(fill)

    def refused(self, request: TradingRequest | None, rejection: Rejection) -> None:
        """Undo what was assumed when a request was sent, and slow down when told so."""
        if rejection.reason == "rate_limited":
            self.slow_down(rejection.details.get("retry_after_ms"))
        match request:
            case OrderRequest():
                self.own.refused(request.client_order_id)
                self.last_rejection_reason, self.last_rejection_ts = rejection.reason, rejection.timestamp
            case CancelRequest():
                self._cancel_refused(request, rejection.reason)
            case CancelAllRequest():
                for order in self.orders:
                    order.cancelling = False

    def slow_down(self, retry_after_ms: object) -> None:
        wait_ms = retry_after_ms if isinstance(retry_after_ms, int | float) else 1_000
        self.quiet_until_ms = self.now_ms + ceil(min(max(wait_ms, 1), 60_000))

    def _hint_at_tick(self, price: float | None, side: SideWord) -> None:
        """An off-tick price is sent as it is, for the exchange to refuse; whoever reads the log learns the remedy."""
        if price is not None and (nearest := self.to_tick(price, side)) != price:
            told = {"price": price, "tick": self.instrument.tick, "nearest": nearest, "hint": "use market.to_tick(price, side)"}
            self.outbox.append(Notice("price off the tick", told))

    def _cancel_refused(self, request: CancelRequest, reason: str) -> None:
        for order in self.orders:
            if _names(order) == (request.order_id, request.client_order_id):
                order.cancelling = False
                if reason in ("unknown_order", "already_closed"):
                    self.own.gone(order)

    def _send(self, request: TradingRequest) -> bool:
        may = self.may_send
        if may:
            self.ask(request)
        return may

    def _figures(self) -> PositionState:
        """The account's money: as the feed last told it, until then as the exchange answered."""
        told = self.mirror.positions.get((self.trader_id, self.instrument.symbol))
        return told or _as_state(self._account, self.instrument.symbol)

    def _maintenance_margin(self) -> float:
        notional = abs(self._position) * self.book.mark_price * self.instrument.lot
        return round(notional * self.instrument.maintenance_margin_bps / 10_000, 10)


def _order(side: Side, qty: int, price: float | None, terms: Terms) -> OrderRequest:
    order_type = OrderType.MARKET if price is None else OrderType.LIMIT
    return OrderRequest(side=side, qty=qty, order_type=order_type, price=price, **terms)


def _names(order: OpenOrder) -> tuple[int | None, str | None]:
    """How an order is named to the exchange: by our own id, which is known before the answer, or else by its."""
    return (None, order.client_order_id) if order.client_order_id is not None else (order.order_id, None)


def _as_state(account: Account | None, symbol: str) -> PositionState:
    assert account is not None, "asked for money before the account is known"
    here = next((each for each in account.positions if each.symbol == symbol), None)
    return PositionState(
        trader_id=account.trader_id,
        symbol=symbol,
        position=here.position if here else 0,
        cash=account.cash,
        avg_entry_price=here.avg_entry_price if here else 0.0,
        realized_pnl=here.realized_pnl if here else 0.0,
        unrealized_pnl=here.unrealized_pnl if here else 0.0,
        total_equity=account.total_equity,
        mark_price=here.mark_price if here else 0.0,
        timestamp=account.timestamp,
    )
