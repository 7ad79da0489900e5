"""What a strategy does, as requests, and what is assumed of each until its answer comes."""

from __future__ import annotations

from decimal import Decimal
from math import ceil, floor

from msgspec.structs import replace

from bot_strategies import OpenOrder
from botpit.bots.notice import Notice, Notify
from botpit.bots.state import BotState
from botpit.clients.trading_session import TradingSession
from message_schemas import (
    CancelAllRequest,
    CancelRequest,
    OrderRequest,
    Rejection,
    ReplaceRequest,
    Side,
    SideWord,
    TradingRequest,
)

SAME_TICK = 1e-6
"""Prices closer than this part of a tick are one price: what float arithmetic leaves is no other price."""


def to_tick(price: float, tick: float, side: SideWord) -> float:
    """The nearest price on the tick that is no worse for the one who orders."""
    ticks = price / tick
    nearest = round(ticks)
    if abs(ticks - nearest) > SAME_TICK:
        nearest = floor(ticks) if side == "buy" else ceil(ticks)
    return float(nearest * Decimal(repr(tick)))


class OrderEntry:
    """Sends a bot's requests through its session, while the brain has it `open`."""

    def __init__(self, state: BotState, session: TradingSession, notify: Notify) -> None:
        self.open = False
        self._state = state
        self._session = session
        self._notify = notify

    @property
    def may_send(self) -> bool:
        return self.open and self._session.may_send(self._state.now_ms)

    # ----------------------------------------------------------------------------------- what a strategy does

    def place(self, request: OrderRequest, symbol: str) -> str | None:
        """Send an order in `symbol`, under an id that no earlier run has used unless it brings one; None when
        it cannot be now.

        The market's first instrument goes without saying.
        """
        first = next(iter(self._state.instruments))
        order = replace(
            request,
            side=Side(request.side),
            symbol=request.symbol or (None if symbol == first else symbol),
            client_order_id=request.client_order_id
            or f"s{self._session.login}-{self._session.next_request_id}",
        )
        self._hint_at_tick(order.price, symbol, order.side.value)
        if not self._send(order):
            return None
        self._state.orders.sent(order, symbol)
        return order.client_order_id

    def cancel(self, order: OpenOrder) -> bool:
        order_id, client_order_id = _names(order)
        sent = self._send(CancelRequest(order_id=order_id, client_order_id=client_order_id))
        order.cancelling = order.cancelling or sent
        return sent

    def replace(self, order: OpenOrder, price: float | None, qty: int | None) -> bool:
        self._hint_at_tick(price, order.symbol, order.side)
        order_id, client_order_id = _names(order)
        return self._send(
            ReplaceRequest(
                order_id=order_id, client_order_id=client_order_id, price=price, qty=qty
            )
        )

    def cancel_all(self, symbol: str, side: SideWord | None) -> bool:
        sent = self._send(CancelAllRequest(symbol=symbol, side=side))
        for order in self._state.orders.open(symbol):
            order.cancelling = order.cancelling or (sent and side in (None, order.side))
        return sent

    def _send(self, request: TradingRequest) -> bool:
        return self.open and self._session.send(request, self._state.now_ms)

    def _hint_at_tick(self, price: float | None, symbol: str, side: SideWord) -> None:
        """An off-tick price is sent as it is, for the exchange to refuse; the log names the remedy."""
        if price is None:
            return
        tick = self._state.instruments[symbol].tick
        nearest = to_tick(price, tick, side)
        if nearest != price:
            details = {
                "price": price,
                "tick": tick,
                "nearest": nearest,
                "hint": "use market.to_tick(price, side)",
            }
            self._notify(Notice("price off the tick", details))

    # ---------------------------------------------------------------------------------------- what came of it

    def refused(self, request: TradingRequest | None, rejection: Rejection) -> None:
        """Undo what was assumed when a request was sent."""
        state = self._state
        match request:
            case OrderRequest():
                state.orders.refused(request.client_order_id)
                state.last_rejection_reason, state.last_rejection_ts = (
                    rejection.reason,
                    rejection.timestamp,
                )
            case CancelRequest():
                self._cancel_refused(request, rejection.reason)
            case CancelAllRequest() if request.symbol is not None:
                for order in state.orders.open(request.symbol):
                    order.cancelling = False

    def _cancel_refused(self, request: CancelRequest, reason: str) -> None:
        order = self._state.orders.named(request.client_order_id, request.order_id)
        if order is None:
            return
        order.cancelling = False
        if reason in ("unknown_order", "already_closed"):
            self._state.orders.gone(order)


def _names(order: OpenOrder) -> tuple[int | None, str | None]:
    """How an order is named to the exchange: by our own id, which is known first, or else by its."""
    if order.client_order_id is not None:
        return None, order.client_order_id
    return order.order_id, None
