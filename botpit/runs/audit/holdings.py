"""What an account holds in one instrument at average cost, and which fills explain what was told of it.

Several things may happen to an account within one millisecond, and its rows lie in files of their own. What is known: each row
of performance.csv comes after all that its command did and before what the next one does, rows and fills of one file are in
order, and the last row of a millisecond tells all of it. So the rows are explained if there is a way through the fills that
passes each of them, and `explain` looks for one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from botpit.runs.audit.rows import DELEVERAGED, Forced, Told, Trade, Wrong, plain

ZERO = Decimal(0)
MAX_WAYS = 200_000
"""So many ways may be tried to explain one row; a market that fills an account so often within a millisecond is none."""


class Contradicted(Wrong):
    """A row that no way through the fills leads to."""


class Untold(Wrong):
    """A fill that no row tells of."""


@dataclass(frozen=True, slots=True)
class Fill:
    """`qty` lots bought (`sign` +1) or sold; `lot_price` is money for one lot. Of a settlement, the row that tells it."""

    sign: int
    qty: int
    lot_price: Decimal
    row: Trade | Forced | Told

    @property
    def value(self) -> Decimal:
        return self.qty * self.lot_price


class Holding(NamedTuple):
    """Lots and their cost are signed; `realized` is all PnL since the market began."""

    lots: int = 0
    cost: Decimal = ZERO
    realized: Decimal = ZERO

    def after(self, fill: Fill, decimals: int) -> Holding:
        """Lots are closed first, at average cost, then the rest is opened. What changed hands is either held or realised."""
        closing = min(fill.qty, max(0, -fill.sign * self.lots))
        cost = self.cost - self._released(closing, decimals) + fill.sign * (fill.qty - closing) * fill.lot_price
        return Holding(self.lots + fill.sign * fill.qty, cost, self.realized + cost - self.cost - fill.sign * fill.value)

    def _released(self, closing: int, decimals: int) -> Decimal:
        """The closed lots' share of the cost, rounded down to a money of so many decimals; on a full close all of it."""
        if closing in (0, abs(self.lots)):
            return self.cost if closing else ZERO
        share = (abs(self.cost) * closing).scaleb(decimals) // abs(self.lots)
        return share.scaleb(-decimals).copy_sign(self.lots)


@dataclass(slots=True)
class Part:
    """What one millisecond brought to one account in one instrument, each list in the order of its file.

    `others` are fills that are in no trades.csv: forced ones, and last the settlement's.
    """

    trader: str
    symbol: str
    traded: list[Fill] = field(default_factory=list)
    others: list[Fill] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)

    def fills(self) -> list[Fill]:
        return self.traded + self.others


@dataclass(slots=True)
class Step:
    """One told row, and the fills that lie between it and the one before."""

    told: Told
    before: Holding
    after: Holding
    fills: list[Fill]


@dataclass(slots=True)
class _Way:
    """A way through the first so many trades and other fills; `last` is the same without its last `fill`."""

    trades: int
    others: int
    holding: Holding
    last: _Way | None = None
    fill: Fill | None = None


def explain(part: Part, start: Holding, decimals: int) -> list[Step]:
    """A step for each told row. Raises Contradicted at the first row that no way leads to, else Untold at a fill that is left."""
    ends = [_Way(0, 0, start)]
    stops = [ends]
    for told in part.told:
        reached = list(_ways(ends, part, decimals, told))
        ends = [way for way in reached if way.holding.lots == told.position and way.holding.realized == told.realized]
        if not ends:
            raise _contradicted(told, part, [way.holding for way in reached])
        stops.append(ends)
    whole = [way for way in ends if (way.trades, way.others) == (len(part.traded), len(part.others))]
    if not whole:
        raise _untold(part, ends[0])
    return _steps(part.told, whole[0], stops)


def _ways(starts: Sequence[_Way], part: Part, decimals: int, told: Told) -> Iterator[_Way]:
    """Every way to go on from the starts, the shortest first."""
    waiting, seen = deque(starts), set()
    while waiting:
        way = waiting.popleft()
        key = way.trades, way.others, way.holding.realized
        if key not in seen:
            seen.add(key)
            yield way
            waiting += _longer(way, part, decimals)
        if len(seen) > MAX_WAYS:
            raise Wrong(told.place, f"more than {MAX_WAYS:,} ways lead to this row: too much happens within one millisecond")


def _longer(way: _Way, part: Part, decimals: int) -> Iterator[_Way]:
    """One fill further. Who is bankrupt trades no more, and nobody does after the settlement."""
    left = way.trades < len(part.traded)
    if left:
        fill = part.traded[way.trades]
        yield _Way(way.trades + 1, way.others, way.holding.after(fill, decimals), way, fill)
    if way.others < len(part.others):
        fill = part.others[way.others]
        if not left or (isinstance(fill.row, Forced) and fill.row.reason == DELEVERAGED):
            yield _Way(way.trades, way.others + 1, way.holding.after(fill, decimals), way, fill)


def _steps(told: Sequence[Told], end: _Way, stops: Sequence[Sequence[_Way]]) -> list[Step]:
    """The way's fills, cut at the told rows: walked from its end, so from the last row to the first."""
    steps: list[Step] = []
    for row, starts in zip(reversed(told), reversed(stops[:-1]), strict=True):
        possible, after, fills = {id(way) for way in starts}, end.holding, []
        while id(end) not in possible:
            assert end.last is not None and end.fill is not None, row
            fills.append(end.fill)
            end = end.last
        steps.append(Step(row, end.holding, after, fills[::-1]))
    return steps[::-1]


def _contradicted(told: Told, part: Part, reached: Sequence[Holding]) -> Contradicted:
    """The last row of a time has all of it, and is held against that; another one against what has the same lots."""
    same = [holding for holding in reached if holding.lots == told.position and told is not part.told[-1]]
    expected = same[-1] if same else reached[-1]
    since = _since(part.fills())
    if expected.lots != told.position:
        text = f"position {since} should be {expected.lots}, {told.position} stands there"
    else:
        text = f"realized_pnl {since} should be {plain(expected.realized)}, {told.realized} stands there"
    return Contradicted(told.place, f"{told.trader}'s {text}")


def _since(fills: Sequence[Fill]) -> str:
    if not fills:
        return "with nothing traded at this time"
    last = fills[-1]
    return f"after a settlement at {plain(last.lot_price)}" if isinstance(last.row, Told) else f"after {last.row.place}"


def _untold(part: Part, way: _Way) -> Untold:
    left = part.traded[way.trades :] or part.others[way.others :]
    fill = left[0]
    lots = f"{fill.sign * fill.qty:+} lots"
    return Untold(fill.row.place, f"no row of performance.csv at {fill.row.at} tells of {part.trader}'s {lots} here")
