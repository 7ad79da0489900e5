"""Initial margin: may this order be taken on? (RULES.md, Initial margin.)

Everything is multiplied out, so nothing is rounded: rates are basis points, so both sides of a comparison are kept times 10,000.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(slots=True)
class Shortfall:
    """Why not: account units."""

    equity: int
    required_margin: int


def fee(notional: int, rate_bps: int) -> int:
    """The fee on a notional, rounded up as a signed integer; negative: a rebate."""
    return -(-notional * rate_bps // BPS)


def shortfall(prospect: Prospect) -> Shortfall | None:
    """None when the account can bear the order, else its equity and the margin it would need."""
    account = prospect.position.account
    equity = account.equity()
    free = equity - _loss(account, prospect) - _fees(prospect)
    if _only_reduces(prospect):
        return None if free >= 0 else Shortfall(equity, 0)
    required = required_times_bps(account, prospect)
    return None if free * BPS >= required else Shortfall(equity, -(-required // BPS))


def required_times_bps(account: Account, prospect: Prospect | None = None) -> int:
    """Initial margin of the account's positions and open orders (and of the prospect), times 10,000."""
    return sum(
        position.market.instrument.initial_margin_bps
        * max(0, *(_exposure(position, sign, prospect) for sign in (BUY, SELL)))
        for position in account.positions.values()
    )


def maintenance_times_bps(account: Account) -> int:
    """Maintenance margin of the account's positions at the present marks, times 10,000."""
    return sum(
        position.market.instrument.maintenance_margin_bps
        * abs(position.lots)
        * position.market.mark
        * position.market.instrument.tick_value
        for position in account.positions.values()
    )


def _exposure(position: Position, sign: int, prospect: Prospect | None) -> int:
    """What the account would hold on one side if all its orders of that side filled; sells count at the mark at least."""
    market = position.market
    tick_value = market.instrument.tick_value
    totals = position.open_totals(sign)
    exposure = sign * position.lots * market.mark * tick_value + totals.value + (totals.loss if sign == SELL else 0)
    if prospect is None or prospect.position is not position:
        return exposure
    for record in prospect.removed:
        if record.order.side == sign:
            exposure -= record.leaves * _counted_price(sign, record.price, market.mark) * tick_value
    if prospect.sign == sign:
        exposure += prospect.plan.value * tick_value
        exposure += prospect.resting * _counted_price(sign, prospect.price, market.mark) * tick_value
    return exposure


def _counted_price(sign: int, price: int, mark: int) -> int:
    return max(price, mark) if sign == SELL else price


def _loss(account: Account, prospect: Prospect) -> int:
    """What is lost at once, at the marks, if the plan, what would rest and every open order that stays were filled."""
    loss = sum(position.open_totals(sign).loss for position in account.positions.values() for sign in (BUY, SELL))
    position, sign = prospect.position, prospect.sign
    for record in prospect.removed:
        loss -= record.leaves * position.loss_per_lot(record.order.side, record.price)
    for maker, qty in prospect.plan.steps:
        loss += qty * position.loss_per_lot(sign, maker.price)
    return loss + prospect.resting * position.loss_per_lot(sign, prospect.price)


def _fees(prospect: Prospect) -> int:
    instrument = prospect.position.market.instrument
    taker = sum(
        fee(qty * maker.price * instrument.tick_value, instrument.taker_fee_bps) for maker, qty in prospect.plan.steps if qty
    )
    maker_fee = fee(prospect.resting * prospect.price * instrument.tick_value, instrument.maker_fee_bps)
    return taker + max(0, maker_fee)


def _only_reduces(prospect: Prospect) -> bool:
    """The order, with all own open orders of its side, cannot take the position past zero."""
    position, sign = prospect.position, prospect.sign
    open_qty = position.open_totals(sign).qty - sum(record.leaves for record in prospect.removed if record.order.side == sign)
    return sign * position.lots + open_qty + prospect.plan.filled + prospect.resting <= 0
