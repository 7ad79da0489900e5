"""The engine's checks of an order or a replace, in the order of API_SPEC.md (Reasons of refusals);
the first that fails is the reason.

A check returns None or a `Refusal`; none of them changes anything.
"""

from __future__ import annotations

from botpit.core.events import Reason
from botpit.core.instrument import Instrument
from botpit.core.market import Market
from botpit.core.positions import Position
from botpit.core.prospects import Prospect, Refusal
from botpit.core.risk.margin import reached, shortfall


def bad_terms(
    market: Market, qty: int, limit: int, filled: int = 0, is_market_order: bool = False
) -> Refusal | None:
    """Price and quantity against the instrument, then against its largest order, then against the band.

    `filled` lots of it have traded already: a replaced order keeps them. A market order's limit is the edge
    of the band.
    """
    instrument = market.instrument
    if not is_market_order and not instrument.min_price <= limit <= instrument.max_price:
        return invalid_price(instrument)
    refusal = bad_qty(market, qty, filled)
    if refusal is not None:
        return refusal
    if qty > instrument.max_order_qty:
        return Refusal(Reason.ORDER_TOO_LARGE, {"max_order_qty": instrument.max_order_qty})
    notional, most = qty * limit * market.tick_value, instrument.max_order_notional
    if notional > most:
        return Refusal(
            Reason.NOTIONAL_TOO_LARGE, {"notional": notional, "max_order_notional": most}
        )
    if not market.band_low <= limit <= market.band_high:
        return Refusal(
            Reason.PRICE_BAND, {"band_low": market.band_low, "band_high": market.band_high}
        )
    return None


def invalid_price(instrument: Instrument) -> Refusal:
    low, high = instrument.min_price, instrument.max_price
    return Refusal(Reason.INVALID_PRICE, {"tick": 1, "min_price": low, "max_price": high})


def bad_qty(market: Market, qty: int, filled: int) -> Refusal | None:
    """A total quantity within the instrument's bounds, and above what is filled of it."""
    instrument = market.instrument
    if not instrument.min_qty <= qty <= instrument.max_qty:
        return Refusal(
            Reason.INVALID_QTY, {"min_qty": instrument.min_qty, "max_qty": instrument.max_qty}
        )
    if qty <= filled:
        return Refusal(Reason.INVALID_QTY, {"filled_qty": filled})
    return None


def would_increase(position: Position, sign: int, fok_qty: int) -> Refusal | None:
    """A reduce-only order needs a position on the other side; a fok one (`fok_qty` > 0) needs it whole."""
    holds = -sign * position.lots
    if holds > 0 and fok_qty <= holds:
        return None
    return Refusal(Reason.REDUCE_ONLY_WOULD_INCREASE, {"position": position.lots})


def would_cross(market: Market, sign: int, limit: int) -> Refusal | None:
    """Whether a post-only order would meet the best opposite price, whoever owns that."""
    best = market.book.side(-sign).best()
    if best is None or sign * (limit - best) < 0:
        return None
    return Refusal(Reason.POST_ONLY_WOULD_CROSS, {"best_price": best})


def too_much(prospect: Prospect) -> Refusal | None:
    """Open orders, the position's limit, a frozen account, which may only reduce, and margin, if the order
    goes through."""
    position, account, instrument = (
        prospect.position,
        prospect.account,
        prospect.market.instrument,
    )
    if (
        prospect.resting
        and position.open_count() - len(prospect.removed) >= instrument.max_open_orders
    ):
        return Refusal(
            Reason.TOO_MANY_OPEN_ORDERS, {"max_open_orders": instrument.max_open_orders}
        )
    most = instrument.max_position
    if most and reached(prospect) > most:
        would_reach = prospect.sign * reached(prospect)
        return Refusal(
            Reason.POSITION_LIMIT, {"max_position": most, "would_reach": would_reach}
        )
    if (account.frozen or account.held) and reached(prospect) > 0:
        return Refusal(Reason.ACCOUNT_FROZEN)
    short = shortfall(prospect)
    if short is None:
        return None
    equity, required = short.equity, short.required_margin
    return Refusal(
        Reason.INITIAL_MARGIN_INSUFFICIENT, {"equity": equity, "required_margin": required}
    )
