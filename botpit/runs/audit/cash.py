"""Where every account's cash went: realised PnL in, fees out, and what liquidations move between accounts and insurance fund.

An account's cash is judged row by row; where what one millisecond brought it lies in several files, the order between these is
not known, and only the end of it is judged. All of a millisecond together must balance with the fund.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from botpit.runs.audit.fees import Charge, Terms
from botpit.runs.audit.holdings import ZERO, Fill, Step
from botpit.runs.audit.moment import Moment
from botpit.runs.audit.rows import BANKRUPTCY, Forced, Told, Trade, Wrong, plain


@dataclass(slots=True)
class Change:
    """What a step, or all that a millisecond brought, did to an account's cash. One of the rows `told` has the last word.

    `charge`: what fees may have taken; None: nobody knows. `is_liquidated`: there may be more than trading fees.
    """

    told: list[Told]
    gain: Decimal
    fills: list[Fill]
    charge: Charge | None
    is_liquidated: bool

    @property
    def is_bankruptcy(self) -> bool:
        return any(isinstance(fill.row, Forced) and fill.row.reason == BANKRUPTCY for fill in self.fills)


class Cash:
    """The cash of all accounts of a market and of its fund, as told and believed so far.

    `start`: what accounts may have begun with, None until the first is seen. `undecided`: rows whose cash could not be judged.
    `moments`: milliseconds with anything in them, `balanced`: those in which all accounts together were held against the fund.
    """

    def __init__(self, terms: dict[str, Terms]) -> None:
        self.start: frozenset[Decimal] | None = None
        self.fund: Decimal | None = None
        self.undecided = 0
        self.moments = self.balanced = 0
        self._terms = terms
        self._held: dict[str, Decimal | None] = {}
        self._paid: list[Decimal | None] = []
        self._early: list[Change] = []
        """First rows of accounts that could not be judged so far."""

    def held(self, trader: str) -> Decimal | None:
        """What he has by all rows so far; None: not known."""
        return self._held.get(trader)

    def follow(self, trader: str, instruments: Sequence[Sequence[Step]], decimals: int, *, is_liquidated: bool) -> None:
        """What a millisecond brought to an account, by instrument. Raises Wrong at the first row whose cash is not explained."""
        steps = [step for of_one in instruments for step in of_one]
        if _is_order_open(instruments):
            return self._take(trader, self._all_together(instruments, decimals, is_liquidated))
        for step in steps:
            terms = self._terms[step.told.symbol]
            charge = terms.charge(step.fills, decimals, in_one_command=True, is_liquidated=is_liquidated)
            change = Change([step.told], step.after.realized - step.before.realized, step.fills, charge, is_liquidated)
            self._take(trader, change)
            if charge is None and self._paid[-1] == 0 and not is_liquidated and not change.is_bankruptcy:
                self._cost_nothing(terms, change)

    def _all_together(self, instruments: Sequence[Sequence[Step]], decimals: int, is_liquidated: bool) -> Change:
        """One change, with one of the last rows at its end."""
        self.undecided += sum(map(len, instruments)) - 1
        every_fill: list[Fill] = []
        charge: Charge | None = Charge(between=True)
        for steps in instruments:
            fills = [fill for step in steps for fill in step.fills]
            terms = self._terms[steps[0].told.symbol]
            more = terms.charge(fills, decimals, in_one_command=False, is_liquidated=is_liquidated)
            charge = None if charge is None or more is None else Charge(charge.one + more.one, charge.other + more.other, True)
            every_fill += fills
        gain = sum((steps[-1].after.realized - steps[0].before.realized for steps in instruments), ZERO)
        return Change([steps[-1].told for steps in instruments], gain, every_fill, charge, is_liquidated)

    def _cost_nothing(self, terms: Terms, change: Change) -> None:
        """That may prove that nobody pays; then what was left open until now can be judged."""
        terms.cost_nothing(change.fills)
        if terms.rates is not None:
            early, self._early = self._early, []
            for each in early:
                if self._terms[each.told[0].symbol].rates is None:
                    self._early.append(each)
                else:
                    each.charge = Charge()
                    self.undecided -= 1
                    self._narrow_start(each)

    # ----------------------------------------------------------------------------------------------------------- one change

    def _take(self, trader: str, change: Change) -> None:
        """Believe what is told, or raise Wrong. What an account had before may not be known; then anything is believed."""
        before = self._held[trader] if trader in self._held else self._start_of(change)
        after = self._untested(change) if before is None else self._tested(before, change)
        self._held[trader] = after
        self._paid.append(None if before is None or after is None else before + change.gain - after)

    def _start_of(self, change: Change) -> Decimal | None:
        """What a new account began with, as far as the others and its own first row say."""
        if change.charge is None and len(change.told) == 1:
            self._early.append(change)
        if self.start is None or len(self.start) > 1:
            self._narrow_start(change)
        return next(iter(self.start)) if self.start is not None and len(self.start) == 1 else None

    def _narrow_start(self, change: Change) -> None:
        """All began with the same, and a first row leaves at most two possibilities."""
        charge, row = change.charge, change.told[0]
        if charge is None or charge.between:
            return
        began = {row.cash - change.gain + paid for paid in charge[:2]}
        if self.start is not None and not began & self.start:
            raise Wrong(row.place, f"{row.trader} began with {_or(began)}, by his cash here, and others with {_or(self.start)}")
        self.start = frozenset(began & (self.start or began))

    def _untested(self, change: Change) -> Decimal | None:
        self.undecided += 1
        told = {row.cash for row in change.told}
        return told.pop() if len(told) == 1 else None

    def _tested(self, before: Decimal, change: Change) -> Decimal | None:
        if change.charge is None and not change.is_bankruptcy:
            return self._tested_without_rates(before, change)
        possible = {row.cash for row in change.told if _is_possible(before + change.gain, row, change)}
        if not possible:
            raise _wrong(before, change)
        return possible.pop() if len(possible) == 1 else None

    def _tested_without_rates(self, before: Decimal, change: Change) -> Decimal | None:
        """Whatever is missing may be fees; that is remembered, in case it turns out that there are none."""
        row, is_one = change.told[0], len(change.told) == 1
        if is_one and row.cash == before + change.gain:
            return row.cash
        terms = self._terms[row.symbol]
        if is_one and not change.is_liquidated:
            terms.charged = terms.charged or _wrong(before, change)
        return self._untested(change)

    # ------------------------------------------------------------------------------------------------------- all accounts

    def balance(self, moment: Moment, liquidated: list[Fill], decimals: int) -> None:
        """What accounts paid in this millisecond is fees or in the fund. Raises Wrong if it is neither."""
        paid = [each for each in self._paid if each is not None]
        is_known = len(paid) == len(self._paid) and all(self._terms[trade.symbol].rates for trade in moment.trades)
        self._paid = []
        self.moments += 1
        self.balanced += is_known
        if is_known:
            due = sum((sum(self._terms[trade.symbol].fees(trade, decimals)) for trade in moment.trades), ZERO)
            least = sum(paid, ZERO) - due
            self._check_fund(moment, least, least + self._not_taken(liquidated, decimals))
        for row in moment.fund:
            if row.cash == self.fund:
                raise Wrong(row.place, f"another cash than the row before was expected, {row.cash} stands there again")
            self.fund = row.cash

    def _not_taken(self, liquidated: list[Fill], decimals: int) -> Decimal:
        """Trading fees that may have been capped because too little was left."""
        trades = [fill.row for fill in liquidated if isinstance(fill.row, Trade)]
        return sum((max(ZERO, self._terms[trade.symbol].fees(trade, decimals)[1]) for trade in trades), ZERO)

    def _check_fund(self, moment: Moment, least: Decimal, most: Decimal) -> None:
        """The fund moved by `least` to `most`, as the accounts' cash says."""
        if not moment.fund:
            if not least <= 0 <= most:
                place = moment.told[-1].place
                paid = f"accounts paid {plain(least)} more than fees here, by their cash"
                raise Wrong(place, f"{paid}: nothing was expected, as insurance.csv tells of nothing")
            return
        told = moment.fund[-1]
        before = self.fund if self.fund is not None else max(told.cash - least, ZERO)
        if not before + least <= told.cash <= before + most:
            raise Wrong(told.place, f"cash should be {_range(before + least, before + most)}, {told.cash} stands there")


def _is_order_open(instruments: Sequence[Sequence[Step]]) -> bool:
    """Whether a millisecond's fills lie in several files, and may have happened in another order than they were explained in."""
    fills = [fill for steps in instruments for step in steps for fill in step.fills]
    is_mixed = len({type(fill.row) for fill in fills}) > 1 and len(instruments[0]) > 1
    return bool(fills) and (len(instruments) > 1 or is_mixed)


def _is_possible(expected: Decimal, row: Told, change: Change) -> bool:
    """Whether cash may be what the row says; without fees it is `expected`. Who has less than nothing ends with exactly 0."""
    if change.is_bankruptcy:
        return row.cash == 0
    assert change.charge is not None, row
    return change.charge.admits(expected - row.cash) or (row.cash == 0 == row.position and expected < max(change.charge[:2]))


def _wrong(before: Decimal, change: Change) -> Wrong:
    row, charge = change.told[-1], change.charge or Charge()
    ends = before + change.gain - charge.other, before + change.gain - charge.one
    expected = _range(*ends) if charge.between else _or(set(ends))
    if change.is_bankruptcy:
        expected = "0"
    fees = "no fees known" if change.charge is None else "no fees"
    if any(charge[:2]):
        fees = f"less the fees of {[fill.row.place for fill in change.fills if isinstance(fill.row, Trade)][-1]}"
    why = f"{plain(before)} before, {plain(change.gain)} realised, {fees}"
    return Wrong(row.place, f"{row.trader}'s cash should be {expected} ({why}), {row.cash} stands there")


def _or(amounts: Iterable[Decimal]) -> str:
    return " or ".join(map(plain, sorted(amounts)))


def _range(least: Decimal, most: Decimal) -> str:
    if least == most or least.is_infinite():
        return f"{'at most ' if least != most else ''}{plain(most)}"
    return f"{plain(least)} to {plain(most)}"
