"""Initial margin: may this order be taken on? (RULES.md, Initial margin.)

Everything is multiplied out, so nothing is rounded: rates are basis points, so both sides of a comparison are kept times 10,000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from botpit.exchange.accounts import Account, OrderRecord, Position
from botpit.exchange.commands import BUY, SELL
from botpit.exchange.plan import Plan

BPS = 10_000


@dataclass(slots=True)
class Prospect:
    """An order about to be judged: its plan, the lots that would rest at `price`, and the own open orders it would take away."""

    position: Position
    sign: int
    plan: Plan
    resting: int
    price: int
    removed: list[OrderRecord]

    def reached(self) -> int:
        """Lots on its side (negative: on the other) if its plan, what would rest and all open orders of its side filled."""
        position, sign = self.position, self.sign
        removed = sum(record.leaves for record in self.removed if record.order.side == sign) if self.removed else 0
        return sign * position.lots + position.totals[sign].qty - removed + self.plan.filled + self.resting


class Picture(NamedTuple):
    """An account at the present marks: equity, what it loses at once if its open orders fill, initial margin times 10,000."""

    equity: int
    loss: int
    required_times_bps: int


class Shortfall(NamedTuple):
    """Why not: account units."""

    equity: int
    required_margin: int


def fee(notional: int, rate_bps: int) -> int:
    """The fee on a notional, rounded up as a signed integer; negative: a rebate."""
    return -(-notional * rate_bps // BPS)


def shortfall(prospect: Prospect) -> Shortfall | None:
    """None when the account can bear the order, else its equity and the margin it would need."""
    equity, loss, required = picture(prospect.position.account, prospect)
    free = equity - loss - _fees(prospect)
    if prospect.reached() <= 0:  # it only reduces: it cannot take the position past zero
        return None if free >= 0 else Shortfall(equity, 0)
    return None if free * BPS >= required else Shortfall(equity, -(-required // BPS))


def picture(account: Account, prospect: Prospect | None = None) -> Picture:
    """The account as it is, or as it would be with the prospect's fills made and the rest of it open.

    Long exposure is position x mark + buys, short exposure the reverse + sells; buys count at their limit, sells at the mark at
    least, which is their value plus what they would lose at once.
    """
    equity, loss, required = account.cash, 0, 0
    for position in account.positions.values():
        market = position.market
        instrument = market.instrument
        sells, buys = position.open_totals(SELL), position.totals[BUY]
        held = position.lots * market.mark * instrument.tick_value
        equity += held - position.cost
        loss += buys.loss + sells.loss
        long, short = held + buys.value, sells.value + sells.loss - held
        if prospect is not None and prospect.position is position:
            more_long, more_short, more_loss = _change(prospect)
            long, short, loss = long + more_long, short + more_short, loss + more_loss
        exposure = long if long > short else short
        if exposure > 0:
            required += instrument.initial_margin_bps * exposure
    return Picture(equity, loss, required)


def initial_times_bps(account: Account) -> int:
    """Initial margin of the account's positions and open orders at the present marks, times 10,000."""
    return picture(account).required_times_bps


def maintenance_times_bps(account: Account) -> int:
    """Maintenance margin of the account's positions at the present marks, times 10,000."""
    return sum(position_maintenance_times_bps(position) for position in account.positions.values() if position.lots)


def position_maintenance_times_bps(position: Position) -> int:
    """One position's part of it."""
    market = position.market
    return market.instrument.maintenance_margin_bps * abs(position.lots) * market.mark * market.instrument.tick_value


def excess_times_bps(account: Account) -> int:
    """Equity above the maintenance margin, times 10,000; negative: the account is in breach."""
    return account.equity() * BPS - maintenance_times_bps(account)


def in_breach(account: Account) -> bool:
    return excess_times_bps(account) < 0


def _change(prospect: Prospect) -> tuple[int, int, int]:
    """What the prospect adds to long exposure, to short exposure and to the loss; its planned fills count at their prices."""
    position, sign, made = prospect.position, prospect.sign, prospect.plan
    tick_value = position.market.instrument.tick_value
    loss = resting_loss = prospect.resting * position.loss_per_lot(sign, prospect.price)
    value = (made.value + prospect.resting * prospect.price) * tick_value + (resting_loss if sign == SELL else 0)
    exposure = {sign: value, -sign: 0}
    if made.steps:
        loss += sum(qty * position.loss_per_lot(sign, maker.price) for maker, qty in made.steps if qty)
    for record in prospect.removed:
        side = record.order.side
        lost = record.leaves * position.loss_per_lot(side, record.price)
        exposure[side] -= record.leaves * record.price * tick_value + (lost if side == SELL else 0)
        loss -= lost
    return exposure[BUY], exposure[SELL], loss


def _fees(prospect: Prospect) -> int:
    """The plan's taker fees and, where positive, the maker fee of what would rest."""
    instrument = prospect.position.market.instrument
    tick_value, taker_bps, maker_bps = instrument.tick_value, instrument.taker_fee_bps, instrument.maker_fee_bps
    taker = sum(fee(qty * maker.price * tick_value, taker_bps) for maker, qty in prospect.plan.steps if qty) if taker_bps else 0
    return taker + (fee(prospect.resting * prospect.price * tick_value, maker_bps) if maker_bps > 0 else 0)
