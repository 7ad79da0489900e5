"""Traders without intelligence: chance proposes, the budget disposes, and the market does the rest."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from bot_strategies import Market, Strategy
from botpit.bots.strategies.customers import ServesCustomers
from botpit.bots.strategies.quoting import SIDES, Lots, TicksAbove0, order, room, sign


@dataclass(kw_only=True)
class RandomTrader(Strategy):
    """Orders at random prices, but never at a worse one than the lot is worth to it, and never more than it
    may hold.

    A lot's worth is the mid price moved by a normal draw of `width_ticks`; the price is uniform between that
    and `width_ticks` better for itself. Beyond `max_orders` the oldest order is cancelled.

    Source: after Gode and Sunder, Allocative efficiency of markets with zero-intelligence traders (1993);
    `zic` is theirs.
    """

    rng: random.Random
    size: Lots = 3
    width_ticks: TicksAbove0 = 10
    max_orders: Annotated[int, Meta(ge=1, le=100)] = 8
    max_position: Lots = 50

    def on_timer(self, market: Market) -> None:
        if len(market.orders) >= self.max_orders:
            market.cancel(market.orders[0])
            return
        side = self.rng.choice(SIDES)
        width = self.width_ticks * market.instrument.tick
        worth = self.rng.gauss(market.mid_price, width)
        price = market.to_tick(worth - sign(side) * self.rng.uniform(0, width), side)
        qty = min(self.rng.randint(1, 2 * self.size), room(market, side, self.max_position))
        if qty >= market.instrument.min_qty and price >= market.instrument.min_price:
            order(market, side, qty, price)


@dataclass(kw_only=True)
class Zic(ServesCustomers):
    """Zero intelligence, constrained: shouts uniformly random prices at which its customer would not lose,
    and that is all.

    Each customer wants `size` lots within a limit drawn up to `range_ticks` around the instrument's reference
    price; a buyer's shout lies between that and as far below, a seller's as far above. With each decision the
    one order is moved to a new draw; once it has traded, or after `patience_s`, the next customer comes.

    Source: Gode and Sunder, Allocative efficiency of markets with zero-intelligence traders (1993).
    """

    def shout(self, market: Market) -> float:
        below = self.rng.uniform(0, self.range_ticks * market.instrument.tick)
        return self.customer.limit - sign(self.customer.side) * below
