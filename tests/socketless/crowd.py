"""Four traders who do anything at all, by a seed, near the middle of every market."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from tests.socketless.requests import Message, order

if TYPE_CHECKING:
    from tests.socketless.venue import SocketlessVenue

TERMS: tuple[Message, ...] = (
    {},
    {},
    {},
    {"time_in_force": "ioc"},
    {"post_only": True},
    {"time_in_force": "fok"},
)


class Crowd:
    """The four, on one connection without a login."""

    def __init__(self, venue: SocketlessVenue, rng: random.Random) -> None:
        self._rng = rng
        self._client = venue.client()
        self._markets = [(symbol, m.instrument) for symbol, m in venue.exchange.markets.items()]
        self._last_order_id = 1

    def acts(self) -> Any:
        """One request of one of them, and its answer."""
        trader = self._rng.choice(("alice", "bob", "carol", "dave"))
        answer = self._client.asks(self.request(trader))
        self._last_order_id = max(self._last_order_id, answer.get("order_id") or 0)
        return answer

    def request(self, trader: str) -> Message:
        rng = self._rng
        match rng.randrange(10):
            case 0 | 1:
                return {"type": "cancel", "trader_id": trader, "order_id": self._some_order()}
            case 2:
                return {
                    "type": "replace",
                    "trader_id": trader,
                    "order_id": self._some_order(),
                    "qty": rng.randrange(1, 12),
                }
            case 3 if rng.random() < 0.1:
                return {"type": "cancel_all", "trader_id": trader}
            case _:
                return self._order(trader)

    def _some_order(self) -> int:
        return self._rng.randrange(max(1, self._last_order_id - 40), self._last_order_id + 1)

    def _order(self, trader: str) -> Message:
        rng = self._rng
        symbol, instrument = rng.choice(self._markets)
        ticks = instrument.reference_price + rng.randrange(-20, 21)
        price: float | None = ticks * instrument.tick_units / 10**instrument.tick_decimals
        terms: Message = {}
        if rng.random() < 0.1:
            price = None
        else:
            terms = rng.choice(TERMS)
        side, qty = rng.choice(("buy", "sell")), rng.randrange(1, 12)
        return order(trader, side, qty, price, symbol=symbol, **terms)
