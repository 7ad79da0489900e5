"""What the engine writes down on an order's way to a decision: its match, the prospect, a refusal, the
outcome.

Records and no more: what is done with them stands with those who do it. They are structs in a file of their
own for the same reason as the orders (docs/decisions/0008).
"""

from __future__ import annotations

from msgspec import Struct, field

from botpit.core.accounts import Account
from botpit.core.events import Answer, CancelReason, Event, Reason
from botpit.core.market import Market
from botpit.core.orders import OrderRecord
from botpit.core.positions import Position


class Outcome(Struct, gc=False):
    """What one command came to: all that happened, in order, and which of it, if any, is the answer."""

    answer: Answer | None
    events: list[Event]


Step = tuple[OrderRecord, int]
"""A resting order and the lots that trade with it; 0 lots: the incoming order cancels it when they meet."""


class Match(Struct, gc=False):
    """`filled` lots for `value` (price x lots, in ticks), in `fills`; `left` lots are not filled, and cannot
    rest when `stopped`."""

    left: int
    fills: list[Step] = field(default_factory=list)
    cancels: dict[int, CancelReason] = field(default_factory=dict)
    filled: int = 0
    value: int = 0
    stopped: CancelReason | None = None


class Prospect(Struct, gc=False):
    """An order about to be judged: its match, the lots that would rest at `price`, and the own open orders it
    would remove."""

    account: Account
    market: Market
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
