"""Match, then act: what an incoming order would do, worked out without touching anything.

A `Match` lists the fills in order, after self-trade prevention and reduce-only limits. The checks judge it;
only then is it carried out. Market, limit and replaced orders and fill-or-kill all go this one way. An order
that crosses nothing matches nothing.
"""

from __future__ import annotations

from botpit.core.book import BookSide
from botpit.core.commands import SelfTradePrevention
from botpit.core.events import CancelReason
from botpit.core.orders import OrderRecord
from botpit.core.positions import Position
from botpit.core.prospects import Match


def match_order(
    taker: Position,
    sign: int,
    qty: int,
    limit: int,
    against: BookSide,
    prevention: SelfTradePrevention,
    reduce_only: bool,
) -> Match:
    """What `qty` lots of `taker` would do to the side `against`, at `limit` or better."""
    made = Match(qty)
    if not against.ranks or sign * (limit - against.ranks[-1] * against.sign) < 0:
        return made
    room = min(qty, -sign * taker.lots) if reduce_only else qty
    for level in against:
        if sign * (limit - level.price) < 0:
            break
        for maker in level:
            if maker.position is taker:
                _meet_oneself(made, maker, prevention)
            elif maker.order.reduce_only:
                _meet_reduce_only(made, maker, room - made.filled)
            else:
                _fill(made, maker, min(maker.leaves, room - made.filled))
            if made.filled == room and room < qty:
                made.stopped = CancelReason.REDUCE_ONLY
            if made.stopped or made.left == 0:
                return made
    return made


def reducible(maker: OrderRecord) -> int:
    """The lots by which a reduce-only order could still reduce its trader's position; not positive: none."""
    return -maker.order.side * maker.position.lots


def own_cancels(made: Match, position: Position) -> list[OrderRecord]:
    """The trader's own resting orders that the match cancels."""
    if not made.cancels:
        return []
    return [maker for maker, qty in made.fills if qty == 0 and maker.position is position]


def _fill(made: Match, maker: OrderRecord, qty: int) -> None:
    made.fills.append((maker, qty))
    made.filled += qty
    made.value += qty * maker.price
    made.left -= qty


def _cancel(made: Match, maker: OrderRecord, reason: CancelReason) -> None:
    made.fills.append((maker, 0))
    made.cancels[maker.id] = reason


def _meet_oneself(made: Match, own: OrderRecord, prevention: SelfTradePrevention) -> None:
    if prevention is not SelfTradePrevention.CANCEL_INCOMING:
        _cancel(made, own, CancelReason.SELF_TRADE)
    if prevention is not SelfTradePrevention.CANCEL_RESTING:
        made.stopped = CancelReason.SELF_TRADE


def _meet_reduce_only(made: Match, maker: OrderRecord, wanted: int) -> None:
    """A resting reduce-only order gives at most what its trader's position still holds, after the match's
    earlier fills."""
    already = sum(qty for other, qty in made.fills if other.position is maker.position)
    holds = reducible(maker) - already
    if holds > 0:
        qty = min(maker.leaves, wanted, holds)
        _fill(made, maker, qty)
        if qty < holds or qty == maker.leaves:
            return
    _cancel(made, maker, CancelReason.REDUCE_ONLY)
