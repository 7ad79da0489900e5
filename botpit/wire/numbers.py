"""Prices, money and times across the border, exact both ways without Decimal.

A price on the wire is its nearest IEEE double. `units = round(price * 10**d)` is accepted only if `units / 10**d == price`, and
only on the tick; `units / 10**d` gives the same double back, as long as units stay within LARGEST_EXACT, which settings
guarantee.
"""

from __future__ import annotations

from botpit.exchange.instrument import LARGEST_EXACT, Instrument

NS_PER_MS = 1_000_000


class PriceScale:
    """One instrument's prices: ticks inside, numbers outside."""

    __slots__ = ("_scale", "_tick_units")

    def __init__(self, instrument: Instrument) -> None:
        self._scale: int = 10**instrument.tick_decimals
        self._tick_units = instrument.tick_units

    def ticks(self, price: float) -> int | None:
        """The price in ticks, or None when it is on no tick. Never rounded."""
        scaled = price * self._scale
        if not abs(scaled) <= LARGEST_EXACT:
            return None
        units = round(scaled)
        if units / self._scale != price:
            return None
        ticks, rest = divmod(units, self._tick_units)
        return None if rest else ticks

    def price(self, ticks: int) -> float:
        """The price as people write it."""
        return ticks * self._tick_units / self._scale

    def average(self, cost: int, lots: int, tick_value: int) -> float:
        """The average entry price of an open position, to the nearest double; 0.0 when flat."""
        return cost * self._tick_units / (lots * tick_value * self._scale) if lots else 0.0


def milliseconds(now_ns: int) -> int:
    return now_ns // NS_PER_MS
