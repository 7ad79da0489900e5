"""The grid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from bot_strategies import Market, Strategy
from botpit.bots.strategies.quoting import SIDES, Lots, TicksAbove0, best_to_take, quote, sign
from message_schemas import SideWord


@dataclass(kw_only=True)
class Grid(Strategy):
    """Buys `size` lots on each line the price falls to and sells them one line higher; above its centre the
    other way round.

    The lines stand `step_ticks` apart around the price at the start. How many of them are bought already is
    read off the position, so that a restarted bot goes on where it was: with n bought, it buys at centre -
    (n+1) steps and sells at centre - (n-1) steps.

    Source: Taranto and Khan, Gambler's ruin problem and bi-directional grid constrained trading and
    investment strategies (2020).
    """

    step_ticks: TicksAbove0 = 5
    lines: Annotated[int, Meta(ge=1, le=50)] = 4
    size: Lots = 3
    max_position: Lots = 60
    _centre: float = field(init=False, default=0.0)

    def on_start(self, market: Market) -> None:
        self._centre = market.to_tick(market.mid_price, "buy")

    def on_timer(self, market: Market) -> None:
        for side in SIDES:
            lines = self._lines(market, side)
            quote(market, side, lines, self.size, max_position=self.max_position, refresh=0)

    def _lines(self, market: Market, side: SideWord) -> list[float]:
        """This side's lines, best first, without those that would trade at once."""
        step = self.step_ticks * market.instrument.tick
        held = int(market.position / self.size)
        prices = [
            market.to_tick(self._centre - (held + sign(side) * line) * step, side)
            for line in range(1, self.lines + 1)
        ]
        best = best_to_take(market, side)
        return [price for price in prices if best is None or sign(side) * (best - price) > 0]
