"""One market's numbers as people write them: the prices of each instrument, and money.

Whoever writes a message of this market shares one of these, and with it the prices that were written before.
"""

from __future__ import annotations

from botpit.core.exchange import Exchange
from botpit.wire.numbers import PriceScale


class Units:
    """`money`: so many account units are one of the account currency. `scales`: the prices, by symbol."""

    def __init__(self, exchange: Exchange) -> None:
        self.money: int = 10**exchange.rules.money_decimals
        self.scales = {
            symbol: PriceScale(market.instrument) for symbol, market in exchange.markets.items()
        }
        self._tick_values = {
            symbol: market.instrument.tick_value for symbol, market in exchange.markets.items()
        }

    def price(self, symbol: str, ticks: int) -> float:
        return self.scales[symbol].price(ticks)

    def average_entry(self, symbol: str, cost: int, lots: int) -> float:
        """The average entry price of a position, to the nearest double; 0.0 when flat."""
        return self.scales[symbol].average(cost, lots, self._tick_values[symbol])
