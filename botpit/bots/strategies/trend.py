"""The two classic readers of past prices: one believes in the trend, the other in the way back."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import sqrt
from typing import Annotated

from msgspec import Meta

from bot_strategies import Market, Strategy
from botpit.bots.strategies.quoting import Lots, NotNegative, approach


@dataclass(kw_only=True)
class Momentum(Strategy):
    """Follows the trend: long while a fast average of the price stands above a slow one, short while below.

    Within `band_ticks` of each other the averages say nothing and the position is kept. `fast` and `slow` are
    the averages' lengths in decisions.

    Source: Brock, Lakonishok and LeBaron, Simple technical trading rules and the stochastic properties of
    stock returns (1992).
    """

    fast: Annotated[int, Meta(ge=1, le=100_000)] = 5
    slow: Annotated[int, Meta(ge=2, le=100_000)] = 20
    band_ticks: NotNegative = 0.5
    size: Lots = 3
    max_position: Lots = 40
    _averages: list[float] = field(init=False, default_factory=list)
    _target: int = field(init=False, default=0)

    def on_timer(self, market: Market) -> None:
        price = market.mid_price
        before = self._averages or [price, price]
        self._averages = [
            average + 2 / (length + 1) * (price - average)
            for average, length in zip(before, (self.fast, self.slow), strict=True)
        ]
        trend = self._averages[0] - self._averages[1]
        if abs(trend) > self.band_ticks * market.instrument.tick:
            self._target = self.max_position if trend > 0 else -self.max_position
        if not market.orders:
            approach(market, self._target, self.size)


@dataclass(kw_only=True)
class MeanReversion(Strategy):
    """Bets on the way back: sells what stands far above its recent mean, buys what stands far below, goes
    flat in between.

    Far is `entry` standard deviations of the last `window` decisions' prices (and at least a tick), back is
    `exit` of them.

    Source: Poterba and Summers, Mean reversion in stock prices (1988).
    """

    window: Annotated[int, Meta(ge=2, le=100_000)] = 40
    entry: NotNegative = 1.5
    exit: NotNegative = 0.3
    size: Lots = 3
    max_position: Lots = 40
    _prices: deque[float] = field(init=False)
    _target: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._prices = deque(maxlen=self.window)

    def on_timer(self, market: Market) -> None:
        self._prices.append(market.mid_price)
        if len(self._prices) < self.window:
            return
        mean = sum(self._prices) / self.window
        deviation = sqrt(sum((price - mean) ** 2 for price in self._prices) / self.window)
        distance = (market.mid_price - mean) / max(deviation, market.instrument.tick)
        if abs(distance) > self.entry:
            self._target = -self.max_position if distance > 0 else self.max_position
        elif abs(distance) < self.exit:
            self._target = 0
        if not market.orders:
            approach(market, self._target, self.size)
