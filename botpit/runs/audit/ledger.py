"""A whole market recomputed from its rows, one millisecond after the other, by the published rules.

It keeps one holding per account and instrument and a few sums: a day of millions of rows takes no more memory
than its traders do. The first contradiction ends it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import (
    Context,
    Decimal,
    DecimalException,
    Inexact,
    InvalidOperation,
    Overflow,
    localcontext,
)

from botpit.runs.audit.cash import Cash
from botpit.runs.audit.fees import Terms
from botpit.runs.audit.holdings import Contradicted, Holding, Part, Step, Unreported, explain
from botpit.runs.audit.marks import Marks
from botpit.runs.audit.moment import Key, Moment, liquidated, moments, parts_of
from botpit.runs.audit.rows import DELEVERAGED, AccountRow, Sheet, Trade, Wrong
from botpit.runs.audit.settlement import FLAT, Settlements

EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, Overflow])
"""Nothing is rounded except where the rules do."""
MAX_TRADERS = 1_000_000
MAX_MONEY_DECIMALS = 8


@dataclass(slots=True)
class Totals:
    """What one trader did in all instruments; `last` is its last row."""

    last: AccountRow | None = None
    trades: int = 0
    volume: int = 0
    liquidations: int = 0
    deleveragings: int = 0


class Ledger:
    """The recomputed state of one market.

    `terms` has every instrument of the market, `amounts` some of its money. `rows` are counted by kind,
    `volume` is in lots.
    """

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
        """Read all of the market. Raises Wrong at the first contradiction."""
        with localcontext(EXACT):
            for moment in moments(sheets):
                try:
                    self._take(moment)
                except DecimalException as error:
                    row = moment.first_row
                    text = f"the numbers at {row.at} are too large, or too fine, to be money"
                    raise Wrong(row.place, text) from error

    def position(self, trader: str, symbol: str) -> int:
        return self.holdings.get((trader, symbol), FLAT).lots

    def _take(self, moment: Moment) -> None:
        self._note_decimals(self._amounts(moment))
        self._count(moment)
        parts = parts_of(moment, self.terms)
        closed = liquidated(moment, parts)
        self.settlements.complete(parts, self.holdings, self._decimals)
        closed_traders = {trader for trader, _ in closed}
        for trader, instruments in self._explained(moment, parts).items():
            self.cash.follow(
                trader, instruments, self._decimals, is_liquidated=trader in closed_traders
            )
            self._judge_equity(trader, instruments)
        closing_fills = [fill for fills in closed.values() for fill in fills]
        self.cash.balance(moment, closing_fills, self._decimals)

    def _amounts(self, moment: Moment) -> Iterator[Decimal]:
        for account in moment.accounts:
            yield from (account.cash, account.realized, account.equity)
        for trade in moment.trades:
            yield trade.price * self.terms[trade.symbol].lot
        for row in moment.forced:
            yield row.price * self.terms[row.symbol].lot

    def _note_decimals(self, amounts: Iterable[Decimal]) -> None:
        """Money is rounded to the finest amount seen so far; an amount finer than any money is left alone."""
        for amount in amounts:
            for decimals in range(self._decimals, MAX_MONEY_DECIMALS + 1):
                if amount.scaleb(decimals) % 1 == 0:
                    self._decimals = decimals
                    break

    def _explained(self, moment: Moment, parts: dict[Key, Part]) -> dict[str, list[list[Step]]]:
        """Every account row's step, by trader and instrument. Raises Wrong at the most likely culprit."""
        found: dict[str, list[list[Step]]] = {}
        faults: dict[Key, Contradicted | Unreported] = {}
        for key, part in parts.items():
            try:
                steps = self._steps(part, self.holdings.get(key, FLAT))
            except (Contradicted, Unreported) as wrong:
                faults[key] = wrong
                continue
            self.holdings[key] = steps[-1].after
            found.setdefault(part.trader, []).append(steps)
        if faults:
            likely = _most_likely(moment, faults)
            if any(terms.tick is None for terms in self.terms.values()):
                likely.add_note(
                    "(a lot is taken to be 1, as there are no results to take it from)"
                )
            raise likely
        return found

    def _steps(self, part: Part, start: Holding) -> list[Step]:
        """Explain the part with money as fine as seen so far, or finer if only that explains the rows."""
        try:
            return explain(part, start, self._decimals)
        except Contradicted:
            for decimals in range(self._decimals + 1, MAX_MONEY_DECIMALS + 1):
                with suppress(Contradicted, Unreported):
                    steps = explain(part, start, decimals)
                    self._decimals = decimals
                    return steps
            raise

    def _judge_equity(self, trader: str, instruments: list[list[Step]]) -> None:
        if len(instruments) > 1:
            self.marks.leave(trader)
            return
        for step in instruments[0]:
            others = [symbol for symbol in self.terms if symbol != step.row.symbol]
            has_others = any(self.position(trader, symbol) for symbol in others)
            self.marks.judge(step, is_alone=not has_others)

    # ------------------------------------------------------------------------------------------------- totals

    def _count(self, moment: Moment) -> None:
        self.rows["trades"] += len(moment.trades)
        self.rows["accounts"] += len(moment.accounts)
        self.rows["forced"] += len(moment.forced)
        self.rows["fund"] += len(moment.fund)
        for trade in moment.trades:
            self.last_trade = trade
            self.volume += trade.qty
            for trader in (trade.buyer, trade.seller):
                totals = self._totals(trader, trade.place)
                totals.trades += 1
                totals.volume += trade.qty
        for row in moment.forced:
            totals = self._totals(row.trader, row.place)
            if row.reason == DELEVERAGED:
                totals.deleveragings += 1
            else:
                totals.liquidations += 1
        for account in moment.accounts:
            self._totals(account.trader, account.place).last = account

    def _totals(self, trader: str, place: str) -> Totals:
        if trader not in self.traders:
            if len(self.traders) == MAX_TRADERS:
                raise Wrong(
                    place,
                    f"{trader} is trader number {MAX_TRADERS + 1:,}; no market has so many",
                )
            self.traders[trader] = Totals()
        return self.traders[trader]


def _most_likely(moment: Moment, faults: dict[Key, Contradicted | Unreported]) -> Wrong:
    """A trade that both its sides contradict; else the first fault, in the order of the trades."""
    for trade in moment.trades:
        buyer = faults.get((trade.buyer, trade.symbol))
        seller = faults.get((trade.seller, trade.symbol))
        if isinstance(buyer, Contradicted) and isinstance(seller, Contradicted):
            text = f"these {trade.qty} lots at {trade.price} explain neither side"
            return Wrong(trade.place, f"{text}: {buyer}; {seller}")
    return next(iter(faults.values()))
