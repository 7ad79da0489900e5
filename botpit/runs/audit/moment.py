"""One millisecond of a market: its rows from all files, and what they brought to each account.

Every row carries the time of the command that caused it, so what belongs together has one time, and at the end of a millisecond
all of it is told. That is the only order between the files.
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
    AnyRow,
    Forced,
    Fund,
    Sheet,
    Told,
    Trade,
    Wrong,
    rows,
)

MAX_ROWS = 1_000_000
"""A market that writes more rows within one millisecond is none."""
Key = tuple[str, str]
"""Trader, symbol."""


@dataclass(slots=True)
class Moment:
    """The rows of one time, each list in the order of its file."""

    at: int
    trades: list[Trade] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    forced: list[Forced] = field(default_factory=list)
    fund: list[Fund] = field(default_factory=list)

    def take(self, row: AnyRow) -> None:
        match row:
            case Trade():
                self.trades.append(row)
            case Told():
                self.told.append(row)
            case Forced():
                self.forced.append(row)
            case Fund():
                self.fund.append(row)


def moments(sheets: Iterable[Sheet]) -> Iterator[Moment]:
    """The rows of all sheets by time. Raises Wrong at a line that is no row."""
    by_time = attrgetter("at")
    merged: Iterator[AnyRow] = heapq.merge(*map(rows, sheets), key=by_time)
    for at, together in groupby(merged, key=by_time):
        moment = Moment(at)
        for number, row in enumerate(together):
            if number == MAX_ROWS:
                raise Wrong(row.place, f"more than {MAX_ROWS:,} rows have the timestamp {at}")
            moment.take(row)
        yield moment


def parts_of(moment: Moment, terms: dict[str, Terms]) -> dict[Key, Part]:
    """What the moment brought to each account, by instrument. Raises Wrong at a trade that cannot be."""
    parts: dict[Key, Part] = {}
    for trade in moment.trades:
        _check(trade, terms[trade.symbol])
        for trader, sign in ((trade.buyer, 1), (trade.seller, -1)):
            _part(parts, trader, trade.symbol).traded.append(_fill(trade, sign, terms))
    for row in _deleveragings(moment):
        _part(parts, row.trader, row.symbol).others.append(_fill(row, row.sign, terms))
    for told in moment.told:
        _part(parts, told.trader, told.symbol).told.append(told)
    return parts


def _check(trade: Trade, terms: Terms) -> None:
    if trade.buyer == trade.seller:
        raise Wrong(trade.place, f"two traders were expected, {trade.buyer} stands on both sides")
    if terms.tick is not None and trade.price % terms.tick:
        raise Wrong(trade.place, f"a price on the tick {terms.tick} was expected, {trade.price} stands there")


def _deleveragings(moment: Moment) -> Iterator[Forced]:
    """Forced fills that are no trades: each a row of the bankrupt, and next one of whoever had to take the other side."""
    waiting: dict[str, Forced] = {}
    for row in moment.forced:
        if row.reason == THROUGH_THE_BOOK:
            continue
        first = waiting.pop(row.symbol, None)
        if first is None:
            waiting[row.symbol] = row
        expected = BANKRUPTCY if first is None else DELEVERAGED
        if row.reason != expected or (first and (row.qty, row.price, row.sign) != (first.qty, first.price, -first.sign)):
            side = f" against {first.place}" if first else ""
            raise Wrong(row.place, f"{expected}{side} was expected, {row.trader}'s {row.reason} of {row.qty} lots stands there")
        yield row
    for row in waiting.values():
        raise Wrong(row.place, f"a row of {DELEVERAGED} was expected to follow {row.trader}'s {BANKRUPTCY}, there is none")


def _part(parts: dict[Key, Part], trader: str, symbol: str) -> Part:
    key = trader, symbol
    if key not in parts:
        parts[key] = Part(trader, symbol)
    return parts[key]


def _fill(row: Trade | Forced, sign: int, terms: dict[str, Terms]) -> Fill:
    return Fill(sign, row.qty, row.price * terms[row.symbol].lot, row)


def liquidated(moment: Moment, parts: dict[Key, Part]) -> dict[Key, list[Fill]]:
    """Who was liquidated through the book, and by which fills. Raises Wrong at a row of liquidations.csv that no trades bear."""
    found: dict[Key, list[Fill]] = {}
    used: dict[Key, int] = {}
    for row in moment.forced:
        if row.reason == THROUGH_THE_BOOK:
            key = row.trader, row.symbol
            traded = parts[key].traded if key in parts else []
            start, used[key] = _closing_fills(row, traded, used.get(key, 0))
            found.setdefault(key, []).extend(traded[start : used[key]])
    return found


def _closing_fills(row: Forced, traded: list[Fill], first: int) -> tuple[int, int]:
    """The trader's trades in a row, from `first` on, that add up to the liquidation's lots, the last of them at its price."""
    for end in range(first + 1, len(traded) + 1):
        lots, start = 0, end
        while start > first and lots < row.qty and traded[start - 1].sign == row.sign:
            start -= 1
            lots += traded[start].qty
        last = traded[end - 1].row
        if lots == row.qty and isinstance(last, Trade) and last.price == row.price:
            return start, end
    verb = "bought" if row.sign > 0 else "sold"
    raise Wrong(row.place, f"{row.trader} {verb} {row.qty} lots, the last at {row.price}: no trades of this time add up to that")
