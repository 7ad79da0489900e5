"""On which terms an instrument is traded, as far as they are known, and what trades in it may have cost.

Who was maker and who taker stands in no file. But within one command a trader is one or the other, and each trade has one of
both, so few sums are possible. Without rates, one trade that cost neither side anything proves that there are no trading fees.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from botpit.runs.audit.holdings import ZERO, Fill
from botpit.runs.audit.rows import Trade, Wrong

BPS_DECIMALS = 4
FINEST_TICK = Decimal("1e-8")
"""Of an instrument whose tick is not known."""


def fee(value: Decimal, rate_bps: int, decimals: int) -> Decimal:
    """The fee on a notional, rounded up to a money of so many decimals."""
    if not rate_bps:
        return ZERO
    return (value * rate_bps).scaleb(decimals - BPS_DECIMALS).to_integral_value(ROUND_CEILING).scaleb(-decimals)


class Charge(NamedTuple):
    """What some fees may add up to: the one or the other or, when `between` them, anything from the one to the other."""

    one: Decimal = ZERO
    other: Decimal = ZERO
    between: bool = False

    def admits(self, paid: Decimal) -> bool:
        return self.one <= paid <= self.other if self.between else paid in (self.one, self.other)


class Rates(NamedTuple):
    """Fees in basis points of the notional; negative: a rebate. `liquidation_bps` None: any, but no rebate."""

    maker_bps: int
    taker_bps: int
    liquidation_bps: int | None

    def in_one_command(self, values: list[Decimal], decimals: int) -> Charge:
        """All as maker or all as taker."""
        maker, taker = (sum((fee(value, bps, decimals) for value in values), ZERO) for bps in self[:2])
        return Charge(maker, taker)

    def mixed(self, values: list[Decimal], decimals: int) -> Charge:
        """Each as maker or as taker."""
        sides = [(fee(value, self.maker_bps, decimals), fee(value, self.taker_bps, decimals)) for value in values]
        return Charge(sum(map(min, sides), ZERO), sum(map(max, sides), ZERO), True)

    def when_liquidated(self, values: list[Decimal], decimals: int) -> Charge:
        """Any of them may have been forced, with another fee, and the fees then capped by what is left."""
        least, most, _ = self.mixed(values, decimals)
        if self.liquidation_bps is None:
            return Charge(min(ZERO, least), Decimal("Infinity"), True)
        return Charge(min(ZERO, least), most + sum((fee(value, self.liquidation_bps, decimals) for value in values), ZERO), True)


PROVEN_FREE = Rates(0, 0, None)


@dataclass(slots=True)
class Terms:
    """One instrument. `tick` None: not known, any price will do. `lot`: what prices are multiplied by. `rates` None: not known.

    `settlement`: its last price, where that is known. `charged`: the first row that shows a fee while the rates are not known.
    """

    tick: Decimal | None = None
    lot: Decimal = Decimal(1)
    rates: Rates | None = None
    settlement: Decimal | None = None
    charged: Wrong | None = None

    def charge(self, fills: Iterable[Fill], decimals: int, *, in_one_command: bool, is_liquidated: bool) -> Charge | None:
        """What the trades among the fills cost their trader; None: nobody knows."""
        values = [fill.value for fill in fills if isinstance(fill.row, Trade)]
        if not values:
            return Charge()
        if self.rates is None:
            return None
        if is_liquidated:
            return self.rates.when_liquidated(values, decimals)
        return self.rates.in_one_command(values, decimals) if in_one_command else self.rates.mixed(values, decimals)

    def fees(self, trade: Trade, decimals: int) -> tuple[Decimal, Decimal]:
        """The maker's and the taker's of one trade; the rates are known."""
        assert self.rates is not None, trade
        value = trade.qty * trade.price * self.lot
        return fee(value, self.rates.maker_bps, decimals), fee(value, self.rates.taker_bps, decimals)

    def cost_nothing(self, fills: Iterable[Fill]) -> None:
        """These cost their trader nothing; once both sides of a trade say so, nobody pays. Raises Wrong if somebody did."""
        for fill in fills:
            if isinstance(fill.row, Trade):
                fill.row.free_sides += 1
                if fill.row.free_sides == 2:
                    self.rates = PROVEN_FREE
        if self.rates is not None and self.charged is not None:
            raise self.charged
