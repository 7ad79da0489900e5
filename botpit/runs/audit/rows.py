"""The rows of a run's CSV files: text in, exact numbers out, or the first line that cannot be read.

Numbers become `Decimal`s, which keep every written digit; nothing here is ever a float.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

THROUGH_THE_BOOK, BANKRUPTCY, DELEVERAGED = (
    "maintenance_margin_breach",
    "bankruptcy",
    "auto_deleverage",
)


class Wrong(Exception):
    """The first contradiction: its place (`file:line`), what was expected and what was found."""

    def __init__(self, place: str, text: str) -> None:
        super().__init__(f"{place}: {text}")


def plain(amount: Decimal) -> str:
    """As people write it: 10000, 0.05."""
    return f"{amount.normalize():f}"


@dataclass(slots=True)
class Row:
    """A row of one instrument (the fund's has no `symbol`): its time in ms, its file and its line."""

    at: int
    symbol: str
    file: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(slots=True)
class Trade(Row):
    """A row of trades.csv.

    `mark` is the mark price at the moment of the trade, behind the place of the row that implies it.
    `free_sides` counts the sides known to have paid no fee.
    """

    price: Decimal
    qty: int
    buyer: str
    seller: str
    mark: tuple[str, Decimal] | None = None
    free_sides: int = 0


@dataclass(slots=True)
class AccountRow(Row):
    """A row of performance.csv: one account in one instrument; cash and equity are of the whole account."""

    trader: str
    position: int
    cash: Decimal
    realized: Decimal
    equity: Decimal


@dataclass(slots=True)
class Forced(Row):
    """A row of liquidations.csv: lots closed against a trader's will. `sign` is +1 when they were bought."""

    trader: str
    reason: str
    sign: int
    qty: int
    price: Decimal


@dataclass(slots=True)
class Fund(Row):
    """A row of insurance.csv: the fund's cash after a change."""

    cash: Decimal


AnyRow = Trade | AccountRow | Forced | Fund


class Column(NamedTuple):
    """`pattern` is what a cell may be, `words` the same for people."""

    name: str
    pattern: str
    words: str


_TIME = Column("timestamp", r"\d{1,19}", "milliseconds")
_TRADER = r"'?[A-Za-z0-9_.:/@-]{1,64}"
_MONEY = r"-?\d{1,20}(?:\.\d{1,20})?(?:e-\d\d)?"
_PRICE = Column(
    "price", r"(?=[0.]*[1-9])\d{1,20}(?:\.\d{1,20})?(?:e-\d\d)?", "a number above 0"
)
_QTY = Column("qty", r"[1-9]\d{0,18}", "a whole number of lots above 0")
_NAME = Column("trader_id", _TRADER, "a trader's id")

COLUMNS: dict[str, tuple[Column, ...]] = {
    "trades.csv": (
        _TIME,
        _PRICE,
        _QTY,
        _NAME._replace(name="buy_trader"),
        _NAME._replace(name="sell_trader"),
    ),
    "performance.csv": (
        _TIME,
        _NAME,
        Column("position", r"-?\d{1,19}", "a whole number of lots"),
        Column("cash", _MONEY, "a number"),
        Column("realized_pnl", _MONEY, "a number"),
        Column("total_equity", _MONEY, "a number"),
    ),
    "liquidations.csv": (
        _TIME,
        _NAME,
        Column("reason", f"{THROUGH_THE_BOOK}|{BANKRUPTCY}|{DELEVERAGED}", "a reason"),
        Column("side", "buy|sell", "buy or sell"),
        _QTY,
        _PRICE,
    ),
    "insurance.csv": (_TIME, Column("cash", _MONEY, "a number")),
}
"""File name -> its columns."""


def _line_pattern(columns: Iterable[Column]) -> re.Pattern[str]:
    return re.compile(",".join(f"({column.pattern})" for column in columns))


_LINES = {name: _line_pattern(columns) for name, columns in COLUMNS.items()}
_SIGNS = {"buy": 1, "sell": -1}


@dataclass(frozen=True, slots=True)
class Sheet:
    """One market's lines of one file, without their ends; the first of them has the number `first_line`.

    `kind` is the file's bare name, `file` the name to show; line 1 is the header.
    """

    kind: str
    file: str
    symbol: str
    first_line: int
    lines: Iterable[str]


def rows(sheet: Sheet) -> Iterator[AnyRow]:
    """Each row, in the order of the file.

    Raises Wrong at the first line that is no row, or goes back in time.
    """
    pattern = _LINES[sheet.kind]
    lines = enumerate(sheet.lines, sheet.first_line)
    if sheet.first_line == 1:
        _, header = next(lines, (1, ""))
        _check_header(sheet, header)
    latest = 0
    for line, text in lines:
        match = pattern.fullmatch(text)
        if match is None:
            raise Wrong(f"{sheet.file}:{line}", _what_is_wrong(sheet.kind, text))
        at = int(match[1])
        if at < latest:
            text = f"the timestamp goes back: expected {latest} or later, found {at}"
            raise Wrong(f"{sheet.file}:{line}", text)
        latest = at
        yield _row(sheet, at, line, match.groups())


def _row(sheet: Sheet, at: int, line: int, cells: tuple[str, ...]) -> AnyRow:
    head = (at, sheet.symbol, sheet.file, line)
    match sheet.kind:
        case "trades.csv":
            _, price, qty, buyer, seller = cells
            return Trade(*head, Decimal(price), int(qty), _trader(buyer), _trader(seller))
        case "performance.csv":
            _, trader, position, cash, realized, equity = cells
            money = Decimal(cash), Decimal(realized), Decimal(equity)
            return AccountRow(*head, _trader(trader), int(position), *money)
        case "liquidations.csv":
            _, trader, reason, side, qty, price = cells
            return Forced(
                *head, _trader(trader), reason, _SIGNS[side], int(qty), Decimal(price)
            )
        case _:
            _, cash = cells
            return Fund(*head, Decimal(cash))


def _trader(cell: str) -> str:
    """The exporter puts an apostrophe before what a spreadsheet would run; no id begins with one."""
    return cell.removeprefix("'")


def _check_header(sheet: Sheet, text: str) -> None:
    header = ",".join(column.name for column in COLUMNS[sheet.kind])
    if text != header:
        raise Wrong(f"{sheet.file}:1", f"expected the header {header}, found {text!r}")


def _what_is_wrong(kind: str, text: str) -> str:
    columns = COLUMNS[kind]
    cells = text.split(",")
    if len(cells) != len(columns):
        return f"expected {len(columns)} cells, found {text!r}"
    for column, cell in zip(columns, cells, strict=True):
        if not re.fullmatch(column.pattern, cell):
            return f"{column.name}: expected {column.words}, found {cell!r}"
    raise AssertionError(text)
