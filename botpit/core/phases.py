"""The phases of an instrument, as one table: what each of them lets happen, and which commands lead to which
phase.

Whoever has to know asks the table: the checks of an order, the Tick that moves marks, the liquidation that
trades through the book, the operator's desk. So a new phase, an auction's say, is a row here. Cancels need no
column: every phase takes them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from botpit.core.commands import Close, Halt, Resume, SetMark
from botpit.core.events import TradingStatus


class Phase(NamedTuple):
    """One row of the table.

    `takes_orders`: orders and replaces are looked at, not refused. `trades`: resting orders may trade, so the
    mark follows the book and a liquidation goes through it. `leads_to`: the phase after each of the
    operator's commands that the instrument takes now; it refuses the others.
    """

    status: TradingStatus
    takes_orders: bool
    trades: bool
    leads_to: dict[type[Any], TradingStatus]


_OPEN, _HALTED, _CLOSED = TradingStatus.OPEN, TradingStatus.HALTED, TradingStatus.CLOSED

PHASES = {
    row.status: row
    for row in (
        Phase(
            _OPEN,
            takes_orders=True,
            trades=True,
            leads_to={Halt: _HALTED, Resume: _OPEN, Close: _CLOSED, SetMark: _OPEN},
        ),
        Phase(
            _HALTED,
            takes_orders=False,
            trades=False,
            leads_to={Halt: _HALTED, Resume: _OPEN, Close: _CLOSED, SetMark: _HALTED},
        ),
        Phase(_CLOSED, takes_orders=False, trades=False, leads_to={}),
    )
}
"""Every phase there is, by the status that the world is shown."""
