"""Two ways to work one large order off: by the clock (TWAP) and by what the others trade (POV)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from bot_strategies import Fill, Market, Strategy, Trade
from botpit.bots.strategies.quoting import Lots, Seconds, take
from message_schemas import SideWord

MS_PER_S = 1_000


@dataclass(kw_only=True)
class _Parent(Strategy):
    """An order of `qty` lots to be worked off: takes what is due by now, and the rest later."""

    side: SideWord = "buy"
    qty: Lots = 60
    _done: int = field(init=False, default=0)

    def on_start(self, market: Market) -> None:
        self._done = 0

    def on_fill(self, market: Market, fill: Fill) -> None:
        self._done += fill.qty if fill.side == self.side else 0

    def on_timer(self, market: Market) -> None:
        if not market.orders:
            take(market, self.side, min(self.due(market), self.qty) - self._done)

    def due(self, market: Market) -> int:
        """Lots that should have traded by now."""
        raise NotImplementedError


@dataclass(kw_only=True)
class Twap(_Parent):
    """Works one large order off in equal slices over equal times, to pay the time-weighted average price.

    With a price that wanders and an impact in proportion to the size, equal slices are the cheapest. What a
    slice could not get is due with the next decision. When all of `qty` has traded it rests.

    Source: Bertsimas and Lo, Optimal control of execution costs (1998).
    """

    duration_s: Seconds = 60
    slices: Annotated[int, Meta(ge=1, le=10_000)] = 20
    _began_ms: int = field(init=False, default=0)

    def on_start(self, market: Market) -> None:
        super().on_start(market)
        self._began_ms = market.timestamp

    def due(self, market: Market) -> int:
        elapsed_s = (market.timestamp - self._began_ms) / MS_PER_S
        begun = min(int(elapsed_s / self.duration_s * self.slices) + 1, self.slices)
        return self.qty * begun // self.slices


@dataclass(kw_only=True)
class Pov(_Parent):
    """Works one large order off as a fixed share of all that trades: slowly in a thin market, fast in a busy
    one.

    Of every volume V that others trade it adds V·share/(1-share), which makes its share of the whole. When
    all of `qty` has traded it rests.

    Source: Guéant, The financial mathematics of market liquidity (2016), on POV orders.
    """

    trader_id: str
    share: Annotated[float, Meta(ge=0.001, le=0.5)] = 0.1
    _others: int = field(init=False, default=0)

    def on_start(self, market: Market) -> None:
        super().on_start(market)
        self._others = 0

    def on_trade(self, market: Market, trade: Trade) -> None:
        if self.trader_id not in (trade.buy_trader_id, trade.sell_trader_id):
            self._others += trade.qty

    def due(self, market: Market) -> int:
        return int(self._others * self.share / (1 - self.share) + 1e-9)
