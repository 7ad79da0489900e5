"""The sniper."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from bot_strategies import Market, Strategy, Trade
from botpit.bots.strategies.quoting import SIDES, Lots, Ticks, best_to_take, room, sign, take
from message_schemas import SideWord


@dataclass(kw_only=True)
class Sniper(Strategy):
    """Lies in wait while others negotiate and takes the bargain: never quotes, trades at once or not at all.

    A bargain is a price better than each of the last `memory` trades; or, once the spread is down to
    `narrow_ticks` and somebody is about to agree, one that is `edge_ticks` better than their mean.

    Source: Kaplan's program, in Rust, Miller and Palmer, Characterizing effective trading strategies (1994).
    """

    memory: Annotated[int, Meta(ge=2, le=10_000)] = 20
    edge_ticks: Ticks = 2
    narrow_ticks: Ticks = 4
    size: Lots = 3
    max_position: Lots = 30
    _prices: deque[float] = field(init=False)

    def __post_init__(self) -> None:
        self._prices = deque(maxlen=self.memory)

    def on_start(self, market: Market) -> None:
        self._prices.clear()

    def on_trade(self, market: Market, trade: Trade) -> None:
        self._prices.append(trade.price)

    def on_book(self, market: Market) -> None:
        if market.orders or len(self._prices) < self.memory:
            return
        for side in SIDES:
            price = best_to_take(market, side)
            if price is not None and self._is_bargain(market, side, price):
                take(market, side, min(self.size, room(market, side, self.max_position)))
                return

    def _is_bargain(self, market: Market, side: SideWord, price: float) -> bool:
        cost, tick = sign(side) * price, market.instrument.tick
        costs = [sign(side) * each for each in self._prices]
        bid, ask = market.book.best_bid, market.book.best_ask
        narrow = (
            bid is not None and ask is not None and ask - bid < (self.narrow_ticks + 0.5) * tick
        )
        edge_ticks = round((sum(costs) / len(costs) - cost) / tick, 6)
        return cost < min(costs) or (narrow and edge_ticks >= self.edge_ticks)
