"""The trader who knows something: what the instrument is worth, but only roughly."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from math import log, sqrt
from typing import Annotated

from msgspec import Meta

from bot_strategies import Market, Strategy
from botpit.bots.strategies.quoting import (
    SIDES,
    Lots,
    Share,
    Ticks,
    best_to_take,
    room,
    sign,
    take,
)

MS_PER_S = 1_000
STEP_MS = 1_000
REMEMBERED_HALF_LIVES = 10
"""A shock older than that has less than a thousandth of its weight left and is forgotten."""
MAX_SHOCKS = 10_000


class Fundamental:
    """A worth in ticks from the reference price that wanders and returns to it; the same for all who name the
    same `world`.

    Mean-reverting with `half_life_s`, `volatility_ticks` per square root of a second. The shock of each
    second is drawn from the world's number and that second alone, so that two bots agree although they began
    at different times.
    """

    def __init__(self, world: int, volatility_ticks: float, half_life_s: float) -> None:
        self._world = world
        self._step_ticks = volatility_ticks * sqrt(STEP_MS / MS_PER_S)
        self._kept = 0.5 ** (STEP_MS / MS_PER_S / half_life_s)
        self._shocks = min(
            int(REMEMBERED_HALF_LIVES * log(0.5) / log(self._kept)) + 1, MAX_SHOCKS
        )
        self._at: tuple[int, float] | None = None

    def ticks_at(self, timestamp_ms: int) -> float:
        step = timestamp_ms // STEP_MS
        first, ticks = self._at or (step - self._shocks, 0.0)
        if not 0 <= step - first <= self._shocks:
            first, ticks = step - self._shocks, 0.0
        for each in range(first + 1, step + 1):
            shock = random.Random(f"{self._world}:{each}")
            ticks = self._kept * ticks + self._step_ticks * shock.gauss(0, 1)
        self._at = (step, ticks)
        return ticks


@dataclass(kw_only=True)
class Value(Strategy):
    """Follows a noisy fundamental: buys what is offered below what it believes the instrument worth, sells
    what is bid above.

    The fundamental wanders around the reference price (see `Fundamental`) and is the same for all bots with
    the same `world`; each observes it every decision with an error of its own, `noise_ticks`, and moves its
    belief by `trust` of the difference. It trades when the price is `edge_ticks` off its belief.

    Source: the value agent of Byrd, Hybinette and Balch, ABIDES: towards high-fidelity multi-agent market
    simulation (2020).
    """

    rng: random.Random
    world: Annotated[int, Meta(ge=0, le=2**31)] = 1
    volatility_ticks: Annotated[float, Meta(ge=0, le=10_000)] = 2
    half_life_s: Annotated[float, Meta(ge=1, le=1_000)] = 60
    noise_ticks: Annotated[float, Meta(ge=0, le=10_000)] = 5
    trust: Share = 0.2
    edge_ticks: Ticks = 3
    size: Lots = 3
    max_position: Lots = 40
    _fundamental: Fundamental = field(init=False)
    belief: float | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._fundamental = Fundamental(self.world, self.volatility_ticks, self.half_life_s)

    def on_timer(self, market: Market) -> None:
        belief, tick = self._observe(market), market.instrument.tick
        if market.orders:
            return
        for side in SIDES:
            price = best_to_take(market, side)
            if price is not None and sign(side) * (belief - price) >= self.edge_ticks * tick:
                take(market, side, min(self.size, room(market, side, self.max_position)))

    def _observe(self, market: Market) -> float:
        """The belief after this moment's look at the fundamental, as a price."""
        seen_ticks = self._fundamental.ticks_at(market.timestamp) + self.rng.gauss(
            0, self.noise_ticks
        )
        seen = market.instrument.reference_price + seen_ticks * market.instrument.tick
        if self.belief is None:
            self.belief = seen
        self.belief += self.trust * (seen - self.belief)
        return self.belief
