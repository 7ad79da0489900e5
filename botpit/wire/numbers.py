"""Prices, money and times across the border, exact both ways without Decimal.

A price on the wire is its nearest IEEE double. `units = round(price * 10**d)` is accepted only if `units /
10**d == price`, and only on the tick; `units / 10**d` gives the same double back, as long as units stay
within LARGEST_EXACT, which settings guarantee.
"""

from __future__ import annotations

from functools import lru_cache

from msgspec import Raw, json

from botpit.core.instrument import LARGEST_EXACT, Instrument

NS_PER_MS = 1_000_000
MAX_REMEMBERED_PRICES = 10_000
"""Per instrument and direction: few prices are in use at a time, and a lookup is the quicker way."""


class PriceScale:
    """One instrument's prices: ticks inside, numbers outside."""

    __slots__ = ("_scale", "_tick_units", "raw", "text", "ticks")

    def __init__(self, instrument: Instrument) -> None:
        self._scale: int = 10**instrument.tick_decimals
        self._tick_units = instrument.tick_units
        self.ticks = lru_cache(MAX_REMEMBERED_PRICES)(self._ticks)
        """The price in ticks, or None when it is off the tick. Never rounded."""
        self.text = lru_cache(MAX_REMEMBERED_PRICES)(self._text)
        """Ticks as the number in JSON."""
        self.raw = lru_cache(MAX_REMEMBERED_PRICES)(
            lambda ticks: Raw(self._text(ticks).encode())
        )
        """The same, for msgspec to write."""

    def _text(self, ticks: int) -> str:
        return json.encode(self.price(ticks)).decode()

    def _ticks(self, price: float) -> int | None:
        scaled = price * self._scale
        if not abs(scaled) <= LARGEST_EXACT:
            return None
        units = round(scaled)
        if units / self._scale != price:
            return None
        ticks, rest = divmod(units, self._tick_units)
        if rest:
            return None
        return ticks

    def price(self, ticks: int) -> float:
        """The price as people write it."""
        return ticks * self._tick_units / self._scale

    def average(self, cost: int, lots: int, tick_value: int) -> float:
        """The average entry price of an open position, to the nearest double; 0.0 when flat."""
        if not lots:
            return 0.0
        return cost * self._tick_units / (lots * tick_value * self._scale)


def milliseconds(now_ns: int) -> int:
    return now_ns // NS_PER_MS
