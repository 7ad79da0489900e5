"""Equity against cash and position: what `total_equity` says about the mark price, which no file tells.

A flat account's equity is its cash. That of an account with a position in one instrument says what the mark is: a price on the
tick, and the same by all rows that one moment of the market has told. A row without a trade is there because the mark has moved.
"""

from __future__ import annotations

from decimal import Decimal

from botpit.runs.audit.fees import FINEST_TICK, Terms
from botpit.runs.audit.holdings import Step
from botpit.runs.audit.rows import Told, Trade, Wrong, plain

MAX_ROUND = 500
"""So many accounts a round of mark-to-market tells at one mark (API_SPEC, Limits); the rest of them may come at the next."""
Seen = tuple[str, Decimal]
"""By which row a mark was told, and the mark."""


class Marks:
    """`flat` and `marked`: rows judged in the one and in the other way."""

    def __init__(self, terms: dict[str, Terms]) -> None:
        self.flat = self.marked = 0
        self._terms = terms
        self._last: dict[str, Told | None] = {}
        self._at = -1
        self._round: dict[str, list[Seen]] = {}

    def leave(self, trader: str) -> None:
        """Several instruments of this account were told at once, nobody knows in which order."""
        self._last[trader] = None

    def judge(self, step: Step, *, is_alone: bool) -> None:
        """Raises Wrong if the row's equity cannot be. `is_alone`: the account has no position in another instrument."""
        told = step.told
        if not step.fills and is_alone:
            self._check_news(told)
        self._last[told.trader] = told
        if is_alone and not told.position:
            self.flat += 1
            if told.equity != told.cash:
                text = f"total_equity of a flat account should be its cash {told.cash}, {told.equity} stands there"
                raise Wrong(told.place, text)
        elif is_alone:
            self.marked += 1
            self._compare(step, self._mark(step))

    def _check_news(self, told: Told) -> None:
        """Without a trade a position is told at another mark, and no position only when the account lost what it had."""
        last = self._last.get(told.trader)
        if last is None and told.trader in self._last:
            return
        is_news = last is not None and (told.equity != last.equity if told.position else told.cash != last.cash)
        if not is_news and (last is None or last.symbol == told.symbol):
            raise Wrong(told.place, f"no row of {told.trader} was expected here: no trade, and nothing else that moved")

    def _mark(self, step: Step) -> Decimal:
        """The mark at which the position is worth what equity has more than cash."""
        told, terms = step.told, self._terms[step.told.symbol]
        value, per_unit = told.equity - told.cash + step.after.cost, told.position * terms.lot
        tick = terms.tick or FINEST_TICK
        if value % (per_unit * tick) or value / per_unit <= 0:
            what = f"{told.trader}'s {told.position} lots are worth {plain(value)} by total_equity {told.equity}"
            raise Wrong(told.place, f"{what}: a mark price above 0 on the tick {plain(tick)} was expected, that gives none")
        return value / per_unit

    def _compare(self, step: Step, mark: Decimal) -> None:
        """Both sides of a trade are told at one mark, and so is a round of mark-to-market, which tells what has no trade."""
        told = step.told
        for fill in step.fills:
            if isinstance(fill.row, Trade):
                fill.row.mark = fill.row.mark or (told.place, mark)
                _check_same(told, mark, fill.row.mark, f"of {fill.row.place}")
        if self._at != told.at:
            self._at, self._round = told.at, {}
        together = self._round.setdefault(told.symbol, [])
        if not step.fills and len(together) < MAX_ROUND:
            together.append((told.place, mark))
            _check_same(told, mark, together[0], "of this time")


def _check_same(told: Told, mark: Decimal, other: Seen, what: str) -> None:
    if mark != other[1]:
        text = f"by total_equity {told.equity} the mark {what} was {plain(mark)}"
        raise Wrong(told.place, f"{text}, by {other[0]} it was {plain(other[1])}")
