"""Where every account's cash went: PnL in, fees out, and transfers between bankrupts and the fund.

An account's cash is judged row by row. Where several files hold what one millisecond did to an account, their
order is not known, and only the account's cash at the end is judged. All accounts of a millisecond together
must balance with the fund.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from botpit.runs.audit.change import Change, one_of, within
from botpit.runs.audit.fees import Charge, Terms
from botpit.runs.audit.holdings import ZERO, Fill, Step
from botpit.runs.audit.moment import Moment
from botpit.runs.audit.rows import Trade, Wrong, plain


class Cash:
    """The cash of all accounts of a market and of its fund, by all rows so far.

    `start` is what accounts may have begun with, None until the first is seen. `undecided` counts rows whose
    cash could not be judged, `moments` milliseconds with rows, `balanced` those in which the accounts were
    compared with the fund.
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
        """The account's cash by all rows so far; None if that is unknown."""
        return self._held.get(trader)

    def known_start(self) -> Decimal | None:
        """What every account began with; None while there are several possibilities, or none."""
        if self.start is None or len(self.start) != 1:
            return None
        return next(iter(self.start))

    def follow(
        self,
        trader: str,
        instruments: Sequence[Sequence[Step]],
        decimals: int,
        *,
        is_liquidated: bool,
    ) -> None:
        """One account's steps of a millisecond, by instrument.

        Raises Wrong at the first row with unexplained cash.
        """
        if _is_order_open(instruments):
            self._take(trader, self._all_together(instruments, decimals, is_liquidated))
            return
        for steps in instruments:
            for step in steps:
                self._follow_step(trader, step, decimals, is_liquidated)

    def _follow_step(self, trader: str, step: Step, decimals: int, is_liquidated: bool) -> None:
        terms = self._terms[step.row.symbol]
        charge = terms.charge(
            step.fills, decimals, in_one_command=True, is_liquidated=is_liquidated
        )
        gain = step.after.realized - step.before.realized
        change = Change([step.row], gain, step.fills, charge, is_liquidated)
        self._take(trader, change)
        was_free = self._paid[-1] == 0 and not is_liquidated and not change.is_bankruptcy
        if charge is None and was_free:
            self._cost_nothing(terms, change)

    def _all_together(
        self, instruments: Sequence[Sequence[Step]], decimals: int, is_liquidated: bool
    ) -> Change:
        """One change, with one of the last rows at its end."""
        self.undecided += sum(map(len, instruments)) - 1
        every_fill: list[Fill] = []
        gain = ZERO
        charge: Charge | None = Charge(between=True)
        for steps in instruments:
            fills = [fill for step in steps for fill in step.fills]
            terms = self._terms[steps[0].row.symbol]
            more = terms.charge(
                fills, decimals, in_one_command=False, is_liquidated=is_liquidated
            )
            charge = charge and more and charge.or_more(more)
            gain += steps[-1].after.realized - steps[0].before.realized
            every_fill += fills
        last_rows = [steps[-1].row for steps in instruments]
        return Change(last_rows, gain, every_fill, charge, is_liquidated)

    def _cost_nothing(self, terms: Terms, change: Change) -> None:
        """A free trade may prove that nobody pays fees; then earlier open rows can be judged."""
        terms.cost_nothing(change.fills)
        if terms.rates is None:
            return
        early = self._early
        self._early = []
        for each in early:
            if self._terms[each.rows[0].symbol].rates is None:
                self._early.append(each)
                continue
            each.charge = Charge()
            self.undecided -= 1
            self._narrow_start(each)

    # --------------------------------------------------------------------------------------------- one change

    def _take(self, trader: str, change: Change) -> None:
        """Accept the change, or raise Wrong. While the cash before is unknown, accept any cash after it."""
        before = self._held[trader] if trader in self._held else self._start_of(change)
        if before is None:
            self._held[trader] = self._untested(change)
            self._paid.append(None)
            return
        after = self._tested(before, change)
        self._held[trader] = after
        self._paid.append(None if after is None else before + change.gain - after)

    def _start_of(self, change: Change) -> Decimal | None:
        """What a new account began with, as far as the others and its own first row show it."""
        if change.charge is None and len(change.rows) == 1:
            self._early.append(change)
        if self.known_start() is None:
            self._narrow_start(change)
        return self.known_start()

    def _narrow_start(self, change: Change) -> None:
        """All accounts began with the same cash, and a first row leaves at most two possibilities."""
        row = change.rows[0]
        charge = change.charge
        if charge is None or charge.between:
            return
        began = frozenset(row.cash - change.gain + paid for paid in (charge.one, charge.other))
        if self.start is None:
            self.start = began
            return
        if not began & self.start:
            text = f"{row.trader} began with {one_of(began)}, by its cash here"
            raise Wrong(row.place, f"{text}, and others with {one_of(self.start)}")
        self.start &= began

    def _untested(self, change: Change) -> Decimal | None:
        self.undecided += 1
        return _the_only({row.cash for row in change.rows})

    def _tested(self, before: Decimal, change: Change) -> Decimal | None:
        if change.charge is None and not change.is_bankruptcy:
            return self._tested_without_rates(before, change)
        expected = before + change.gain
        possible = {row.cash for row in change.rows if change.admits(expected, row)}
        if not possible:
            raise change.wrong(before)
        return _the_only(possible)

    def _tested_without_rates(self, before: Decimal, change: Change) -> Decimal | None:
        """Missing cash may be fees; remember the row, in case it turns out that there are none."""
        if len(change.rows) > 1:
            return self._untested(change)
        row = change.rows[0]
        if row.cash == before + change.gain:
            return row.cash
        terms = self._terms[row.symbol]
        if not change.is_liquidated:
            terms.charged = terms.charged or change.wrong(before)
        return self._untested(change)

    # ------------------------------------------------------------------------------------------- all accounts

    def balance(self, moment: Moment, liquidated: list[Fill], decimals: int) -> None:
        """Whatever accounts paid in this millisecond is fees, or went to the fund.

        Raises Wrong if it is neither.
        """
        paid = [amount for amount in self._paid if amount is not None]
        rates_known = all(self._terms[trade.symbol].rates for trade in moment.trades)
        is_known = rates_known and len(paid) == len(self._paid)
        self._paid = []
        self.moments += 1
        self.balanced += is_known
        if is_known:
            least = sum(paid, ZERO) - self._fees(moment.trades, decimals)
            self._check_fund(moment, least, least + self._not_taken(liquidated, decimals))
        for row in moment.fund:
            if row.cash == self.fund:
                text = f"expected another cash than in the row before, found {row.cash} again"
                raise Wrong(row.place, text)
            self.fund = row.cash

    def _fees(self, trades: Iterable[Trade], decimals: int) -> Decimal:
        due = ZERO
        for trade in trades:
            maker, taker = self._terms[trade.symbol].fees(trade, decimals)
            due += maker + taker
        return due

    def _not_taken(self, liquidated: list[Fill], decimals: int) -> Decimal:
        """Trading fees that may have been capped because too little cash was left."""
        capped = ZERO
        for fill in liquidated:
            if isinstance(fill.row, Trade):
                _, taker = self._terms[fill.row.symbol].fees(fill.row, decimals)
                capped += max(ZERO, taker)
        return capped

    def _check_fund(self, moment: Moment, least: Decimal, most: Decimal) -> None:
        """By the accounts' cash, the fund's cash changed by `least` to `most`."""
        if not moment.fund:
            self._check_no_change(moment, least, most)
            return
        row = moment.fund[-1]
        before = self.fund
        if before is None:
            before = max(row.cash - least, ZERO)
        if not before + least <= row.cash <= before + most:
            expected = within(before + least, before + most)
            raise Wrong(row.place, f"cash should be {expected}, found {row.cash}")

    def _check_no_change(self, moment: Moment, least: Decimal, most: Decimal) -> None:
        if not least <= 0 <= most:
            paid = f"accounts paid {plain(least)} more than fees here, by their cash"
            text = f"{paid}: expected nothing, as insurance.csv has no row of this time"
            raise Wrong(moment.accounts[-1].place, text)


def _is_order_open(instruments: Sequence[Sequence[Step]]) -> bool:
    """Whether the fills of a millisecond lie in several files, so that their true order may be another."""
    fills = [fill for steps in instruments for step in steps for fill in step.fills]
    if not fills:
        return False
    if len(instruments) > 1:
        return True
    kinds = {type(fill.row) for fill in fills}
    return len(kinds) > 1 and len(instruments[0]) > 1


def _the_only(amounts: set[Decimal]) -> Decimal | None:
    """The amount, if there is just one."""
    if len(amounts) > 1:
        return None
    return next(iter(amounts))
