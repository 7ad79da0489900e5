"""One change of an account's cash: whether a row explains it, and the words when none does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from botpit.runs.audit.fees import Charge
from botpit.runs.audit.holdings import Fill
from botpit.runs.audit.rows import BANKRUPTCY, AccountRow, Forced, Trade, Wrong, plain


@dataclass(slots=True)
class Change:
    """What a step, or a whole millisecond, did to an account's cash. One of the `rows` shows the cash
    afterwards.

    `charge` is what fees may have taken, None if that is unknown. `is_liquidated`: there may be more than
    trading fees.
    """

    rows: list[AccountRow]
    gain: Decimal
    fills: list[Fill]
    charge: Charge | None
    is_liquidated: bool

    @property
    def is_bankruptcy(self) -> bool:
        return any(
            isinstance(fill.row, Forced) and fill.row.reason == BANKRUPTCY
            for fill in self.fills
        )

    def admits(self, free: Decimal, row: AccountRow) -> bool:
        """Whether the row's cash is possible; `free` is the cash without fees.

        A negative account ends with 0.
        """
        if self.is_bankruptcy:
            return row.cash == 0
        charge = self.charge
        assert charge is not None, row
        is_wiped_out = row.cash == 0 == row.position and free < max(charge.one, charge.other)
        return is_wiped_out or charge.admits(free - row.cash)

    def wrong(self, before: Decimal) -> Wrong:
        """The last row does not follow from the cash before."""
        row = self.rows[-1]
        expected = self._expected(before + self.gain)
        why = f"{plain(before)} before, {plain(self.gain)} realised, {self._fee_words()}"
        return Wrong(
            row.place, f"{row.trader}'s cash should be {expected} ({why}), found {row.cash}"
        )

    def _expected(self, free: Decimal) -> str:
        """The possible amounts in words; `free` is the cash without fees."""
        if self.is_bankruptcy:
            return "0"
        charge = self.charge or Charge()
        ends = free - charge.other, free - charge.one
        return within(*ends) if charge.between else one_of(set(ends))

    def _fee_words(self) -> str:
        if self.charge is None:
            return "no fees known"
        if self.charge.one == self.charge.other == 0:
            return "no fees"
        trades = [fill.row.place for fill in self.fills if isinstance(fill.row, Trade)]
        return f"less the fees of {trades[-1]}"


def one_of(amounts: Iterable[Decimal]) -> str:
    """`10` or `10 or 12`."""
    return " or ".join(map(plain, sorted(amounts)))


def within(least: Decimal, most: Decimal) -> str:
    """`10`, `10 to 12` or `at most 12`."""
    if least == most:
        return plain(most)
    if least.is_infinite():
        return f"at most {plain(most)}"
    return f"{plain(least)} to {plain(most)}"
