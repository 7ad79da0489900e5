"""What happens to accounts that no longer hold their maintenance margin, all marks fixed (SYSTEM_DESIGN.md,
Liquidation).

The steps: cancel the open orders of every account in breach; close each account in turn through the book, one
resting order at a time, as long as that helps and never below zero; freeze what is still in breach; make
bankrupt what has nothing left, closing it against the deleveraging queue, the insurance fund paying first.

The only state is the list of the accounts in breach (`listed`), worst first, made once per step. It stays as
it is while the step changes what it was made of, and these rules make that safe:

- Marks do not move within a step, so equity changes by fills and fees alone. An account that is not listed
  can only come into breach by trading with a listed one; the next Tick looks at it.
- Every listed account is looked at again when its turn comes: an earlier one may have been deleveraged
  against it, and it may be cured by then.
- The open orders of all of them are cancelled before the first is closed, so no listed account trades with
  itself or with another one through the book.
- A fill through the book never takes the account below zero: no fill is past its bankruptcy price, and each
  fee is at most the equity then left. Whoever is bankrupt afterwards is so by the mark, not by our own
  trades.
- A position is closed by the least lots that restore initial margin (`_smallest_cure`).
- The lots of all accounts in a market add up to zero, so the deleveraging queue always holds enough of them;
  `_deleverage` asserts it. Its second round, at the mark, is for lots that nobody could bear at the
  bankruptcy price. Money only moves between accounts, fees and the fund, which may owe afterwards (negative).
"""

from __future__ import annotations

from functools import cmp_to_key
from typing import TypeVar

from botpit.core.accounts import Account
from botpit.core.commands import Order, TimeInForce
from botpit.core.events import CancelReason, Fill, Liquidation, LiquidationReason, Liquidity
from botpit.core.ledger import Ledger
from botpit.core.market import Market
from botpit.core.matching import reducible
from botpit.core.orders import OrderRecord
from botpit.core.positions import Holdings, Position
from botpit.core.risk.margin import (
    BPS,
    excess_times_bps,
    fee,
    in_breach,
    initial_times_bps,
    maintenance_times_bps,
    position_maintenance_times_bps,
)

T = TypeVar("T", int, str)


def liquidate(ledger: Ledger) -> None:
    """The liquidation step of a Tick: every account in breach, once."""
    listed = sorted(breached(ledger), key=_WORST_FIRST)
    cancel_orders(ledger, listed)
    for account in listed:
        if in_breach(account):
            _close_through_book(ledger, account)
            _settle_up(ledger, account, listed)


def breached(ledger: Ledger) -> list[Account]:
    """Every account in breach. They stay due for a check until they are cured."""
    found = []
    for holdings in ledger.margin_watch.due_for_check():
        if in_breach(holdings):
            found.append(ledger.accounts[holdings.trader])
        else:
            ledger.margin_watch.found_safe(holdings)
    return found


def would_act(ledger: Ledger) -> bool:
    """Whether a liquidation step would change anything now."""
    return any(_would_change(ledger, account) for account in breached(ledger))


def _would_change(ledger: Ledger, account: Account) -> bool:
    if account.equity() <= 0 or not account.frozen or account.resting:
        return True
    return any(_can_close(ledger, position) for position in account.held_positions())


def settle_deficits(ledger: Ledger) -> None:
    """What a closing market does for accounts below zero: their orders, the fund, the queue; nothing through
    the book."""
    below_zero = [account for account in ledger.accounts.values() if account.equity() < 0]
    listed = sorted(below_zero, key=_WORST_FIRST)
    cancel_orders(ledger, listed)
    for account in listed:
        if account.equity() < 0:
            _bankrupt(ledger, account, listed)


def cancel_orders(ledger: Ledger, listed: list[Account]) -> None:
    for account in listed:
        for record in account.open_orders():
            ledger.remove(record, CancelReason.LIQUIDATION)


def _order(left: T, right: T) -> int:
    """-1, 0 or 1: what is less comes first."""
    return (left > right) - (left < right)


def _compare(one: Holdings, other: Holdings) -> int:
    """Accounts without positions first, then the lowest equity / maintenance, ties by trader id."""
    margin, other_margin = maintenance_times_bps(one), maintenance_times_bps(other)
    left, right = one.equity() * other_margin, other.equity() * margin
    if not margin or not other_margin:
        left, right = bool(margin), bool(other_margin)
    return _order(left, right) or _order(one.trader, other.trader)


_WORST_FIRST = cmp_to_key(_compare)


# ------------------------------------------------------------------------------------------- through the book


def _close_through_book(ledger: Ledger, account: Account) -> None:
    positions = account.held_positions()
    for position in sorted(positions, key=_largest_maintenance_first):
        _close_position(ledger, position)


def _largest_maintenance_first(position: Position) -> tuple[int, str]:
    return -position_maintenance_times_bps(position), position.market.instrument.symbol


def _close_position(ledger: Ledger, position: Position) -> None:
    """Fill by fill, while the account needs it and the book is good enough."""
    market = ledger.markets[position.market.instrument.symbol]
    order: OrderRecord | None = None
    while _can_close(ledger, position):
        maker = _best_opposite(market, position)
        assert maker is not None
        gives = maker.leaves
        if maker.order.reduce_only:
            gives = min(gives, reducible(maker))
        if gives <= 0:
            ledger.remove(maker, CancelReason.REDUCE_ONLY)
            continue
        order = order or _liquidation_order(ledger, position)
        qty = _smallest_cure(position, maker.price, min(gives, abs(position.lots)))
        order.leaves = qty
        ledger.trade(order, maker, qty, *_capped_fees(position, maker.price, qty))
        if maker.leaves and maker.order.reduce_only and reducible(maker) <= 0:
            ledger.remove(maker, CancelReason.REDUCE_ONLY)
    if order is not None and market.last_trade is not None:
        reason = LiquidationReason.MAINTENANCE_MARGIN_BREACH
        _emit_liquidation(
            ledger, position, reason, order.order.side, order.filled, market.last_trade
        )


def _liquidation_order(ledger: Ledger, position: Position) -> OrderRecord:
    """An order nobody sent and nobody can name: it has an id, and so has its trader's fill."""
    trader, symbol = position.account.trader, position.market.instrument.symbol
    order = Order(trader, symbol, -position.sign(), 0, None, TimeInForce.IOC)
    return OrderRecord(ledger.next_order_id(), order, 0, position, 0, 0)


def _best_opposite(market: Market, position: Position) -> OrderRecord | None:
    side = market.book.side(position.sign())
    if not side.ranks:
        return None
    return side.levels[side.ranks[-1] * side.sign].first


def _can_close(ledger: Ledger, position: Position) -> bool:
    """Whether a lot of the position may be traded through the book now."""
    market = ledger.markets[position.market.instrument.symbol]
    if not position.lots or not market.phase.trades:
        return False
    maker = _best_opposite(market, position)
    if maker is None or _margin_is_enough(position.account):
        return False
    return position.sign() * (maker.price - bankruptcy_price(position)) >= 0


def _margin_is_enough(account: Holdings) -> bool:
    return account.equity() * BPS >= initial_times_bps(account)


def bankruptcy_price(position: Position) -> int:
    """The price, in ticks, at which closing the position uses up its share of the equity, and no more."""
    market, account, sign = position.market, position.account, position.sign()
    weights = _weights(account)
    per_tick = sum(weights.values()) * abs(position.lots) * market.instrument.tick_value
    price = market.mark - sign * (account.equity() * weights[position] // per_tick)
    return min(max(price, market.instrument.min_price), market.instrument.max_price)


def _weights(account: Holdings) -> dict[Position, int]:
    """How the equity is shared out: by maintenance while there is some, else by loss at the mark."""
    held = account.held_positions()
    if account.equity() <= 0:
        losses = {position: max(0, -position.unrealized()) for position in held}
        if any(losses.values()):
            return losses
    return {position: position_maintenance_times_bps(position) for position in held}


def _smallest_cure(position: Position, price: int, most: int) -> int:
    """The least lots whose closing at `price` restores initial margin, or `most`.

    Without the rounding of fees the gain is the same for every lot, which gives a lower bound; the rounding
    costs at most two account units, so the exact number is found a few steps above it.
    """
    market, instrument = position.market, position.market.instrument
    missing = initial_times_bps(position.account) - position.account.equity() * BPS
    won = BPS * position.sign() * (price - market.mark)
    freed = instrument.initial_margin_bps * market.mark
    paid = (instrument.taker_fee_bps + instrument.liquidation_fee_bps) * price
    gain = (won + freed - paid) * instrument.tick_value
    if gain <= 0:
        return most
    for qty in range(min(most, -(-missing // gain)), most):
        if _cures(position, price, qty):
            return qty
    return most


def _cures(position: Position, price: int, qty: int) -> bool:
    account, market, instrument = position.account, position.market, position.market.instrument
    equity = account.equity() + qty * instrument.tick_value * position.sign() * (
        price - market.mark
    )
    equity -= sum(_capped_fees(position, price, qty))
    freed = instrument.initial_margin_bps * market.mark * qty * instrument.tick_value
    return equity * BPS >= initial_times_bps(account) - freed


def _capped_fees(position: Position, price: int, qty: int) -> tuple[int, int]:
    """Trading fee, then liquidation fee, each at most the equity then left: the book never takes an account
    below zero."""
    market, instrument = position.market, position.market.instrument
    equity = position.account.equity() + qty * instrument.tick_value * position.sign() * (
        price - market.mark
    )
    notional = qty * price * instrument.tick_value
    trading = min(max(0, equity), fee(notional, instrument.taker_fee_bps))
    return trading, min(max(0, equity - trading), fee(notional, instrument.liquidation_fee_bps))


# ------------------------------------------------------------------------------- frozen, bankrupt, deleverage


def _settle_up(ledger: Ledger, account: Account, listed: list[Account]) -> None:
    """After the book: nothing left is bankrupt, still in breach is frozen."""
    if account.equity() <= 0:
        _bankrupt(ledger, account, listed)
    elif in_breach(account) and not account.frozen:
        ledger.freeze(account)


def _bankrupt(ledger: Ledger, account: Account, listed: list[Account]) -> None:
    """The fund pays what it can; the rest is closed against the queue; what remains goes to the fund."""
    from_fund = min(max(ledger.insurance, 0), -account.equity())
    if from_fund:
        ledger.insurance -= from_fund
        ledger.pay(account, from_fund)
    positions = sorted(account.held_positions(), key=_largest_maintenance_first)
    prices = {position: bankruptcy_price(position) for position in positions}
    for position in positions:
        _deleverage(ledger, position, prices[position], listed)
    ledger.insurance += account.cash
    ledger.pay(account, -account.cash)
    ledger.go_bankrupt(account)


def _deleverage(ledger: Ledger, position: Position, price: int, listed: list[Account]) -> None:
    queue = _queue(ledger, position, listed)
    for other in queue:
        _close_against(
            ledger, position, other, min(abs(position.lots), _bearable(other, price)), price
        )
    for other in queue:
        qty = min(abs(position.lots), abs(other.lots))
        _close_against(ledger, position, other, qty, position.market.mark)
    assert position.lots == 0, (position.account.trader, position.lots)


def _queue(ledger: Ledger, position: Position, listed: list[Account]) -> list[Position]:
    """Opposite positions, the most profitable and most leveraged first, those of the list last."""
    symbol, on_list = position.market.instrument.symbol, {account.trader for account in listed}
    first: list[Position] = []
    last: list[Position] = []
    for trader, account in ledger.accounts.items():
        other = account.positions.get(symbol)
        if other is None or other.lots * position.lots >= 0:
            continue
        if trader in on_list:
            last.append(other)
        else:
            first.append(other)
    return [*_winners_first(first), *_winners_first(last)]


def _winners_first(positions: list[Position]) -> list[Position]:
    winners = sorted(filter(_wins, positions), key=_MOST_GAIN_AND_RISK_FIRST)
    others = sorted((each for each in positions if not _wins(each)), key=_trader)
    return [*winners, *others]


def _trader(position: Position) -> str:
    return position.account.trader


def _wins(position: Position) -> bool:
    return position.unrealized() > 0 and position.account.equity() > 0


def _compare_winners(one: Position, other: Position) -> int:
    """By (gain x gross notional) / (|cost| x equity), the greatest first, ties by trader id."""
    left = (
        one.unrealized()
        * _gross_notional(one.account)
        * abs(other.cost)
        * other.account.equity()
    )
    right = (
        other.unrealized()
        * _gross_notional(other.account)
        * abs(one.cost)
        * one.account.equity()
    )
    return _order(right, left) or _order(_trader(one), _trader(other))


_MOST_GAIN_AND_RISK_FIRST = cmp_to_key(_compare_winners)


def _gross_notional(account: Holdings) -> int:
    held = account.positions.values()
    return sum(abs(each.lots) * each.market.mark * each.market.tick_value for each in held)


def _bearable(position: Position, price: int) -> int:
    """The lots a counterparty can take at `price` without ending below its own maintenance margin."""
    market, instrument = position.market, position.market.instrument
    excess = excess_times_bps(position.account)
    if excess < 0:
        return 0
    burden = abs(price - market.mark) * BPS - market.mark * instrument.maintenance_margin_bps
    if burden <= 0:
        return abs(position.lots)
    return min(abs(position.lots), excess // (instrument.tick_value * burden))


def _close_against(
    ledger: Ledger, position: Position, other: Position, qty: int, price: int
) -> None:
    """Close `qty` lots of both at `price`: no trade, no fee, no last price."""
    if qty == 0:
        return
    symbol = other.market.instrument.symbol
    for record in ledger.accounts[other.account.trader].open_orders(symbol):
        ledger.remove(record, CancelReason.LIQUIDATION)
    sign = position.sign()
    for side, each in ((-sign, position), (sign, other)):
        ledger.book_fill(each, side, qty, price)
        account = ledger.accounts[each.account.trader]
        fill = Fill(
            None,
            None,
            None,
            account.trader,
            symbol,
            side,
            price,
            qty,
            0,
            0,
            Liquidity.ADL,
            account.next_seq(),
            ledger.now_ns,
        )
        ledger.events.append(fill)
    _emit_liquidation(ledger, position, LiquidationReason.BANKRUPTCY, -sign, qty, price)
    _emit_liquidation(ledger, other, LiquidationReason.AUTO_DELEVERAGE, sign, qty, price)


def _emit_liquidation(
    ledger: Ledger,
    position: Position,
    reason: LiquidationReason,
    side: int,
    qty: int,
    price: int,
) -> None:
    account, symbol = (
        ledger.accounts[position.account.trader],
        position.market.instrument.symbol,
    )
    ledger.events.append(
        Liquidation(
            account.trader, symbol, reason, side, qty, price, account.next_seq(), ledger.now_ns
        )
    )
