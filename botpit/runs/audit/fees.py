"""The terms on which an instrument is traded, as far as they are known, and what trades in it may have cost.

No file says who was maker and who was taker. But within one command a trader is one or the other, and each
trade has one of both, so few sums are possible. Without known rates, one trade that cost neither side
anything proves that there are no trading fees.
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
"""Assumed of an instrument whose tick is not known."""


def fee(value: Decimal, rate_bps: int, decimals: int) -> Decimal:
    """The fee on a notional, rounded up to `decimals`."""
    if not rate_bps:
        return ZERO
    exact = (value * rate_bps).scaleb(decimals - BPS_DECIMALS)
    return exact.to_integral_value(ROUND_CEILING).scaleb(-decimals)


def fees(values: Iterable[Decimal], rate_bps: int, decimals: int) -> Decimal:
    return sum((fee(value, rate_bps, decimals) for value in values), ZERO)


class Charge(NamedTuple):
    """What some fees may add up to: `one` or `other` or, if `between`, anything from `one` to `other`."""

    one: Decimal = ZERO
    other: Decimal = ZERO
    between: bool = False

    def admits(self, paid: Decimal) -> bool:
        if self.between:
            return self.one <= paid <= self.other
        return paid in (self.one, self.other)

    def or_more(self, more: Charge) -> Charge:
        """Anything that both together may add up to."""
        return Charge(self.one + more.one, self.other + more.other, between=True)


class Rates(NamedTuple):
    """Fees in basis points of the notional; a rebate is negative.

    `liquidation_bps` None: any fee, but no rebate.
    """

    maker_bps: int
    taker_bps: int
    liquidation_bps: int | None

    def in_one_command(self, values: list[Decimal], decimals: int) -> Charge:
        """All as maker or all as taker."""
        return Charge(
            fees(values, self.maker_bps, decimals), fees(values, self.taker_bps, decimals)
        )

    def mixed(self, values: list[Decimal], decimals: int) -> Charge:
        """Each as maker or as taker."""
        least = most = ZERO
        for value in values:
            sides = fee(value, self.maker_bps, decimals), fee(value, self.taker_bps, decimals)
            least += min(sides)
            most += max(sides)
        return Charge(least, most, between=True)

    def when_liquidated(self, values: list[Decimal], decimals: int) -> Charge:
        """Any of them may have been forced, with another fee, and fees are capped by the cash left."""
        least, most, _ = self.mixed(values, decimals)
        if self.liquidation_bps is None:
            most = Decimal("Infinity")
        else:
            most += fees(values, self.liquidation_bps, decimals)
        return Charge(min(ZERO, least), most, between=True)


PROVEN_FREE = Rates(0, 0, None)


@dataclass(slots=True)
class Terms:
    """One instrument. `tick` None: unknown, any price will do. `lot` multiplies prices. `rates` None:
    unknown.

    `settlement` is its last price, if known. `charged` is the first row that shows a fee while the rates are
    unknown.
    """

    tick: Decimal | None = None
    lot: Decimal = Decimal(1)
    rates: Rates | None = None
    settlement: Decimal | None = None
    charged: Wrong | None = None

    def charge(
        self, fills: Iterable[Fill], decimals: int, *, in_one_command: bool, is_liquidated: bool
    ) -> Charge | None:
        """What the trades among the fills cost their trader; None without known rates."""
        values = [fill.value for fill in fills if isinstance(fill.row, Trade)]
        if not values:
            return Charge()
        if self.rates is None:
            return None
        if is_liquidated:
            return self.rates.when_liquidated(values, decimals)
        if in_one_command:
            return self.rates.in_one_command(values, decimals)
        return self.rates.mixed(values, decimals)

    def fees(self, trade: Trade, decimals: int) -> tuple[Decimal, Decimal]:
        """The maker's and the taker's fee of one trade; the rates must be known."""
        assert self.rates is not None, trade
        value = trade.qty * trade.price * self.lot
        return fee(value, self.rates.maker_bps, decimals), fee(
            value, self.rates.taker_bps, decimals
        )

    def cost_nothing(self, fills: Iterable[Fill]) -> None:
        """Note that these cost their trader nothing.

        Raises Wrong if both sides of a trade were free and a row has a fee.
        """
        for fill in fills:
            if not isinstance(fill.row, Trade):
                continue
            fill.row.free_sides += 1
            if fill.row.free_sides == 2:
                self.rates = PROVEN_FREE
        if self.rates is not None and self.charged is not None:
            raise self.charged
