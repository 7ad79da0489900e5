"""A bot's own open orders in one instrument, as its requests and the private events tell them.

An order is known from the moment it is sent, so that a strategy never sends a quote twice because an answer takes its time. What
stands ahead of an order is an upper bound: told on acceptance, lowered by trades at its price and by what its level still holds,
and only by what happened after the order took its place.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot_strategies import OpenOrder
from message_schemas import (
    Fill,
    OpenOrders,
    OrderAccepted,
    OrderCancelled,
    OrderReplaced,
    OrderRequest,
    OrderState,
    SideWord,
    Trade,
)

Level = tuple[float, int]


@dataclass(slots=True)
class _Tracked:
    order: OpenOrder
    placed_ms: int = 0
    """When it took its place in the queue, by the exchange's clock."""


class OwnOrders:
    """The open orders of one trader in `symbol`, oldest first."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self._by_key: dict[str, _Tracked] = {}

    def open(self) -> list[OpenOrder]:
        return [each.order for each in self._by_key.values()]

    def sent(self, request: OrderRequest) -> None:
        """Count an order that is on its way. One under an id in use changes nothing: the exchange will refuse it."""
        assert request.client_order_id is not None
        order = OpenOrder(
            client_order_id=request.client_order_id, side=request.side.value, qty=request.qty, leaves_qty=request.qty,
            price=request.price,
        )  # fmt: skip
        self._by_key.setdefault(request.client_order_id, _Tracked(order))

    def refused(self, client_order_id: str | None) -> None:
        """Forget an order that never came to be. An open one of the same id stays: not that one was refused."""
        tracked = self._by_key.get(client_order_id or "")
        if tracked is not None and tracked.order.order_id is None:
            del self._by_key[client_order_id or ""]

    def gone(self, order: OpenOrder) -> None:
        self._by_key.pop(_key(order.client_order_id, order.order_id), None)

    def accepted(self, event: OrderAccepted) -> None:
        if event.repeated:  # an order of long ago: if it is open, it is known already
            self.refused(event.client_order_id)
            return
        if event.symbol != self.symbol or event.side is None:
            return
        key = _key(event.client_order_id, event.order_id)
        order = OpenOrder(
            client_order_id=event.client_order_id, side=event.side, qty=event.qty, leaves_qty=event.qty, price=event.price
        )  # fmt: skip
        tracked = self._by_key.setdefault(key, _Tracked(order))
        tracked.order.order_id, tracked.order.queue_ahead = event.order_id, event.queue_ahead
        tracked.placed_ms = event.timestamp

    def filled(self, fill: Fill) -> None:
        key = _key(fill.client_order_id, fill.order_id)
        tracked = self._by_key.get(key)
        if tracked is None:
            return
        tracked.order.leaves_qty = fill.leaves_qty
        if fill.liquidity == "maker":
            tracked.order.queue_ahead = 0
        if fill.leaves_qty == 0:
            del self._by_key[key]

    def cancelled(self, event: OrderCancelled) -> None:
        self._by_key.pop(_key(event.client_order_id, event.order_id), None)

    def replaced(self, event: OrderReplaced) -> None:
        tracked = self._by_key.get(_key(event.client_order_id, event.order_id))
        if tracked is None:
            return
        order = tracked.order
        order.price, order.qty, order.leaves_qty = event.price, event.qty, event.leaves_qty
        if not event.kept_priority:
            order.queue_ahead, tracked.placed_ms = None, event.timestamp

    def told(self, answer: OpenOrders) -> None:
        """The exchange's own list: orders it does not know are gone, orders we did not know are added."""
        known = {key: each for key, each in self._by_key.items() if each.order.order_id is not None}
        self._by_key = {}
        for state in answer.orders:
            if state.symbol == self.symbol:
                key = _key(state.client_order_id, state.order_id)
                self._by_key[key] = known.get(key) or _Tracked(_open_order(state), answer.timestamp)

    # ------------------------------------------------------------------------------------------------ what stands ahead

    def traded(self, trade: Trade) -> None:
        """A trade takes from the front of its queue: so many fewer stand ahead of our orders there."""
        resting_side = {"buy": "sell", "sell": "buy"}.get(trade.aggressor_side or "")
        for tracked in self._by_key.values():
            order = tracked.order
            at_its_level = order.side == resting_side and order.price == trade.price and trade.timestamp > tracked.placed_ms
            if at_its_level and order.queue_ahead is not None:
                order.queue_ahead = max(0, order.queue_ahead - trade.qty)

    def level_told(self, side: SideWord, levels: list[Level], timestamp: int) -> None:
        """Ahead of an order stands at most what its level holds besides it."""
        held = dict(levels)
        for tracked in self._by_key.values():
            order = tracked.order
            if order.side == side and order.price in held and timestamp > tracked.placed_ms and order.order_id is not None:
                most = max(0, held[order.price] - order.leaves_qty)
                order.queue_ahead = most if order.queue_ahead is None else min(order.queue_ahead, most)


def _key(client_order_id: str | None, order_id: int | None) -> str:
    """Ids of clients never hold a `#`, so the two kinds of keys cannot meet."""
    return client_order_id or f"#{order_id}"


def _open_order(state: OrderState) -> OpenOrder:
    assert state.side is not None and state.qty is not None and state.leaves_qty is not None, state
    return OpenOrder(
        client_order_id=state.client_order_id,
        side=state.side,
        qty=state.qty,
        leaves_qty=state.leaves_qty,
        price=state.price,
        order_id=state.order_id,
    )
