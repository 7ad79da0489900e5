"""One market's numbers as people write them: the prices of each instrument, and money.

Whoever writes a message of this market shares one of these, and with it the prices that were written before.
"""

from __future__ import annotations

from msgspec import Raw

from botpit.core.commands import OffTick, Order
from botpit.core.events import Rejected
from botpit.core.exchange import Exchange
from botpit.wire.numbers import PriceScale

_MONEY_DETAILS = {"equity", "required_margin", "notional", "max_order_notional"}
_PRICE_DETAILS = {"tick", "min_price", "max_price", "band_low", "band_high", "best_price"}


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

    def asked_price(self, order: Order) -> Raw | None:
        """The price of an order as it was sent."""
        price = order.price
        if price is None:
            return None
        if type(price) is OffTick:
            return Raw(price.text.encode())
        return self.scales[order.symbol].raw(price)

    def details(self, refusal: Rejected) -> dict[str, float | int]:
        """The details of a refusal: money and prices as people write them, the rest as it is."""
        return {
            key: self._detail(key, value, refusal.symbol)
            for key, value in refusal.details.items()
        }

    def _detail(self, key: str, value: int, symbol: str) -> float | int:
        if key in _MONEY_DETAILS:
            return value / self.money
        if key in _PRICE_DETAILS:
            return self.price(symbol, value)
        return value


def order_type(order: Order) -> str:
    return "market" if order.price is None else "limit"
