"""Every order as the exchange remembers it: accepted ones, open or closed, and refused ones.

Accepted orders are structs because an interpreted engine makes those fastest, and they have a file of their
own because a compiled one cannot hold structs: the build makes plain classes of them (docs/decisions/0008).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from botpit.core.commands import Order, SelfTradePrevention, TimeInForce
from botpit.core.events import Reason, Rejected, Request
from botpit.core.positions import Position

_64_BITS = 2**64 - 1


class OrderRecord(Struct, eq=False):
    """One accepted order: open while `leaves` > 0, remembered after. `order` is what was asked, the rest what
    became of it.

    `acceptance`: what its acceptance said, by `packed`, for whoever sends it again under its client id.
    `next` links the orders at one price and, when it is over, the closed orders of its account.
    """

    id: int
    order: Order
    price: int
    position: Position
    qty: int
    leaves: int
    acceptance: int = 0
    filled: int = 0
    previous: OrderRecord | None = None
    next: Any = None

    @property
    def cancelled(self) -> int:
        """Lots that left the market without a trade: nothing of an order is ever lost."""
        return self.qty - self.filled - self.leaves

    def capture(self) -> list[Any]:
        """Its numbers, the order as it was asked, the answer it gets again; there may be a million of
        them."""
        numbers = (self.id, self.price, self.qty, self.leaves, self.filled, self.cancelled)
        answered = None if self.order.client_order_id is None else unpacked(self.acceptance)
        return [numbers, self.order.values(), answered]


@dataclass(slots=True)
class RefusedOrder:
    """An order that the engine refused: its client id is burnt, and asking again gets the same answer."""

    order: Order
    answer: Rejected
    next: Any = None

    def capture(self) -> dict[str, Any]:
        """The order and what was said against it."""
        answer = self.answer
        return {
            "order": self.order.values(),
            "reason": answer.reason.value,
            "now_ns": answer.now_ns,
            "details": answer.details,
        }


def restored_record(values: Sequence[Any], positions: dict[str, Position]) -> OrderRecord:
    """The accepted order of what `OrderRecord.capture` gave, of the account with those positions."""
    numbers, asked, answered = values
    order = _restored_order(asked)
    position = positions[order.symbol]
    order.trader = position.account.trader  # the same text, kept once for all orders
    order_id, price, qty, leaves, filled, _ = numbers
    record = OrderRecord(order_id, order, price, position, qty, leaves, filled=filled)
    if answered is not None:
        record.acceptance = packed(*answered)
    return record


def restored_refusal(values: dict[str, Any]) -> RefusedOrder:
    """The refused order of what `RefusedOrder.capture` gave."""
    order = _restored_order(values["order"])
    answer = Rejected(
        Request.ORDER,
        Reason(values["reason"]),
        order.trader,
        values["now_ns"],
        order.symbol,
        None,
        order.client_order_id,
        values["details"],
    )
    return RefusedOrder(order, answer)


def _restored_order(values: Sequence[Any]) -> Order:
    order = Order.of(*values)
    order.time_in_force = TimeInForce(order.time_in_force)
    if order.self_trade_prevention is not None:
        order.self_trade_prevention = SelfTradePrevention(order.self_trade_prevention)
    return order


def packed(queue_ahead: int, account_seq: int, now_ns: int) -> int:
    """Three numbers as one, which takes half of their memory: there may be a million, and few are ever looked
    at again."""
    return queue_ahead << 128 | account_seq << 64 | now_ns


def unpacked(acceptance: int) -> tuple[int, int, int]:
    """(queue_ahead, account_seq, now_ns)."""
    return acceptance >> 128, acceptance >> 64 & _64_BITS, acceptance & _64_BITS
