"""Initial margin: may this order be taken on? (SYSTEM_DESIGN.md, Initial margin.)

Everything is multiplied out, so nothing is rounded: rates are basis points, so both sides of a comparison are
kept times 10,000.
"""

from __future__ import annotations

from typing import NamedTuple

from botpit.core.commands import BUY, SELL
from botpit.core.positions import Holdings, Position, Stake
from botpit.core.prospects import Prospect

BPS = 10_000


class Shortfall(NamedTuple):
    """Why not: account units."""

    equity: int
    required_margin: int


def fee(notional: int, rate_bps: int) -> int:
    """The fee on a notional, rounded up as a signed integer; negative: a rebate."""
    return -(-notional * rate_bps // BPS)


def reached(prospect: Prospect) -> int:
    """Lots on its side (negative: on the other) if the order and all open ones of its side filled."""
    position, sign, removed = prospect.position, prospect.sign, 0
    totals = position.sells
    if sign == BUY:
        totals = position.buys
    for record in prospect.removed:
        if record.order.side == sign:
            removed += record.leaves
    return (
        sign * position.lots + totals.qty - removed + prospect.match.filled + prospect.resting
    )


def shortfall(prospect: Prospect) -> Shortfall | None:
    """None when the account can bear the order, else its equity and the margin it would need."""
    equity = prospect.account.equity()
    loss, required = _stake_with(prospect)
    free = equity - loss - _fees(prospect)
    if free * BPS >= required:
        return None
    if reached(prospect) <= 0:  # it only reduces: it cannot take the position past zero
        if free >= 0:
            return None
        required = 0
    return Shortfall(equity, -(-required // BPS))


def stake(account: Holdings) -> Stake:
    """What its open orders lose at once if they fill, and its margins times 10,000, at the present marks."""
    account.equity()  # after a move of a mark, its position there counts as changed
    if account.changed is not None:
        loss, initial, maintenance = account.stake
        for position in account.pop_changed():
            before, now = position.stake, _stake_of(position)
            loss += now[0] - before[0]
            initial += now[1] - before[1]
            maintenance += now[2] - before[2]
            position.stake = now
        account.stake = (loss, initial, maintenance)
    return account.stake


def _stake_with(prospect: Prospect) -> tuple[int, int]:
    """Loss and initial margin with the prospect's fills made and the rest of it open. Its own position is
    worked out once, changed or not."""
    position = prospect.position
    account = position.account
    changed = account.changed
    if changed is not None and (changed is not position or changed.changed_before is not None):
        stake(account)
    loss, initial, _ = account.stake
    before, then = position.stake, _stake_of(position, prospect)
    return loss + then[0] - before[0], initial + then[1] - before[1]


def _stake_of(position: Position, prospect: Prospect | None = None) -> Stake:
    """One position's part of it, as it is or with the prospect.

    Long exposure is position x mark + buys, short exposure the reverse + sells; buys count at their limit,
    sells at the mark at least. The initial margin is that of the larger one.
    """
    market = position.market
    instrument = market.instrument
    sells, buys = position.open_totals(SELL), position.buys
    held = position.lots * market.mark * market.tick_value
    loss = buys.loss + sells.loss
    long, short = held + buys.value, sells.value + sells.loss - held
    if prospect is not None:
        more_long, more_short, more_loss = _change(prospect)
        long, short, loss = long + more_long, short + more_short, loss + more_loss
    exposure = long
    if short > exposure:
        exposure = short
    if exposure < 0:
        exposure = 0
    return (
        loss,
        instrument.initial_margin_bps * exposure,
        instrument.maintenance_margin_bps * abs(held),
    )


def initial_times_bps(account: Holdings) -> int:
    """Initial margin of the account's positions and open orders at the present marks, times 10,000."""
    return stake(account)[1]


def maintenance_times_bps(account: Holdings) -> int:
    """Maintenance margin of the account's positions at the present marks, times 10,000."""
    return stake(account)[2]


def position_maintenance_times_bps(position: Position) -> int:
    """One position's part of it."""
    market = position.market
    return (
        market.instrument.maintenance_margin_bps
        * abs(position.lots)
        * market.mark
        * market.tick_value
    )


def excess_times_bps(account: Holdings) -> int:
    """Equity above the maintenance margin, times 10,000; negative: the account is in breach."""
    return account.equity() * BPS - maintenance_times_bps(account)


def in_breach(account: Holdings) -> bool:
    return excess_times_bps(account) < 0


def _change(prospect: Prospect) -> tuple[int, int, int]:
    """What the prospect adds to long and short exposure and to the loss; fills count at their prices."""
    position, sign, made, price = (
        prospect.position,
        prospect.sign,
        prospect.match,
        prospect.price,
    )
    market = position.market
    tick_value = market.tick_value
    through = sign * (price - market.mark)
    value = (made.value + prospect.resting * price) * tick_value
    loss = prospect.resting * through * tick_value if through > 0 else 0
    if sign == SELL:
        value += loss
    if made.fills:
        loss += sum(
            qty * position.loss_per_lot(sign, maker.price) for maker, qty in made.fills if qty
        )
    if not prospect.removed:
        if sign == BUY:
            return value, 0, loss
        return 0, value, loss
    exposure = {sign: value, -sign: 0}
    for record in prospect.removed:
        side = record.order.side
        lost = record.leaves * position.loss_per_lot(side, record.price)
        exposure[side] -= record.leaves * record.price * tick_value
        if side == SELL:
            exposure[side] -= lost
        loss -= lost
    return exposure[BUY], exposure[SELL], loss


def _fees(prospect: Prospect) -> int:
    """The match's taker fees and, where positive, the maker fee of what would rest."""
    instrument, total = prospect.market.instrument, 0
    tick_value, taker_bps = instrument.tick_value, instrument.taker_fee_bps
    if taker_bps:
        for maker, qty in prospect.match.fills:
            total += fee(qty * maker.price * tick_value, taker_bps)
    if instrument.maker_fee_bps > 0:
        total += fee(prospect.resting * prospect.price * tick_value, instrument.maker_fee_bps)
    return total
