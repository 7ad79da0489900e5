"""The plain market maker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from bot_strategies import Market, Strategy
from botpit.bots.strategies.quoting import (
    SIDES,
    Lots,
    NotNegative,
    Ticks,
    behind_the_other_side,
    quote,
    sign,
)
from message_schemas import SideWord


@dataclass(kw_only=True)
class Maker(Strategy):
    """Quotes a ladder on both sides around a price that leans against its own inventory.

    The lean is linear, `skew` ticks per lot. A quote farther than `refresh` ticks from where it should be is
    stale and cancelled; the others keep their place in the queue.

    Source: Ho and Stoll, Optimal dealer pricing under transactions and return uncertainty (1981).
    """

    levels: Annotated[int, Meta(ge=1, le=50)] = 5
    size: Lots = 5
    half_spread_ticks: Ticks = 2
    step_ticks: Annotated[int, Meta(ge=1, le=1_000)] = 1
    skew: NotNegative = 0.1
    max_position: Lots = 100
    refresh: Ticks = 1

    def on_timer(self, market: Market) -> None:
        for side in SIDES:
            ladder = self._ladder(market, side)
            quote(
                market,
                side,
                ladder,
                self.size,
                max_position=self.max_position,
                refresh=self.refresh,
            )

    def _ladder(self, market: Market, side: SideWord) -> list[float]:
        """Where this side's quotes should stand, best first; never through the other side's best price."""
        tick = market.instrument.tick
        centre = market.mid_price - self.skew * market.position * tick
        best = behind_the_other_side(
            market, side, centre - sign(side) * self.half_spread_ticks * tick
        )
        return [
            market.to_tick(best - sign(side) * level * self.step_ticks * tick, side)
            for level in range(self.levels)
        ]
