"""Prices, money and times across the border, exact both ways without Decimal.

A price on the wire is its nearest IEEE double. `units = round(price * 10**d)` is accepted only if `units /
10**d == price`, and only on the tick; `units / 10**d` gives the same double back, as long as units stay
within LARGEST_EXACT, which settings guarantee.
"""

from __future__ import annotations

from functools import lru_cache

from msgspec import Raw
from msgspec.json import encode as _text

from botpit.core.instrument import LARGEST_EXACT, Instrument

NS_PER_MS = 1_000_000
MAX_REMEMBERED_PRICES = 10_000
"""Per instrument and direction: few prices are in use at a time, and a lookup is the quicker way."""


class PriceScale:
    """One instrument's prices: ticks inside, numbers outside."""

    __slots__ = ("_scale", "_tick_units", "raw", "text", "ticks")

    def __init__(self, instrument: Instrument) -> None:
        scale: int = 10**instrument.tick_decimals
        tick_units = instrument.tick_units
        self._scale, self._tick_units = scale, tick_units
        # None of these refers to the scale itself, so that one is freed as soon as nobody uses it.
        remembered = lru_cache(MAX_REMEMBERED_PRICES)
        self.ticks = remembered(lambda price: _ticks(price, scale, tick_units))
        """The price in ticks, or None when it is off the tick. Never rounded."""
        self.text = remembered(lambda ticks: _text(ticks * tick_units / scale).decode())
        """Ticks as the number in JSON."""
        self.raw = remembered(lambda ticks: Raw(_text(ticks * tick_units / scale)))
        """The same, for msgspec to write."""

    def price(self, ticks: int) -> float:
        """The price as people write it."""
        return ticks * self._tick_units / self._scale

    def average(self, cost: int, lots: int, tick_value: int) -> float:
        """The average entry price of an open position, to the nearest double; 0.0 when flat."""
        if not lots:
            return 0.0
        return cost * self._tick_units / (lots * tick_value * self._scale)


def _ticks(price: float, scale: int, tick_units: int) -> int | None:
    scaled = price * scale
    if not abs(scaled) <= LARGEST_EXACT:
        return None
    units = round(scaled)
    if units / scale != price:
        return None
    ticks, rest = divmod(units, tick_units)
    return None if rest else ticks


def milliseconds(now_ns: int) -> int:
    return now_ns // NS_PER_MS
