"""What traders of the laboratory trade for: customers with a limit price (induced values)."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from bot_strategies import Fill, Market, Strategy
from botpit.bots.strategies.quoting import SIDES, Lots, Seconds, TicksAbove0, requote, sign
from message_schemas import SideWord

MS_PER_S = 1_000


@dataclass(frozen=True, slots=True)
class Customer:
    """Wants lots on one side until `until_ms`; at a price worse than `limit` each of them would lose."""

    side: SideWord
    limit: float
    until_ms: int


@dataclass(kw_only=True)
class ServesCustomers(Strategy):
    """A trader with `size` lots to trade for one customer at a time.

    The limit of each is drawn up to `range_ticks` around the instrument's reference price. Once served, or
    after `patience_s`, the customer goes and the next one comes.
    """

    rng: random.Random
    range_ticks: TicksAbove0 = 50
    patience_s: Seconds = 10
    size: Lots = 2
    max_position: Lots = 50
    _customer: Customer | None = field(init=False, default=None)

    @property
    def customer(self) -> Customer:
        assert self._customer is not None, "asked before on_start"
        return self._customer

    def on_start(self, market: Market) -> None:
        self.welcome_next(market)

    def on_fill(self, market: Market, fill: Fill) -> None:
        if fill.leaves_qty == 0 and fill.side == self.customer.side:
            self.welcome_next(market)

    def on_timer(self, market: Market) -> None:
        if market.timestamp >= self.customer.until_ms:
            self.welcome_next(market)
        requote(market, self.customer.side, self.size, self.shout(market))

    def shout(self, market: Market) -> float:
        """The price at which to stand now."""
        raise NotImplementedError

    def welcome_next(self, market: Market) -> None:
        """A buyer or seller by chance, or the one there is room for."""
        reach = self.range_ticks * market.instrument.tick
        drawn = market.instrument.reference_price + self.rng.uniform(-reach, reach)
        limit = max(drawn, market.instrument.min_price)
        until_ms = market.timestamp + int(self.patience_s * MS_PER_S)
        self._customer = Customer(
            self.rng.choice(self._sides_with_room(market)), limit, until_ms
        )

    def _sides_with_room(self, market: Market) -> list[SideWord]:
        lots = {side: self.max_position - sign(side) * market.position for side in SIDES}
        return [side for side in SIDES if lots[side] >= self.size] or [
            max(SIDES, key=lots.__getitem__)
        ]
