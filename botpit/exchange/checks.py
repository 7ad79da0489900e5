"""The engine's checks of an order or a replace, in the order of RULES.md; the first that fails is the reason.

A check returns None or a `Refusal`; none of them changes anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from botpit.exchange.accounts import Position
from botpit.exchange.events import Reason
from botpit.exchange.margin import Prospect, shortfall
from botpit.exchange.market import Market


@dataclass(slots=True)
class Refusal:
    """A reason and what a trader needs to see to understand it, in engine units."""

    reason: Reason
    details: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Terms:
    """What an order asks, apart from who asks. `limit`: its price, or the edge of the band for a market order.

    `filled`: lots of it that have traded already; a replaced order keeps them.
    """

    sign: int
    qty: int
    limit: int
    market_order: bool
    off_tick: bool
    filled: int = 0


def bad_terms(market: Market, terms: Terms) -> Refusal | None:
    """Price and quantity against the instrument and the band."""
    refusal = bad_price(market, terms) or bad_qty(market, terms.qty, terms.filled)
    return refusal or too_large(market, terms) or outside_band(market, terms)


def halted(market: Market) -> Refusal | None:
    return None if market.is_open() else Refusal(Reason.MARKET_HALTED)


def bad_price(market: Market, terms: Terms) -> Refusal | None:
    instrument = market.instrument
    if terms.market_order or (not terms.off_tick and instrument.min_price <= terms.limit <= instrument.max_price):
        return None
    return Refusal(Reason.INVALID_PRICE, {"tick": 1, "min_price": instrument.min_price, "max_price": instrument.max_price})


def bad_qty(market: Market, qty: int, filled: int) -> Refusal | None:
    """A total quantity within the instrument's bounds, and above what is filled of it."""
    instrument = market.instrument
    if not instrument.min_qty <= qty <= instrument.max_qty:
        return Refusal(Reason.INVALID_QTY, {"min_qty": instrument.min_qty, "max_qty": instrument.max_qty})
    return Refusal(Reason.INVALID_QTY, {"filled_qty": filled}) if qty <= filled else None


def too_large(market: Market, terms: Terms) -> Refusal | None:
    instrument = market.instrument
    if terms.qty > instrument.max_order_qty:
        return Refusal(Reason.ORDER_TOO_LARGE, {"max_order_qty": instrument.max_order_qty})
    notional = terms.qty * terms.limit * instrument.tick_value
    if notional > instrument.max_order_notional:
        return Refusal(Reason.NOTIONAL_TOO_LARGE, {"notional": notional, "max_order_notional": instrument.max_order_notional})
    return None


def outside_band(market: Market, terms: Terms) -> Refusal | None:
    if market.band_low <= terms.limit <= market.band_high:
        return None
    return Refusal(Reason.PRICE_BAND, {"band_low": market.band_low, "band_high": market.band_high})


def would_increase(position: Position, sign: int, fok_qty: int) -> Refusal | None:
    """A reduce-only order needs a position on the other side; a fok one (`fok_qty` > 0) needs it whole."""
    holds = -sign * position.lots
    if holds > 0 and fok_qty <= holds:
        return None
    return Refusal(Reason.REDUCE_ONLY_WOULD_INCREASE, {"position": position.lots})


def would_cross(market: Market, terms: Terms) -> Refusal | None:
    """Whether a post-only order would meet the best opposite price, whoever owns that."""
    best = market.book.side(-terms.sign).best()
    if best is None or terms.sign * (terms.limit - best) < 0:
        return None
    return Refusal(Reason.POST_ONLY_WOULD_CROSS, {"best_price": best})


def too_much(prospect: Prospect) -> Refusal | None:
    """Open orders, position and margin, if the plan is carried out."""
    return too_many_open(prospect) or past_position_limit(prospect) or frozen(prospect) or too_little_margin(prospect)


def too_many_open(prospect: Prospect) -> Refusal | None:
    most = prospect.position.market.instrument.max_open_orders
    if not prospect.resting or len(prospect.position.orders) - len(prospect.removed) < most:
        return None
    return Refusal(Reason.TOO_MANY_OPEN_ORDERS, {"max_open_orders": most})


def past_position_limit(prospect: Prospect) -> Refusal | None:
    most = prospect.position.market.instrument.max_position
    if not most:
        return None
    reached = prospect.reached()
    if reached <= most:
        return None
    return Refusal(Reason.POSITION_LIMIT, {"max_position": most, "would_reach": prospect.sign * reached})


def frozen(prospect: Prospect) -> Refusal | None:
    """A frozen account may only reduce."""
    account = prospect.position.account
    return Refusal(Reason.ACCOUNT_FROZEN) if (account.frozen or account.held) and prospect.reached() > 0 else None


def too_little_margin(prospect: Prospect) -> Refusal | None:
    short = shortfall(prospect)
    if short is None:
        return None
    return Refusal(
        Reason.INITIAL_MARGIN_INSUFFICIENT, {"equity": short.equity, "required_margin": short.required_margin}
    )
