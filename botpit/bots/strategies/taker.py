"""The order-splitting taker."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from bot_strategies import Market, Strategy
from botpit.bots.strategies.quoting import Lots, Share, approach, sign
from message_schemas import SideWord


@dataclass(kw_only=True)
class Taker(Strategy):
    """Works large orders off in small market-crossing slices, one large order after the other.

    The signs of real orders are persistent because large orders are split. The side of each large order is
    drawn at random, leaning back to flat the larger the position is.

    Source: Lillo, Mike and Farmer, Theory for long memory in supply and demand (2005).
    """

    rng: random.Random
    size: Lots = 2
    slices: Lots = 10
    activity: Share = 0.5
    max_position: Lots = 60
    _side: SideWord = field(init=False, default="buy")
    _slices_left: int = field(init=False, default=0)

    def on_timer(self, market: Market) -> None:
        if market.orders or self.rng.random() >= self.activity:
            return
        if self._slices_left == 0:
            self._side = self._draw_side(market.position)
            self._slices_left = self.rng.randint(1, 2 * self.slices)
        self._slices_left -= 1
        target = sign(self._side) * self.max_position
        approach(market, target, self.rng.randint(1, 2 * self.size))

    def _draw_side(self, position: int) -> SideWord:
        lean = min(max(position / self.max_position, -1.0), 1.0)
        return "sell" if self.rng.random() < (1 + lean) / 2 else "buy"
