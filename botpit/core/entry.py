"""Order entry: what a trader's orders, cancels and replaces do.

An order goes one way. A repeated client id gets its first answer again; the checks that need nothing but the
order come next; then the match is worked out without touching anything, and judged; only then is it carried
out. A replace that may not keep its place goes the same way with its old lots taken away, so a refused one
changes nothing.
"""

from __future__ import annotations

from botpit.core.accounts import Account
from botpit.core.commands import (
    BUY,
    Cancel,
    CancelAll,
    OffTick,
    Order,
    Replace,
    SelfTradePrevention,
    TimeInForce,
)
from botpit.core.events import (
    AllCancelled,
    CancelReason,
    OrderAccepted,
    OrderCancelled,
    OrderReplaced,
    Reason,
    Rejected,
    Request,
)
from botpit.core.ledger import Ledger
from botpit.core.market import Market
from botpit.core.matching import match_order, own_cancels
from botpit.core.orders import OrderRecord, RefusedOrder, packed, unpacked
from botpit.core.prospects import Match, Prospect, Refusal
from botpit.core.refusals import refuse, too_many_accounts
from botpit.core.risk.checks import (
    bad_qty,
    bad_terms,
    invalid_price,
    too_much,
    would_cross,
    would_increase,
)
from botpit.core.risk.margin import fee

_PREVENTIONS = {each.value: each for each in SelfTradePrevention}
_RESTS = (TimeInForce.GTC, TimeInForce.GTD)
_FOK = TimeInForce.FOK


# ----------------------------------------------------------------------------------------------------- orders


def place(ledger: Ledger, order: Order) -> OrderAccepted | Rejected:
    """Take a new order on, or refuse it."""
    account = ledger.accounts.get(order.trader) or ledger.account_of(order.trader)
    if account is None:
        return _refuse_order(ledger, order, too_many_accounts(ledger))
    if order.client_order_id is not None:
        known = account.by_client_id.get(order.client_order_id)
        if known is not None:
            return _answer_again(ledger, order, known)
    market = ledger.markets.get(order.symbol)
    if market is None:
        return _refuse_and_burn(ledger, account, order, Refusal(Reason.UNKNOWN_SYMBOL))
    if account.bankrupt:
        return _refuse_and_burn(ledger, account, order, Refusal(Reason.ACCOUNT_BANKRUPT))
    prospect = _judged(ledger, account, market, order)
    if isinstance(prospect, Refusal):
        return _refuse_and_burn(ledger, account, order, prospect)
    return _accept(ledger, order, prospect)


def _judged(
    ledger: Ledger, account: Account, market: Market, order: Order
) -> Prospect | Refusal:
    """What the order would do, if it may."""
    if not market.phase.takes_orders:
        return Refusal(Reason.MARKET_HALTED)
    limit = order.price
    if limit is None:
        limit = market.band_high if order.side == BUY else market.band_low
    elif type(limit) is OffTick:
        return invalid_price(market.instrument)
    refusal = bad_terms(market, order.qty, limit, is_market_order=order.price is None)
    if refusal is not None:
        return refusal
    prospect = _prospect(ledger, account, market, order, order.qty, limit)
    return _unwanted(order, prospect) or too_much(prospect) or prospect


def _prospect(
    ledger: Ledger,
    account: Account,
    market: Market,
    order: Order,
    qty: int,
    limit: int,
    *old: OrderRecord,
) -> Prospect:
    """What `qty` lots of the order would do at `limit` or better, its old form taken away."""
    position, sign = account.position(market), order.side
    prevention = order.self_trade_prevention or _PREVENTIONS[ledger.rules.self_trade_prevention]
    made = match_order(
        position, sign, qty, limit, market.book.side(-sign), prevention, order.reduce_only
    )
    resting = made.left if order.time_in_force in _RESTS and not made.stopped else 0
    removed = [*old]
    if made.cancels:
        removed += own_cancels(made, position)
    return Prospect(account, market, position, sign, made, resting, limit, removed)


def _unwanted(order: Order, prospect: Prospect) -> Refusal | None:
    """The checks of what the order itself asked for: reduce-only, post-only, liquidity, fill-or-kill."""
    fok = order.time_in_force is _FOK
    if not (order.reduce_only or order.post_only or order.price is None or fok):
        return None
    made = prospect.match
    if order.reduce_only:
        refusal = would_increase(prospect.position, order.side, order.qty if fok else 0)
        if refusal is not None:
            return refusal
    if order.post_only:
        refusal = would_cross(prospect.market, prospect.sign, prospect.price)
        if refusal is not None:
            return refusal
    if order.price is None and not made.filled:
        return Refusal(Reason.NO_LIQUIDITY)
    if fok and made.left:
        return Refusal(Reason.FOK_UNFILLABLE, {"fillable_qty": made.filled})
    return None


def _accept(ledger: Ledger, order: Order, prospect: Prospect) -> OrderAccepted:
    account, market, limit = prospect.account, prospect.market, prospect.price
    # Texts and numbers that many orders share are kept once: trader and symbol here, the price below.
    order.trader, order.symbol = account.trader, market.instrument.symbol
    queue_ahead = 0
    if prospect.resting:
        level = market.book.side(order.side).levels.get(limit)
        if level is not None:
            queue_ahead, limit = level.qty, level.price
            if order.price is not None:
                order.price = limit
    account_seq, now_ns, acceptance = account.next_seq(), ledger.now_ns, 0
    if order.client_order_id is not None:
        acceptance = packed(queue_ahead, account_seq, now_ns)
    qty = order.qty
    ledger.last_order_id += 1
    record = OrderRecord(
        ledger.last_order_id, order, limit, prospect.position, qty, qty, acceptance
    )
    account.enter(record)
    accepted = OrderAccepted(record.id, order, queue_ahead, account_seq, now_ns)
    ledger.events.append(accepted)
    if order.expires_at_ns is not None:
        ledger.timers.expire_later(record, order.expires_at_ns)
    _carry_out(ledger, record, prospect)
    return accepted


def _carry_out(ledger: Ledger, record: OrderRecord, prospect: Prospect) -> None:
    """Make the match's trades and cancels; then let the rest of the order rest, or cancel it."""
    made = prospect.match
    if made.fills:
        _take(ledger, record, made, prospect.market)
    if record.leaves == 0:
        prospect.account.closed(record)
    elif prospect.resting:
        ledger.rest(record)
    else:
        ledger.cancel_rest(record, made.stopped or _rest_reason(record.order))


def _take(ledger: Ledger, record: OrderRecord, made: Match, market: Market) -> None:
    instrument = market.instrument
    for maker, qty in made.fills:
        if qty:
            taker_fee = fee(qty * maker.price * instrument.tick_value, instrument.taker_fee_bps)
            ledger.trade(record, maker, qty, taker_fee)
        else:
            ledger.remove(maker, made.cancels[maker.id])


def _rest_reason(order: Order) -> CancelReason:
    return CancelReason.PRICE_BAND if order.price is None else CancelReason.IOC


# ---------------------------------------------------------------------------------------------------- cancels


def cancel(ledger: Ledger, asked: Cancel) -> OrderCancelled | Rejected:
    """Cancel one open order."""
    record = _find(ledger, asked, Request.CANCEL)
    if isinstance(record, Rejected):
        return record
    return ledger.remove(record, CancelReason.REQUESTED)


def cancel_all(ledger: Ledger, asked: CancelAll) -> AllCancelled | Rejected:
    """Cancel a trader's open orders; a trader without an account has none."""
    if asked.symbol is not None and asked.symbol not in ledger.markets:
        return refuse(
            ledger, Request.CANCEL, Refusal(Reason.UNKNOWN_SYMBOL), asked.trader, asked.symbol
        )
    account = ledger.accounts.get(asked.trader)
    if account is None:
        return ledger.cancel_all(asked.trader, 0, [])
    records = [
        each for each in account.open_orders(asked.symbol) if asked.side in (0, each.order.side)
    ]
    return ledger.cancel_all(asked.trader, account.seq, records)


# ---------------------------------------------------------------------------------------------------- replace


def replace(ledger: Ledger, asked: Replace) -> OrderReplaced | Rejected:
    """Give an open order other terms; it keeps its place when it only loses lots."""
    record = _find(ledger, asked, Request.REPLACE)
    if isinstance(record, Rejected):
        return record
    market = ledger.markets[record.order.symbol]
    qty = record.qty if asked.qty is None else asked.qty
    price = record.price if asked.price is None else asked.price
    if not market.phase.takes_orders:
        return _refuse_replace(ledger, record, Refusal(Reason.MARKET_HALTED))
    if type(price) is OffTick:
        return _refuse_replace(ledger, record, invalid_price(market.instrument))
    leaves = qty - record.filled
    if price == record.price and leaves <= record.leaves:
        refusal = bad_qty(market, qty, record.filled)
        if refusal is None:
            return _reduce_in_place(ledger, record, qty, leaves)
    else:
        refusal = bad_terms(market, qty, price, record.filled)
        if refusal is None:
            return _move(ledger, record, market, qty, price)
    return _refuse_replace(ledger, record, refusal)


def _reduce_in_place(
    ledger: Ledger, record: OrderRecord, qty: int, leaves: int
) -> OrderReplaced:
    record.qty = qty
    replaced = _replaced(ledger, record, leaves, kept_priority=True)
    ledger.events.append(replaced)
    if leaves < record.leaves:
        ledger.reduce(record, record.leaves - leaves)
    return replaced


def _move(
    ledger: Ledger, record: OrderRecord, market: Market, qty: int, price: int
) -> OrderReplaced | Rejected:
    """The incoming order's way, with the old leaves taken away; refused means untouched."""
    order, leaves = record.order, qty - record.filled
    prospect = _prospect(
        ledger, ledger.accounts[order.trader], market, order, leaves, price, record
    )
    refusal = _unwanted(order, prospect) or too_much(prospect)
    if refusal is not None:
        return _refuse_replace(ledger, record, refusal)
    before = len(ledger.events)
    ledger.reduce(record, record.leaves)
    record.qty, record.leaves, record.price = qty, leaves, price
    replaced = _replaced(ledger, record, leaves, kept_priority=False)
    ledger.events.insert(before, replaced)  # the answer comes before what it caused
    _carry_out(ledger, record, prospect)
    return replaced


def _replaced(
    ledger: Ledger, record: OrderRecord, leaves: int, *, kept_priority: bool
) -> OrderReplaced:
    order = record.order
    return OrderReplaced(
        record.id,
        order.client_order_id,
        order.trader,
        order.symbol,
        record.price,
        record.qty,
        leaves,
        kept_priority,
        ledger.accounts[order.trader].next_seq(),
        ledger.now_ns,
    )


# ---------------------------------------------------------------------------------------------------- answers


def find_order(
    account: Account, order_id: int | None, client_order_id: str | None
) -> OrderRecord | None:
    """The accepted order, open or closed, that every given id names."""
    found = account.remembered_order(order_id, client_order_id)
    if isinstance(found, OrderRecord):
        return found
    return None


def _find(ledger: Ledger, asked: Cancel | Replace, request: Request) -> OrderRecord | Rejected:
    """The open order that the request names, or the refusal."""
    account = ledger.accounts.get(asked.trader)
    record = find_order(account, asked.order_id, asked.client_order_id) if account else None
    if record is None:
        unknown = Refusal(Reason.UNKNOWN_ORDER)
        return refuse(
            ledger, request, unknown, asked.trader, "", asked.order_id, asked.client_order_id
        )
    if not record.leaves:
        return _refuse_known(ledger, request, record, Refusal(Reason.ALREADY_CLOSED))
    return record


def _answer_again(
    ledger: Ledger, order: Order, known: OrderRecord | RefusedOrder
) -> OrderAccepted | Rejected:
    if not known.order.same_as(order):
        return _refuse_order(ledger, order, Refusal(Reason.DUPLICATE_CLIENT_ORDER_ID))
    answer: OrderAccepted | Rejected
    if isinstance(known, RefusedOrder):
        answer = known.answer
    else:
        answer = OrderAccepted(
            known.id, known.order, *unpacked(known.acceptance), repeated=True
        )
    ledger.events.append(answer)
    return answer


def _refuse_and_burn(
    ledger: Ledger, account: Account, order: Order, refusal: Refusal
) -> Rejected:
    answer = _refuse_order(ledger, order, refusal)
    if order.client_order_id is not None:
        account.burn(RefusedOrder(order, answer))
    return answer


def _refuse_order(ledger: Ledger, order: Order, refusal: Refusal) -> Rejected:
    return refuse(
        ledger, Request.ORDER, refusal, order.trader, order.symbol, None, order.client_order_id
    )


def _refuse_replace(ledger: Ledger, record: OrderRecord, refusal: Refusal) -> Rejected:
    return _refuse_known(ledger, Request.REPLACE, record, refusal)


def _refuse_known(
    ledger: Ledger, request: Request, record: OrderRecord, refusal: Refusal
) -> Rejected:
    order = record.order
    return refuse(
        ledger, request, refusal, order.trader, order.symbol, record.id, order.client_order_id
    )
