"""The load under which an exchange is killed: traders who trade with each other, each on a socket of its own.

Orders come in arrays or one frame after the other, without waiting; with them come cancels, replaces and
orders that are sent again. Some traders are logged in, the others use plain sessions and get answers only.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from contextlib import suppress
from typing import Any

from websockets.exceptions import ConnectionClosed

from proofs.harness.client_ledger import Message, Sent
from proofs.harness.session import Asked, Session

SYMBOLS = ("SIM", "ALT")
MARKET = """
[market]
starting_cash = 1000000000
max_requests_per_s = 1000000
max_cancels_per_s = 1000000
max_open_orders = 100000
maker_fee_bps = -1
taker_fee_bps = 3
[server]
slow_reader_bytes = 67108864
""" + "".join(f'[[instruments]]\nsymbol = "{symbol}"\n' for symbol in SYMBOLS)
KINDS: tuple[Message, ...] = (
    *({},) * 6,
    {"time_in_force": "ioc"},
    {"time_in_force": "ioc"},
    {"post_only": True},
    {"time_in_force": "fok"},
)
ORDERS_PER_FRAME = 8
CANCELS, REPLACES, RESENT, MARKET_ORDERS, ARRAYS = 0.2, 0.1, 0.02, 0.04, 0.5
"""So many for each order, and so many of the frames."""
RECENT = 40
"""Orders that may still be cancelled or replaced."""
MAX_UNANSWERED = 500
"""A trader waits with more until the exchange has caught up."""


class Trading:
    """One trader at work on one session."""

    def __init__(self, session: Session, rng: random.Random, orders_per_s: float) -> None:
        self._session = session
        self._account = session.account
        self._rng = rng
        self._orders_per_s = orders_per_s
        self._recent: deque[Sent] = deque(maxlen=RECENT)
        self.sent = 0

    async def trade(self) -> None:
        """Until the exchange is gone. Raises Difference."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self._rng.random() * ORDERS_PER_FRAME / self._orders_per_s
        with suppress(ConnectionClosed):
            while not await self._session.is_over_within(due_s - loop.time()):
                if len(self._session.unanswered) > MAX_UNANSWERED:
                    due_s = loop.time() + 0.01
                    continue
                orders = self._rng.randint(1, ORDERS_PER_FRAME)
                requests = [each for _ in range(orders) for each in self._requests()]
                await self._session.send(*requests, as_array=self._rng.random() < ARRAYS)
                self.sent += orders
                due_s += orders / self._orders_per_s
        await self._session.listening

    def _requests(self) -> list[Asked]:
        """An order, and what sometimes goes with one."""
        order = self._order()
        requests = [Asked(dict(order.request), order)]
        if self._recent and self._rng.random() < CANCELS:
            requests.append(self._cancel(self._rng.choice(self._recent)))
        if self._recent and self._rng.random() < REPLACES:
            requests.append(self._replace(self._rng.choice(self._recent)))
        if self._recent and self._rng.random() < RESENT:
            again = self._rng.choice(self._recent)
            requests.append(Asked(dict(again.request), again))
        self._recent.append(order)
        return requests

    def _order(self) -> Sent:
        request: dict[str, Any] = {
            "type": "order", "symbol": self._rng.choice(SYMBOLS), "side": self._rng.choice(("buy", "sell")),
            "qty": self._rng.randint(1, 9), "client_order_id": f"c-{len(self._account.orders)}",
        }  # fmt: skip
        if self._rng.random() < MARKET_ORDERS:
            request["order_type"] = "market"
        else:
            request |= {"price": self._price(), **self._rng.choice(KINDS)}
        order = self._account.orders[request["client_order_id"]] = Sent(
            self._account.trader, request
        )
        return order

    def _cancel(self, order: Sent) -> Asked:
        order.cancels += 1
        return Asked({"type": "cancel", "client_order_id": order.client_order_id}, order)

    def _replace(self, order: Sent) -> Asked:
        terms = {"price": self._price(), "qty": self._rng.randint(1, 12)}
        order.replaces[terms["price"], int(terms["qty"])] += 1
        return Asked(
            {"type": "replace", "client_order_id": order.client_order_id, **terms}, order
        )

    def _price(self) -> float:
        return round(100 + self._rng.randint(-3, 3) / 100, 2)
