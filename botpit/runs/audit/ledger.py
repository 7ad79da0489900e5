"""A whole market worked out again from its rows, one millisecond after the other, by the published rules.

What is kept is one holding per account and instrument and a few sums: a day of millions of rows takes no more memory than its
traders do. The first contradiction ends it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow, localcontext

from botpit.runs.audit.cash import Cash
from botpit.runs.audit.fees import Terms
from botpit.runs.audit.holdings import Contradicted, Holding, Part, Step, Untold, explain
from botpit.runs.audit.marks import Marks
from botpit.runs.audit.moment import Key, Moment, liquidated, moments, parts_of
from botpit.runs.audit.rows import DELEVERAGED, Sheet, Told, Trade, Wrong
from botpit.runs.audit.settlement import NOTHING, Settlements

EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, Overflow])
"""Nothing is ever rounded but where the rules say so."""
MAX_TRADERS = 1_000_000
MAX_MONEY_DECIMALS = 8


@dataclass(slots=True)
class Totals:
    """What one trader did in all instruments; `told` is his last row."""

    told: Told | None = None
    trades: int = 0
    volume: int = 0
    liquidations: int = 0
    deleveragings: int = 0


class Ledger:
    """`terms` has every instrument of the market, `amounts` some of its money. `rows`: how many, by kind; `volume` in lots."""

    def __init__(self, terms: dict[str, Terms], amounts: Iterable[Decimal] = ()) -> None:
        self.terms = terms
        self.cash = Cash(terms)
        self.marks = Marks(terms)
        self.settlements = Settlements(terms)
        self.holdings: dict[Key, Holding] = {}
        self.traders: dict[str, Totals] = {}
        self.rows: Counter[str] = Counter()
        self.volume = 0
        self.last_trade: Trade | None = None
        self._decimals = 0
        self._note_decimals(amounts)

    def read(self, sheets: Iterable[Sheet]) -> None:
        """All of the market. Raises Wrong at the first thing that is not as it should be."""
        with localcontext(EXACT):
            for moment in moments(sheets):
                try:
                    self._take(moment)
                except DecimalException as error:
                    row = [*moment.told, *moment.trades, *moment.forced, *moment.fund][0]
                    raise Wrong(row.place, f"the numbers at {row.at} are too large, or too fine, to be money") from error

    def position(self, trader: str, symbol: str) -> int:
        return self.holdings.get((trader, symbol), NOTHING).lots

    def _take(self, moment: Moment) -> None:
        self._note_decimals(self._amounts(moment))
        self._count(moment)
        parts = parts_of(moment, self.terms)
        closed = liquidated(moment, parts)
        self.settlements.complete(parts, self.holdings, self._decimals)
        listed = {trader for trader, _ in closed}
        for trader, instruments in self._explained(moment, parts).items():
            self.cash.follow(trader, instruments, self._decimals, is_liquidated=trader in listed)
            self._judge_equity(trader, instruments)
        self.cash.balance(moment, [fill for fills in closed.values() for fill in fills], self._decimals)

    def _amounts(self, moment: Moment) -> Iterator[Decimal]:
        for told in moment.told:
            yield from (told.cash, told.realized, told.equity)
        for trade in moment.trades:
            yield trade.price * self.terms[trade.symbol].lot
        for row in moment.forced:
            yield row.price * self.terms[row.symbol].lot

    def _note_decimals(self, amounts: Iterable[Decimal]) -> None:
        """Money is rounded to the finest that was seen of it so far: what is finer has never been told. (Or is no money.)"""
        for amount in amounts:
            enough = (decimals for decimals in range(self._decimals, MAX_MONEY_DECIMALS + 1) if not amount.scaleb(decimals) % 1)
            self._decimals = next(enough, self._decimals)

    def _explained(self, moment: Moment, parts: dict[Key, Part]) -> dict[str, list[list[Step]]]:
        """Every told row's step, by trader and instrument. Raises Wrong where the most points to."""
        found: dict[str, list[list[Step]]] = {}
        faults: dict[Key, Contradicted | Untold] = {}
        for key, part in parts.items():
            try:
                steps = self._steps(part, self.holdings.get(key, NOTHING))
            except (Contradicted, Untold) as wrong:
                faults[key] = wrong
                continue
            self.holdings[key] = steps[-1].after
            found.setdefault(part.trader, []).append(steps)
        if faults:
            likely = _most_likely(moment, faults)
            if any(terms.tick is None for terms in self.terms.values()):
                likely.add_note("(a lot is taken to be 1, as no results tell how large it is)")
            raise likely
        return found

    def _steps(self, part: Part, start: Holding) -> list[Step]:
        """As money is known to be rounded; or finer, if only that explains what is told."""
        try:
            return explain(part, start, self._decimals)
        except Contradicted:
            for decimals in range(self._decimals + 1, MAX_MONEY_DECIMALS + 1):
                with suppress(Contradicted, Untold):
                    steps = explain(part, start, decimals)
                    self._decimals = decimals
                    return steps
            raise

    def _judge_equity(self, trader: str, instruments: list[list[Step]]) -> None:
        if len(instruments) > 1:
            return self.marks.leave(trader)
        for step in instruments[0]:
            is_alone = not any(self.position(trader, other) for other in self.terms if other != step.told.symbol)
            self.marks.judge(step, is_alone=is_alone)

    # --------------------------------------------------------------------------------------------------------------- totals

    def _count(self, moment: Moment) -> None:
        self.rows.update(trades=len(moment.trades), told=len(moment.told), forced=len(moment.forced), fund=len(moment.fund))
        for trade in moment.trades:
            self.last_trade = trade
            self.volume += trade.qty
            for trader in (trade.buyer, trade.seller):
                totals = self._totals(trader, trade.place)
                totals.trades += 1
                totals.volume += trade.qty
        for row in moment.forced:
            totals = self._totals(row.trader, row.place)
            is_deleveraging = row.reason == DELEVERAGED
            totals.deleveragings += is_deleveraging
            totals.liquidations += not is_deleveraging
        for told in moment.told:
            self._totals(told.trader, told.place).told = told

    def _totals(self, trader: str, place: str) -> Totals:
        if trader not in self.traders:
            if len(self.traders) == MAX_TRADERS:
                raise Wrong(place, f"{trader} is trader number {MAX_TRADERS + 1:,}; no market has so many")
            self.traders[trader] = Totals()
        return self.traders[trader]


def _most_likely(moment: Moment, faults: dict[Key, Contradicted | Untold]) -> Wrong:
    """A trade that both its sides contradict; else what is wrong first, in the order of the trades."""
    for trade in moment.trades:
        sides = [faults.get((trader, trade.symbol)) for trader in (trade.buyer, trade.seller)]
        if all(isinstance(side, Contradicted) for side in sides):
            text = f"these {trade.qty} lots at {trade.price} explain neither side"
            return Wrong(trade.place, f"{text}: {sides[0]}; {sides[1]}")
    return next(iter(faults.values()))
