"""What the engine writes down on an order's way: the terms, the plan, the prospect, a refusal; and the record that stays.

Records and no more: what is done with them stands with those who do it. They are structs because an interpreted engine makes
those fastest, and they have a file of their own because a compiled one cannot hold structs: the build makes plain classes of
them (docs/decisions/0008).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from botpit.core.commands import Order
from botpit.core.events import Answer, CancelReason, Event, Reason, Rejected

if TYPE_CHECKING:
    from botpit.core.accounts import Position

_64_BITS = 2**64 - 1


class Outcome(Struct, gc=False):
    """What one command came to: all that happened, in order, and which of it, if any, answers whoever asked."""

    answer: Answer | None
    events: list[Event]


class OrderRecord(Struct, eq=False):
    """One accepted order: open while `leaves` > 0, remembered after. `order` is what was asked, the rest what became of it.

    `acceptance`: what its acceptance said, by `packed`, for whoever sends it again under its client id. `next` links the orders
    at one price and, when it is over, the closed orders of its account.
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


@dataclass(slots=True)
class RefusedOrder:
    """An order that the engine refused: its client id is burnt, and asking again gets the same answer."""

    order: Order
    answer: Rejected
    next: Any = None


def packed(queue_ahead: int, account_seq: int, now_ns: int) -> int:
    """Three numbers as one, which takes half of their memory: there may be a million, and few are ever looked at again."""
    return queue_ahead << 128 | account_seq << 64 | now_ns


def unpacked(acceptance: int) -> tuple[int, int, int]:
    """(queue_ahead, account_seq, now_ns)."""
    return acceptance >> 128, acceptance >> 64 & _64_BITS, acceptance & _64_BITS


Step = tuple[OrderRecord, int]
"""A resting order and the lots that trade with it; 0 lots: it is cancelled when it is met."""


class Match(Struct, gc=False):
    """`filled` lots for `value` (price x lots, in ticks), in `steps`; `left` lots are not filled, and cannot rest when
    `stopped`."""

    left: int
    fills: list[Step] = field(default_factory=list)
    cancels: dict[int, CancelReason] = field(default_factory=dict)
    filled: int = 0
    value: int = 0
    stopped: CancelReason | None = None


class Prospect(Struct, gc=False):
    """An order about to be judged: its plan, the lots that would rest at `price`, and the own open orders it would take away."""

    position: Position
    sign: int
    match: Match
    resting: int
    price: int
    removed: list[OrderRecord]


class Refusal(Struct, gc=False):
    """A reason and what a trader needs to see to understand it, in engine units."""

    reason: Reason
    details: dict[str, int] = field(default_factory=dict)


class Terms(Struct, gc=False):
    """What an order asks, apart from who asks. `limit`: its price, or the edge of the band for a market order.

    `filled`: lots of it that have traded already; a replaced order keeps them.
    """

    sign: int
    qty: int
    limit: int
    market_order: bool
    off_tick: bool
    filled: int = 0
