"""The requests of the benchmarks of speed: JSON messages as bytes, the same for the same seed.

Four mixes, because the cost of an order depends on its fate: `bar` fills the book with few trades,
`rest` never trades, `cross` trades with every second order, `life` is a market maker's day of quotes,
cancels, replaces and takers.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable

TRADERS = 8
PRICE = 10_000
"""In ticks of 0.01, those of the default instrument."""
FIRST_QUOTES = 400
RECENT_QUOTES = 500
"""`life` cancels and replaces among so many of the newest."""
BUY, SELL = 1, -1
RICH = (
    "[market]\nstarting_cash = 1000000000\nmax_open_orders = 10000000\nmax_requests_per_s = 100000000\n"
    "max_cancels_per_s = 100000000\n"
)
"""Settings under which no flow runs into a limit."""
Flow = Callable[[int, int], list[bytes]]


def bar(count: int, seed: int) -> list[bytes]:
    """Orders of one lot close around the price: most rest, some meet."""
    rng = random.Random(f"bar {seed}")
    requests = []
    for number in range(count):
        side = rng.choice((BUY, SELL))
        requests.append(
            order(
                rng.randrange(TRADERS),
                side,
                PRICE - side * rng.randint(-2, 20),
                1,
                f"b{seed}-{number}",
            )
        )
    return requests


def rest(count: int, seed: int) -> list[bytes]:
    """No two orders meet: bids are 1 to 200 ticks below the price, asks above it."""
    rng = random.Random(f"rest {seed}")
    requests = []
    for number in range(count):
        side = rng.choice((BUY, SELL))
        price = PRICE - side * rng.randint(1, 200)
        requests.append(
            order(rng.randrange(TRADERS), side, price, rng.randint(1, 9), f"r{seed}-{number}")
        )
    return requests


def cross(count: int, seed: int) -> list[bytes]:
    """Every second order trades in full against the one before it."""
    rng = random.Random(f"cross {seed}")
    requests: list[bytes] = []
    for number in range(0, count, 2):
        maker, side, qty = rng.randrange(TRADERS), rng.choice((BUY, SELL)), rng.randint(1, 9)
        taker = (maker + rng.randrange(1, TRADERS)) % TRADERS
        requests.append(order(maker, side, PRICE, qty, f"x{seed}-{number}"))
        requests.append(order(taker, -side, PRICE, qty, f"x{seed}-{number + 1}"))
    return requests[:count]


def life(count: int, seed: int) -> list[bytes]:
    """45 % new quotes, 20 % cancels, 20 % replaces, 15 % takers, around a price that wanders."""
    day = _Life(seed)
    return [day.request(number) for number in range(count)]


class _Life:
    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._rng = random.Random(f"life {seed}")
        self._price = PRICE
        self._quotes: list[tuple[int, str, int]] = []

    def request(self, number: int) -> bytes:
        rng = self._rng
        if rng.random() < 0.02:
            self._price += rng.choice((-1, 1))
        kind = rng.random()
        if number < FIRST_QUOTES or kind < 0.45 or not self._quotes:
            return self._quote(number)
        if kind < 0.65:
            trader, client_order_id, _ = self._some_quote()
            self._quotes.pop()
            return _text(type="cancel", trader_id=f"t{trader}", client_order_id=client_order_id)
        if kind < 0.85:
            trader, client_order_id, side = self._some_quote()
            price, qty = self._quote_price(side) / 100, rng.randint(1, 9)
            return _text(
                type="replace",
                trader_id=f"t{trader}",
                client_order_id=client_order_id,
                price=price,
                qty=qty,
            )
        side = rng.choice((BUY, SELL))
        edge = self._price + side * 5
        return order(
            rng.randrange(TRADERS),
            side,
            edge,
            rng.randint(1, 9),
            f"l{self._seed}-{number}",
            time_in_force="ioc",
        )

    def _quote(self, number: int) -> bytes:
        trader, side, client_order_id = (
            self._rng.randrange(TRADERS),
            self._rng.choice((BUY, SELL)),
            f"l{self._seed}-{number}",
        )
        self._quotes.append((trader, client_order_id, side))
        return order(
            trader, side, self._quote_price(side), self._rng.randint(1, 9), client_order_id
        )

    def _quote_price(self, side: int) -> int:
        return self._price - side * (1 + int(self._rng.expovariate(0.15)))

    def _some_quote(self) -> tuple[int, str, int]:
        """One of the newest quotes, moved to the end."""
        quotes = self._quotes
        chosen = self._rng.randrange(max(0, len(quotes) - RECENT_QUOTES), len(quotes))
        quotes[chosen], quotes[-1] = quotes[-1], quotes[chosen]
        return quotes[-1]


def order(
    trader: int, side: int, price: int, qty: int, client_order_id: str, **more: str
) -> bytes:
    """A limit order; `price` in ticks."""
    return _text(
        type="order",
        trader_id=f"t{trader}",
        side="buy" if side == BUY else "sell",
        order_type="limit",
        price=price / 100,
        qty=qty,
        client_order_id=client_order_id,
        **more,
    )


def _text(**message: object) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


FLOWS: dict[str, Flow] = {"bar": bar, "rest": rest, "cross": cross, "life": life}
