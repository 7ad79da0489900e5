"""The moves that several strategies make (quote a ladder, move one quote, take what stands there) and the
bounds they share.

Every side is written once, with a sign: +1 for buys, -1 for sells, so that better for the one who orders is
always lower.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Unpack

from msgspec import Meta

from bot_strategies import Market, Terms, TimeInForce
from message_schemas import SideWord

SIDES: tuple[SideWord, ...] = ("buy", "sell")
Lots = Annotated[int, Meta(ge=1, le=1_000_000)]
Ticks = Annotated[int, Meta(ge=0, le=1_000_000)]
TicksAbove0 = Annotated[int, Meta(ge=1, le=1_000_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
NotNegative = Annotated[float, Meta(ge=0, le=1e6)]
Seconds = Annotated[float, Meta(ge=0.1, le=86_400)]


def sign(side: SideWord) -> int:
    return 1 if side == "buy" else -1


def opposite(side: SideWord) -> SideWord:
    return "sell" if side == "buy" else "buy"


def best_to_take(market: Market, side: SideWord) -> float | None:
    """The best price at which one who orders on `side` can trade at once."""
    return market.book.best_ask if side == "buy" else market.book.best_bid


def order(
    market: Market, side: SideWord, qty: int, price: float, **terms: Unpack[Terms]
) -> None:
    (market.buy if side == "buy" else market.sell)(qty, price, **terms)


def room(market: Market, side: SideWord, max_position: int) -> int:
    """Lots that may still be ordered on this side if all of it should trade."""
    ordered = sum(each.leaves_qty for each in market.orders if each.side == side)
    return max_position - sign(side) * market.position - ordered


def take(market: Market, side: SideWord, qty: int) -> None:
    """Take up to `qty` lots at the best opposite price; what does not trade at once is cancelled."""
    best = best_to_take(market, side)
    if best is not None and qty >= market.instrument.min_qty:
        order(market, side, qty, best, time_in_force=TimeInForce.IOC)


def approach(market: Market, target: int, most: int) -> None:
    """Take what the best opposite price offers towards the target position, at most `most` lots."""
    gap = target - market.position
    take(market, "buy" if gap > 0 else "sell", min(abs(gap), most))


def quote(
    market: Market,
    side: SideWord,
    prices: Sequence[float],
    size: int,
    *,
    max_position: int,
    refresh: int,
) -> None:
    """Stand with `size` lots at each of `prices` (best first), never with more than could be held.

    A quote farther than `refresh` ticks from every free one of `prices` is stale and cancelled; the others
    keep their place in the queue.
    """
    served = _cancel_stale(market, side, prices, (refresh + 0.5) * market.instrument.tick)
    left = room(market, side, max_position)
    for price in prices:
        qty = min(size, left)
        if qty < market.instrument.min_qty:
            return
        if price not in served and price >= market.instrument.min_price:
            order(market, side, qty, price, post_only=True)
            left -= qty


def _cancel_stale(
    market: Market, side: SideWord, wanted: Sequence[float], near: float
) -> set[float]:
    """Cancel each quote that is not near a wanted price of its own; returns the prices that are served."""
    served: set[float] = set()
    for each in market.orders:
        if each.side != side or each.cancelling or each.price is None:
            continue
        free = [(abs(price - each.price), price) for price in wanted if price not in served]
        if free and min(free)[0] < near:
            served.add(min(free)[1])
        else:
            market.cancel(each)
    return served


def behind_the_other_side(market: Market, side: SideWord, price: float) -> float:
    """`price`, or a tick short of the other side's best where it would trade at once."""
    best = best_to_take(market, side)
    if best is None:
        return price
    return sign(side) * min(sign(side) * price, sign(side) * best - market.instrument.tick)


def requote(market: Market, side: SideWord, qty: int, price: float) -> None:
    """Have one order of `qty` lots at `price`: enter it, move it, or cancel one on the other side."""
    price = market.to_tick(max(price, market.instrument.min_price), side)
    if not market.orders:
        order(market, side, qty, price)
        return
    standing = market.orders[0]
    if standing.order_id is None or standing.cancelling:
        return
    if standing.side != side:
        market.cancel(standing)
    elif standing.price != price:
        market.replace(standing, price=price)
