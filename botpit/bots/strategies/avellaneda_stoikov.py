"""The market maker of Avellaneda and Stoikov, with the volatility it needs measured as it goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, log
from typing import Annotated

from msgspec import Meta

from bot_strategies import Market, Strategy
from botpit.bots.strategies.quoting import (
    SIDES,
    Lots,
    Seconds,
    Ticks,
    behind_the_other_side,
    quote,
    sign,
)

MS_PER_S = 1_000


@dataclass(kw_only=True)
class AvellanedaStoikov(Strategy):
    """Quotes around its reservation price, as wide as risk aversion, volatility and the time left of its
    horizon make worth it.

    Reservation price: mid - q·γ·σ²·(T-t). Spread: γ·σ²·(T-t) + 2/γ·ln(1 + γ/k). Here q is the position in
    orders of `size`, γ `risk_aversion`, k `arrival_decay` (how fast fills grow rare with each tick away from
    the mid), T-t what is left of the running `horizon_s`, σ² the variance in ticks² a second:
    `volatility_ticks`² at first, then what the last `memory_s` show.

    Source: Avellaneda and Stoikov, High-frequency trading in a limit order book (2008).
    """

    risk_aversion: Annotated[float, Meta(ge=1e-6, le=100)] = 0.01
    arrival_decay: Annotated[float, Meta(ge=1e-6, le=100)] = 0.5
    horizon_s: Seconds = 60
    volatility_ticks: Annotated[float, Meta(ge=0, le=10_000)] = 1.5
    memory_s: Seconds = 30
    size: Lots = 5
    max_position: Lots = 60
    refresh: Ticks = 1
    _variance: float = field(init=False)
    _began_ms: int = field(init=False, default=0)
    _last: tuple[int, float] = field(init=False, default=(0, 0.0))

    def on_start(self, market: Market) -> None:
        self._variance = self.volatility_ticks**2
        self._began_ms = market.timestamp
        self._last = (market.timestamp, market.mid_price)

    def on_timer(self, market: Market) -> None:
        self._measure(market)
        reservation, spread = self.reservation_and_spread(market)
        for side in SIDES:
            price = behind_the_other_side(market, side, reservation - sign(side) * spread / 2)
            prices = [market.to_tick(price, side)]
            quote(
                market,
                side,
                prices,
                self.size,
                max_position=self.max_position,
                refresh=self.refresh,
            )

    def reservation_and_spread(self, market: Market) -> tuple[float, float]:
        """The paper's two formulas, as prices."""
        elapsed_s = (market.timestamp - self._began_ms) / MS_PER_S
        left_s = self.horizon_s - elapsed_s % self.horizon_s
        risk = self.risk_aversion * self._variance * left_s
        spread = risk + 2 / self.risk_aversion * log(
            1 + self.risk_aversion / self.arrival_decay
        )
        tick = market.instrument.tick
        return market.mid_price - market.position / self.size * risk * tick, spread * tick

    def _measure(self, market: Market) -> None:
        """Learn the variance, in ticks² a second, from the last move; older moves fade with `memory_s`."""
        (last_ms, last_price), self._last = self._last, (market.timestamp, market.mid_price)
        passed_s = (market.timestamp - last_ms) / MS_PER_S
        if passed_s > 0:
            moved_ticks = (market.mid_price - last_price) / market.instrument.tick
            forgotten = 1 - exp(-passed_s / self.memory_s)
            self._variance += forgotten * (moved_ticks**2 / passed_s - self._variance)
