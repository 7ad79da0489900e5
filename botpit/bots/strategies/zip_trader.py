"""Zero intelligence plus: the trader that learns its profit margin from what the others shout."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from bot_strategies import Market, Trade
from botpit.bots.strategies.customers import ServesCustomers
from botpit.bots.strategies.quoting import SIDES, Share, best_to_take, opposite, sign
from message_schemas import SideWord


@dataclass(kw_only=True)
class Zip(ServesCustomers):
    """Asks for a profit margin on its customer's limit; raises it when it sold too cheap, lowers it when
    others get the trade.

    A trade at a price no worse for itself than its own shows that it may ask for more; one on the other
    side's shout that it would have missed, or a better shout on its own side, that it must ask for less. The
    margin moves towards the price seen, a little beyond (up to `nudge` of it, by chance), at rate `learning`
    and with `momentum` (Widrow and Hoff's rule), and is never negative. Customers come and go as with `zic`.
    The first margin is drawn up to `margin`, a share of the limit.

    Source: Cliff, Minimal-intelligence agents for bargaining behaviors in market-based environments (1997).
    """

    margin: Annotated[float, Meta(ge=0, le=0.5)] = 0.004
    learning: Share = 0.3
    momentum: Share = 0.05
    nudge: Annotated[float, Meta(ge=0, le=0.1)] = 0.0002
    margins: dict[SideWord, float] = field(init=False, default_factory=dict)
    _push: float = field(init=False, default=0.0)
    _best_shout: float | None = field(init=False, default=None)

    def on_start(self, market: Market) -> None:
        super().on_start(market)
        self.margins = {side: self.rng.uniform(0, self.margin) for side in SIDES}

    def shout(self, market: Market) -> float:
        return self.price

    def on_trade(self, market: Market, trade: Trade) -> None:
        side, shouted_by = self.customer.side, opposite(trade.aggressor_side or "buy")
        missed_by = sign(side) * (trade.price - self.price)
        if missed_by <= 0:
            self._learn(trade.price, -sign(side))
        elif shouted_by != side:
            self._learn(trade.price, sign(side))

    def on_book(self, market: Market) -> None:
        """A better shout than one's own, on one's own side, that nobody has taken yet."""
        side = self.customer.side
        best = best_to_take(market, opposite(side))
        if (
            best is not None
            and best != self._best_shout
            and sign(side) * (best - self.price) > 0
        ):
            self._learn(best, sign(side))
        self._best_shout = best

    @property
    def price(self) -> float:
        """What it would shout now: the limit less the margin for a buyer, plus it for a seller."""
        side = self.customer.side
        return self.customer.limit * (1 - sign(side) * self.margins[side])

    def _learn(self, seen: float, direction: int) -> None:
        """Move the own price towards the one seen and a little beyond, up (+1) or down (-1)."""
        customer = self.customer
        target = seen * (1 + direction * self.rng.uniform(0, self.nudge))
        self._push = self.momentum * self._push + (1 - self.momentum) * self.learning * (
            target - self.price
        )
        wanted = (self.price + self._push) / customer.limit
        self.margins[customer.side] = max(0.0, sign(customer.side) * (1 - wanted))

    def welcome_next(self, market: Market) -> None:
        super().welcome_next(market)
        self._push, self._best_shout = 0.0, None
