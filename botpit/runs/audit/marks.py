"""Equity against cash and position: what `total_equity` implies about the mark price, which is in no file.

A flat account's equity is its cash. The equity of an account with a position in one instrument implies the
mark: a price on the tick, and the same in all rows of one moment of the market. A row without a trade is
there because the mark has moved.
"""

from __future__ import annotations

from decimal import Decimal

from botpit.runs.audit.fees import FINEST_TICK, Terms
from botpit.runs.audit.holdings import Step
from botpit.runs.audit.rows import AccountRow, Trade, Wrong, plain

MAX_ROUND = 500
"""Accounts that a round of mark-to-market reports at one mark (API_SPEC, Limits); others may see the next."""
Seen = tuple[str, Decimal]
"""The place of a row, and the mark that it implies."""


class Marks:
    """`flat` and `marked` count the rows judged by their cash and by their mark."""

    def __init__(self, terms: dict[str, Terms]) -> None:
        self.flat = self.marked = 0
        self._terms = terms
        self._last: dict[str, AccountRow | None] = {}
        self._at = -1
        self._round: dict[str, list[Seen]] = {}

    def leave(self, trader: str) -> None:
        """Skip rows of several instruments of an account at one time: their order is not known."""
        self._last[trader] = None

    def judge(self, step: Step, *, is_alone: bool) -> None:
        """Raises Wrong if the row's equity is impossible. `is_alone`: the account has no other position."""
        row = step.row
        if not step.fills and is_alone:
            self._check_news(row)
        self._last[row.trader] = row
        if is_alone and not row.position:
            self.flat += 1
            if row.equity != row.cash:
                text = f"total_equity of a flat account should be its cash {row.cash}, found {row.equity}"
                raise Wrong(row.place, text)
        elif is_alone:
            self.marked += 1
            self._compare(step, self._mark(step))

    def _check_news(self, row: AccountRow) -> None:
        """Without a trade, a position is reported at another mark, a flat account at another cash."""
        if row.trader not in self._last:
            raise _nothing_moved(row)
        last = self._last[row.trader]
        if last is None or last.symbol != row.symbol:
            return
        has_moved = row.cash != last.cash
        if row.position:
            has_moved = row.equity != last.equity
        if not has_moved:
            raise _nothing_moved(row)

    def _mark(self, step: Step) -> Decimal:
        """The mark at which the position is worth the difference between equity and cash."""
        row = step.row
        terms = self._terms[row.symbol]
        value = row.equity - row.cash + step.after.cost
        per_unit = row.position * terms.lot
        tick = terms.tick or FINEST_TICK
        if value % (per_unit * tick) or value / per_unit <= 0:
            position = f"{row.trader}'s {row.position} lots"
            worth = f"{position} are worth {plain(value)} by total_equity {row.equity}"
            text = f"expected a mark price above 0 on the tick {plain(tick)}, found none that gives it"
            raise Wrong(row.place, f"{worth}: {text}")
        return value / per_unit

    def _compare(self, step: Step, mark: Decimal) -> None:
        """Both sides of a trade have one mark; so has a round of mark-to-market, whose rows have no trade."""
        row = step.row
        for fill in step.fills:
            if isinstance(fill.row, Trade):
                fill.row.mark = fill.row.mark or (row.place, mark)
                _check_same(row, mark, fill.row.mark, f"of {fill.row.place}")
        if self._at != row.at:
            self._at = row.at
            self._round = {}
        together = self._round.setdefault(row.symbol, [])
        if not step.fills and len(together) < MAX_ROUND:
            together.append((row.place, mark))
            _check_same(row, mark, together[0], "of this time")


def _nothing_moved(row: AccountRow) -> Wrong:
    text = f"expected no row of {row.trader} here: it had no trade, and nothing else moved"
    return Wrong(row.place, text)


def _check_same(row: AccountRow, mark: Decimal, other: Seen, what: str) -> None:
    place, its_mark = other
    if mark != its_mark:
        text = f"by total_equity {row.equity} the mark {what} was {plain(mark)}"
        raise Wrong(row.place, f"{text}, by {place} it was {plain(its_mark)}")
