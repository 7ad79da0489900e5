"""One millisecond of a market: its rows from all files, and what they brought to each account.

Every row carries the time of the command that caused it. So the rows of one command share a time, and at the
end of a millisecond the rows are complete. That is the only order between the files.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from botpit.runs.audit.fees import Terms
from botpit.runs.audit.holdings import Fill, Part
from botpit.runs.audit.rows import (
    BANKRUPTCY,
    DELEVERAGED,
    THROUGH_THE_BOOK,
    AccountRow,
    AnyRow,
    Forced,
    Fund,
    Sheet,
    Trade,
    Wrong,
    rows,
)

MAX_ROWS = 1_000_000
"""No real market writes more rows within one millisecond."""
Key = tuple[str, str]
"""Trader, symbol."""


@dataclass(slots=True)
class Moment:
    """The rows of one time, each list in the order of its file."""

    at: int
    trades: list[Trade] = field(default_factory=list)
    accounts: list[AccountRow] = field(default_factory=list)
    forced: list[Forced] = field(default_factory=list)
    fund: list[Fund] = field(default_factory=list)

    def add(self, row: AnyRow) -> None:
        match row:
            case Trade():
                self.trades.append(row)
            case AccountRow():
                self.accounts.append(row)
            case Forced():
                self.forced.append(row)
            case Fund():
                self.fund.append(row)

    @property
    def first_row(self) -> AnyRow:
        rows: list[AnyRow] = [*self.accounts, *self.trades, *self.forced, *self.fund]
        return rows[0]


def moments(sheets: Iterable[Sheet]) -> Iterator[Moment]:
    """The rows of all sheets by time. Raises Wrong at a line that is no row."""
    by_time = attrgetter("at")
    merged: Iterator[AnyRow] = heapq.merge(*map(rows, sheets), key=by_time)
    for at, together in groupby(merged, key=by_time):
        moment = Moment(at)
        for number, row in enumerate(together):
            if number == MAX_ROWS:
                raise Wrong(row.place, f"more than {MAX_ROWS:,} rows have the timestamp {at}")
            moment.add(row)
        yield moment


def parts_of(moment: Moment, terms: dict[str, Terms]) -> dict[Key, Part]:
    """What the moment brought to each account, by instrument. Raises Wrong at an impossible trade."""
    parts: dict[Key, Part] = {}
    for trade in moment.trades:
        _check(trade, terms[trade.symbol])
        _part(parts, trade.buyer, trade.symbol).traded.append(_fill(trade, 1, terms))
        _part(parts, trade.seller, trade.symbol).traded.append(_fill(trade, -1, terms))
    for forced in _deleveragings(moment):
        _part(parts, forced.trader, forced.symbol).others.append(
            _fill(forced, forced.sign, terms)
        )
    for row in moment.accounts:
        _part(parts, row.trader, row.symbol).rows.append(row)
    return parts


def _check(trade: Trade, terms: Terms) -> None:
    if trade.buyer == trade.seller:
        raise Wrong(trade.place, f"expected two traders, found {trade.buyer} on both sides")
    if terms.tick is not None and trade.price % terms.tick:
        raise Wrong(
            trade.place, f"expected a price on the tick {terms.tick}, found {trade.price}"
        )


def _deleveragings(moment: Moment) -> Iterator[Forced]:
    """Forced fills that are no trades, in pairs: a bankrupt's row, then the other side's."""
    waiting: dict[str, Forced] = {}
    for row in moment.forced:
        if row.reason == THROUGH_THE_BOOK:
            continue
        bankrupt = waiting.pop(row.symbol, None)
        if bankrupt is None:
            waiting[row.symbol] = row
        _check_pair(bankrupt, row)
        yield row
    for row in waiting.values():
        text = f"expected a row of {DELEVERAGED} after {row.trader}'s {BANKRUPTCY}, found none"
        raise Wrong(row.place, text)


def _check_pair(bankrupt: Forced | None, row: Forced) -> None:
    if bankrupt is None:
        expected = BANKRUPTCY
        fits = row.reason == BANKRUPTCY
    else:
        expected = f"{DELEVERAGED} against {bankrupt.place}"
        mirrored = (row.qty, row.price, row.sign) == (
            bankrupt.qty,
            bankrupt.price,
            -bankrupt.sign,
        )
        fits = row.reason == DELEVERAGED and mirrored
    if not fits:
        found = f"{row.trader}'s {row.reason} of {row.qty} lots"
        raise Wrong(row.place, f"expected {expected}, found {found}")


def _part(parts: dict[Key, Part], trader: str, symbol: str) -> Part:
    key = trader, symbol
    if key not in parts:
        parts[key] = Part(trader, symbol)
    return parts[key]


def _fill(row: Trade | Forced, sign: int, terms: dict[str, Terms]) -> Fill:
    return Fill(sign, row.qty, row.price * terms[row.symbol].lot, row)


def liquidated(moment: Moment, parts: dict[Key, Part]) -> dict[Key, list[Fill]]:
    """The fills of each account liquidated through the book.

    Raises Wrong at a liquidation without its trades.
    """
    found: dict[Key, list[Fill]] = {}
    used: dict[Key, int] = {}
    for row in moment.forced:
        if row.reason != THROUGH_THE_BOOK:
            continue
        key = row.trader, row.symbol
        traded = parts[key].traded if key in parts else []
        start, end = _closing_fills(row, traded, used.get(key, 0))
        found.setdefault(key, []).extend(traded[start:end])
        used[key] = end
    return found


def _closing_fills(row: Forced, traded: list[Fill], first: int) -> tuple[int, int]:
    """The trader's consecutive trades, from `first` on, that add up to the row; the last has its price."""
    for end in range(first + 1, len(traded) + 1):
        lots, start = 0, end
        while start > first and lots < row.qty and traded[start - 1].sign == row.sign:
            start -= 1
            lots += traded[start].qty
        last = traded[end - 1].row
        if lots == row.qty and isinstance(last, Trade) and last.price == row.price:
            return start, end
    verb = "bought" if row.sign > 0 else "sold"
    what = f"{row.trader} {verb} {row.qty} lots, the last at {row.price}"
    raise Wrong(row.place, f"{what}: no trades of this time add up to that")
