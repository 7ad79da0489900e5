"""What an account holds in one instrument at average cost, and which fills explain its rows.

Several things may happen to an account within one millisecond, and its rows lie in files of their own. So the
order of its fills is not written anywhere, and is worked out. What is known:

- Rows of one file, and fills of one file, are in order. The two files of fills (trades, and what was closed
  by force) say nothing of each other.
- A row of performance.csv comes after everything its command did and before what the next command does; the
  last row of a millisecond includes all of it.
- Fills are made in whole: a row lies between two of them, never within one.

A *part* is one millisecond of an account in an instrument. A *path* takes some of its trades and some of its
other fills, each in the order of its file, and so comes to a holding. The rows are explained if there is one
path that passes through a holding of each row, in order, and ends with all fills taken. `explain` keeps, row
after row, every path that leads there (`ends`), because two of them may agree on lots and PnL now and part
later; among paths that took as many fills from each file and realised the same, one stands for all, which
keeps the search small. The search is bounded by MAX_PATHS.

A row that no path reaches is Contradicted: it is compared with what the fills come to. A fill that is left
when all rows are explained is Unreported. Money is exact (Decimal); a released cost is rounded down to the
market's decimals, as the exchange does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from botpit.runs.audit.rows import DELEVERAGED, AccountRow, Forced, Trade, Wrong, plain

ZERO = Decimal(0)
MAX_PATHS = 200_000
"""Paths tried to explain one row; no real market fills an account so often within a millisecond."""


class Contradicted(Wrong):
    """A row that no path through the fills leads to."""


class Unreported(Wrong):
    """A fill that no row of its account includes."""


@dataclass(frozen=True, slots=True)
class Fill:
    """`qty` lots bought (`sign` +1) or sold; `lot_price` is money for one lot.

    A settlement's `row` is the account's.
    """

    sign: int
    qty: int
    lot_price: Decimal
    row: Trade | Forced | AccountRow

    @property
    def value(self) -> Decimal:
        return self.qty * self.lot_price


class Holding(NamedTuple):
    """Lots and their cost are signed; `realized` is all PnL since the market began."""

    lots: int = 0
    cost: Decimal = ZERO
    realized: Decimal = ZERO

    def after(self, fill: Fill, decimals: int) -> Holding:
        """Close lots at average cost first, then open the rest.

        What changed hands is either held or realised.
        """
        closing = min(fill.qty, max(0, -fill.sign * self.lots))
        opening = fill.qty - closing
        cost = (
            self.cost - self._released(closing, decimals) + fill.sign * opening * fill.lot_price
        )
        realized = self.realized + cost - self.cost - fill.sign * fill.value
        return Holding(self.lots + fill.sign * fill.qty, cost, realized)

    def _released(self, closing: int, decimals: int) -> Decimal:
        """The closed lots' share of the cost, rounded down to `decimals`; a full close releases all of it."""
        if closing == 0:
            return ZERO
        if closing == abs(self.lots):
            return self.cost
        share = (abs(self.cost) * closing).scaleb(decimals) // abs(self.lots)
        return share.scaleb(-decimals).copy_sign(self.lots)


@dataclass(slots=True)
class Part:
    """One millisecond of one account in one instrument, each list in the order of its file.

    `others` are fills that are not in trades.csv: forced ones, and the settlement's last.
    """

    trader: str
    symbol: str
    traded: list[Fill] = field(default_factory=list)
    others: list[Fill] = field(default_factory=list)
    rows: list[AccountRow] = field(default_factory=list)

    def fills(self) -> list[Fill]:
        return self.traded + self.others


@dataclass(slots=True)
class Step:
    """One row of an account, and the fills between it and the row before."""

    row: AccountRow
    before: Holding
    after: Holding
    fills: list[Fill]


@dataclass(slots=True)
class _Path:
    """A path through so many `trades` and `others` of a part; `last` is the same path without its `fill`."""

    trades: int
    others: int
    holding: Holding
    last: _Path | None = None
    fill: Fill | None = None

    def leads_to(self, row: AccountRow) -> bool:
        return self.holding.lots == row.position and self.holding.realized == row.realized


def explain(part: Part, start: Holding, decimals: int) -> list[Step]:
    """A step for each row.

    Raises Contradicted at the first row without a path, Unreported at a fill left over.
    """
    ends = [_Path(0, 0, start)]
    stops = [ends]
    for row in part.rows:
        reached = list(_paths(ends, part, decimals, row))
        ends = [path for path in reached if path.leads_to(row)]
        if not ends:
            raise _contradicted(row, part, [path.holding for path in reached])
        stops.append(ends)
    for path in ends:
        if path.trades == len(part.traded) and path.others == len(part.others):
            return _steps(part.rows, path, stops)
    raise _unreported(part, ends[0])


def _paths(
    starts: Sequence[_Path], part: Part, decimals: int, row: AccountRow
) -> Iterator[_Path]:
    """Every path that continues one of the starts, the shortest first."""
    waiting, seen = deque(starts), set()
    while waiting:
        path = waiting.popleft()
        key = path.trades, path.others, path.holding.realized
        if key in seen:
            continue
        seen.add(key)
        if len(seen) > MAX_PATHS:
            text = f"more than {MAX_PATHS:,} paths lead to this row: too much happens within one millisecond"
            raise Wrong(row.place, text)
        yield path
        waiting += _longer(path, part, decimals)


def _longer(path: _Path, part: Part, decimals: int) -> Iterator[_Path]:
    """One fill further. A bankrupt account trades no more, and nobody trades after the settlement."""
    trades_left = path.trades < len(part.traded)
    if trades_left:
        fill = part.traded[path.trades]
        yield _Path(
            path.trades + 1, path.others, path.holding.after(fill, decimals), path, fill
        )
    if path.others < len(part.others):
        fill = part.others[path.others]
        if not trades_left or _is_deleveraging(fill):
            yield _Path(
                path.trades, path.others + 1, path.holding.after(fill, decimals), path, fill
            )


def _is_deleveraging(fill: Fill) -> bool:
    return isinstance(fill.row, Forced) and fill.row.reason == DELEVERAGED


def _steps(
    rows: Sequence[AccountRow], end: _Path, stops: Sequence[Sequence[_Path]]
) -> list[Step]:
    """The path's fills, cut at the rows: walked from its end, so from the last row to the first."""
    steps: list[Step] = []
    for row, starts in zip(reversed(rows), reversed(stops[:-1]), strict=True):
        possible = {id(path) for path in starts}
        after = end.holding
        fills = []
        while id(end) not in possible:
            assert end.last is not None and end.fill is not None, row
            fills.append(end.fill)
            end = end.last
        steps.append(Step(row, end.holding, after, fills[::-1]))
    return steps[::-1]


def _contradicted(row: AccountRow, part: Part, reached: Sequence[Holding]) -> Contradicted:
    """Compare the last row of a time with all of it; any other with the last holding of the same lots."""
    expected = reached[-1]
    if row is not part.rows[-1]:
        same_lots = [holding for holding in reached if holding.lots == row.position]
        expected = (same_lots or reached)[-1]
    since = _since(part.fills())
    if expected.lots != row.position:
        text = f"position {since} should be {expected.lots}, found {row.position}"
    else:
        text = (
            f"realized_pnl {since} should be {plain(expected.realized)}, found {row.realized}"
        )
    return Contradicted(row.place, f"{row.trader}'s {text}")


def _since(fills: Sequence[Fill]) -> str:
    if not fills:
        return "with nothing traded at this time"
    last = fills[-1]
    if isinstance(last.row, AccountRow):
        return f"after a settlement at {plain(last.lot_price)}"
    return f"after {last.row.place}"


def _unreported(part: Part, path: _Path) -> Unreported:
    left = part.traded[path.trades :] or part.others[path.others :]
    fill = left[0]
    lots = f"{fill.sign * fill.qty:+} lots"
    text = f"no row of performance.csv at {fill.row.at} includes {part.trader}'s {lots} here"
    return Unreported(fill.row.place, text)
