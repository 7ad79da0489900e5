"""A bot's own open orders, as its requests and the private events make them.

An order is known from the moment it is sent, so that a strategy never sends a quote twice because an answer
takes its time. What stands ahead of an order is an upper bound: known on acceptance, lowered by trades at its
price and by what its level still holds, and only by what happened after the order took its place.

Answers name orders by id alone, books and trades come by symbol: so each order is found both ways.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from bot_strategies import OpenOrder
from message_schemas import (
    BookUpdate,
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


@dataclass(slots=True)
class _Tracked:
    order: OpenOrder
    placed_ms: int = 0
    """When it took its place in the queue, by the exchange's clock."""


class OwnOrders:
    """The open orders of one trader, oldest first in each instrument."""

    def __init__(self) -> None:
        self._by_key: dict[str, _Tracked] = {}
        self._by_symbol: dict[str, dict[str, _Tracked]] = defaultdict(dict)

    def open(self, symbol: str) -> list[OpenOrder]:
        return [each.order for each in self._by_symbol[symbol].values()]

    def named(self, client_order_id: str | None, order_id: int | None) -> OpenOrder | None:
        """The open order of these ids, if there is one."""
        tracked = self._by_key.get(_key(client_order_id, order_id))
        return None if tracked is None else tracked.order

    # ------------------------------------------------------------------------------------ what became of them

    def sent(self, request: OrderRequest, symbol: str) -> None:
        """Count an order that is on its way, unless its id is in use: then the exchange will refuse it."""
        assert request.client_order_id is not None
        order = OpenOrder(
            client_order_id=request.client_order_id,
            symbol=symbol,
            side=request.side.value,
            qty=request.qty,
            leaves_qty=request.qty,
            price=request.price,
        )
        self._found_or_added(request.client_order_id, order)

    def refused(self, client_order_id: str | None) -> None:
        """Forget an order that never came to be; an open one of the same id was not the one refused."""
        tracked = self._by_key.get(client_order_id or "")
        if tracked is not None and tracked.order.order_id is None:
            self._forget(client_order_id or "")

    def gone(self, order: OpenOrder) -> None:
        self._forget(_key(order.client_order_id, order.order_id))

    def accepted(self, event: OrderAccepted) -> None:
        if event.repeated:  # an order of long ago: if it is open, it is known already
            self.refused(event.client_order_id)
            return
        if event.side is None:
            return
        order = OpenOrder(
            client_order_id=event.client_order_id,
            symbol=event.symbol,
            side=event.side,
            qty=event.qty,
            leaves_qty=event.qty,
            price=event.price,
        )
        tracked = self._found_or_added(_key(event.client_order_id, event.order_id), order)
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
            self._forget(key)

    def cancelled(self, event: OrderCancelled) -> None:
        self._forget(_key(event.client_order_id, event.order_id))

    def replaced(self, event: OrderReplaced) -> None:
        tracked = self._by_key.get(_key(event.client_order_id, event.order_id))
        if tracked is None:
            return
        order = tracked.order
        order.price, order.qty, order.leaves_qty = event.price, event.qty, event.leaves_qty
        if not event.kept_priority:
            order.queue_ahead, tracked.placed_ms = None, event.timestamp

    def listed(self, answer: OpenOrders) -> None:
        """The exchange's own list: orders it does not know are gone, orders we did not know are added."""
        known = {
            key: each for key, each in self._by_key.items() if each.order.order_id is not None
        }
        self._by_key.clear()
        self._by_symbol.clear()
        for state in answer.orders:
            key = _key(state.client_order_id, state.order_id)
            self._add(key, known.get(key) or _Tracked(_open_order(state), answer.timestamp))

    # -------------------------------------------------------------------------------------- what stands ahead

    def traded(self, trade: Trade) -> None:
        """A trade takes from the front of its queue: so many fewer stand ahead of our orders there."""
        resting_side = {"buy": "sell", "sell": "buy"}.get(trade.aggressor_side or "")
        for tracked in self._by_symbol[trade.symbol].values():
            order = tracked.order
            at_its_level = order.side == resting_side and order.price == trade.price
            if (
                at_its_level
                and trade.timestamp > tracked.placed_ms
                and order.queue_ahead is not None
            ):
                order.queue_ahead = max(0, order.queue_ahead - trade.qty)

    def book_told(self, book: BookUpdate) -> None:
        """Ahead of an order stands at most what its level holds besides it."""
        ours = self._by_symbol[book.symbol]
        if not ours:
            return
        held: dict[SideWord, dict[float | None, int]] = {
            "buy": dict(book.bids),
            "sell": dict(book.asks),
        }
        for tracked in ours.values():
            order = tracked.order
            at_level = held[order.side].get(order.price)
            if (
                at_level is not None
                and order.order_id is not None
                and book.timestamp > tracked.placed_ms
            ):
                most = max(0, at_level - order.leaves_qty)
                if order.queue_ahead is None or order.queue_ahead > most:
                    order.queue_ahead = most

    # --------------------------------------------------------------------------------------- both ways to one

    def _found_or_added(self, key: str, order: OpenOrder) -> _Tracked:
        return self._by_key.get(key) or self._add(key, _Tracked(order))

    def _add(self, key: str, tracked: _Tracked) -> _Tracked:
        self._by_key[key] = self._by_symbol[tracked.order.symbol][key] = tracked
        return tracked

    def _forget(self, key: str) -> None:
        tracked = self._by_key.pop(key, None)
        if tracked is not None:
            del self._by_symbol[tracked.order.symbol][key]


def _key(client_order_id: str | None, order_id: int | None) -> str:
    """Ids of clients never hold a `#`, so the two kinds of keys cannot meet."""
    return client_order_id or f"#{order_id}"


def _open_order(state: OrderState) -> OpenOrder:
    assert state.side is not None and state.qty is not None and state.leaves_qty is not None, (
        state
    )
    return OpenOrder(
        client_order_id=state.client_order_id,
        symbol=state.symbol or "",
        side=state.side,
        qty=state.qty,
        leaves_qty=state.leaves_qty,
        price=state.price,
        order_id=state.order_id,
    )
