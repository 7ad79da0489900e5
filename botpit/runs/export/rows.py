"""An event as a line of CSV, and the file that the line belongs to."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import get_args

from botpit.io.files import file_name
from message_schemas import CHANNEL_OF, InsuranceUpdate, Liquidation, PositionUpdate, Trade

RowEvent = Trade | PositionUpdate | Liquidation | InsuranceUpdate
"""What makes a row. An account's status makes none, though it comes on a channel of these and is counted with
them."""
CHANNELS = sorted({CHANNEL_OF[kind] for kind in get_args(RowEvent)})
HEADERS = {
    "trades.csv": "timestamp,price,qty,buy_trader,sell_trader\n",
    "performance.csv": "timestamp,trader_id,position,cash,realized_pnl,total_equity\n",
    "liquidations.csv": "timestamp,trader_id,reason,side,qty,price\n",
    "insurance.csv": "timestamp,cash\n",
}
OF_THE_MARKET = ("insurance.csv",)
"""What is of no instrument, and lies in our folder whatever the others do."""
ACTIVE = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a text that begins so."""


class _Text:
    """Stands where a file would, and hands each line back."""

    def write(self, text: str) -> str:
        return text


_written = csv.writer(_Text()).writerow
"""Returns what its file's `write` returns: the line."""


def line(cells: Iterable[str | int | float | None]) -> str:
    """A line of CSV. Numbers stay as they are; a text that a spreadsheet would run gets an apostrophe in
    front."""
    text: str = _written(
        [
            f"'{cell}" if isinstance(cell, str) and cell.startswith(ACTIVE) else cell
            for cell in cells
        ]
    )
    return text.removesuffix("\r\n") + "\n"


def row(event: RowEvent) -> tuple[str, str]:
    """The name of an event's file, and its line there."""
    match event:
        case Trade():
            return "trades.csv", line(
                (
                    event.timestamp,
                    event.price,
                    event.qty,
                    event.buy_trader_id,
                    event.sell_trader_id,
                )
            )
        case PositionUpdate():
            money = event.cash, event.realized_pnl, event.total_equity
            return "performance.csv", line(
                (event.timestamp, event.trader_id, event.position, *money)
            )
        case Liquidation():
            closed = event.side, event.qty, event.price
            return "liquidations.csv", line(
                (event.timestamp, event.trader_id, event.reason, *closed)
            )
        case InsuranceUpdate():
            return "insurance.csv", line((event.timestamp, event.cash))


def file_below(symbol: str, name: str) -> str:
    """Where the file `name` of an instrument lies when the market has several: `SYM/trades.csv`, but
    `insurance.csv`."""
    return name if name in OF_THE_MARKET else f"{file_name(symbol)}/{name}"
