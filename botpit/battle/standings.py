"""The traders' accounts in order: one row per trader, from a mirror of the feed and its statistics.

The monitor shows these rows; a battle's results add what only a battle knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from botpit.clients.mirror import Mirror
from botpit.clients.statistics import Statistics
from message_schemas import PositionState

MONEY_DECIMALS = 8
"""An account currency has at most so many; beyond them a sum of floats is noise."""


class _HasTrader(Protocol):
    @property
    def trader_id(self) -> str: ...


Row = TypeVar("Row", bound=_HasTrader)


@dataclass(slots=True, kw_only=True)
class Standing:
    """One trader's account in money and lots. `positions` are by symbol; counts are of events seen on the
    feed.

    `liquidations` closed lots because of the trader's own margin, `deleveragings` because of another's
    bankruptcy.
    """

    trader_id: str
    positions: dict[str, int] = field(default_factory=dict)
    cash: float
    realized_pnl: float
    unrealized_pnl: float
    total_equity: float
    trades: int = 0
    status: str = "active"
    liquidations: int = 0
    deleveragings: int = 0


def standings(mirror: Mirror, statistics: Statistics) -> list[Standing]:
    """A row per trader with a position or a past one, by equity, ties by trader id."""
    accounts: dict[str, list[PositionState]] = {}
    for state in mirror.positions.values():
        accounts.setdefault(state.trader_id, []).append(state)
    rows = (_standing(mirror, statistics, states) for states in accounts.values())
    return sorted(rows, key=lambda row: (-row.total_equity, row.trader_id))


def _standing(mirror: Mirror, statistics: Statistics, states: list[PositionState]) -> Standing:
    latest = states[-1]
    return Standing(
        trader_id=latest.trader_id,
        positions={state.symbol: state.position for state in states},
        cash=latest.cash,
        realized_pnl=round(sum(state.realized_pnl for state in states), MONEY_DECIMALS),
        # Of the whole account and as fresh as its equity; the other instruments' own figures may be older.
        unrealized_pnl=round(latest.total_equity - latest.cash, MONEY_DECIMALS),
        total_equity=latest.total_equity,
        trades=statistics.trades_by_trader[latest.trader_id],
        status=mirror.account_status.get(latest.trader_id, "active"),
        liquidations=statistics.liquidations_by_trader[latest.trader_id],
        deleveragings=statistics.deleveragings_by_trader[latest.trader_id],
    )


def ranked(rows: Iterable[Row], by: Callable[[Row], float]) -> Iterator[tuple[int, Row]]:
    """Rows with their ranks, the greatest first, ties by trader id; equal values share a rank: 1, 2, 2, 4."""
    rank, last = 0, None
    ordered = sorted(rows, key=lambda row: (-by(row), row.trader_id))
    for place, row in enumerate(ordered, start=1):
        if by(row) != last:
            rank = place
            last = by(row)
        yield rank, row
