"""The rows of a run's CSV files: text in, exact numbers out, or the first line that cannot be read, by file and number.

Numbers become `Decimal`s, which hold what is written to the last digit; nothing here is ever a float.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

THROUGH_THE_BOOK, BANKRUPTCY, DELEVERAGED = "maintenance_margin_breach", "bankruptcy", "auto_deleverage"


class Wrong(Exception):
    """The first thing that is not as it should be: where (`file:line`), and what was expected and stands there instead."""

    def __init__(self, place: str, text: str) -> None:
        super().__init__(f"{place}: {text}")


def plain(amount: Decimal) -> str:
    """As people write it: 10000, 0.05."""
    return f"{amount.normalize():f}"


@dataclass(slots=True)
class Row:
    """A row of one instrument (`symbol`; the fund's has none): its time in ms, its file and the number of its line."""

    at: int
    symbol: str
    file: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(slots=True)
class Trade(Row):
    """`mark`: by whom that was told, and the mark price at the moment of the trade; `free_sides` paid no fee, as far as told."""

    price: Decimal
    qty: int
    buyer: str
    seller: str
    mark: tuple[str, Decimal] | None = None
    free_sides: int = 0


@dataclass(slots=True)
class Told(Row):
    """What performance.csv says of one account in one instrument; cash and equity are of the whole account."""

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
    """What the insurance fund has."""

    cash: Decimal


AnyRow = Trade | Told | Forced | Fund


class Column(NamedTuple):
    """`pattern` says what a cell may be, `words` the same for people."""

    name: str
    pattern: str
    words: str


_TIME = Column("timestamp", r"\d{1,19}", "milliseconds")
_TRADER = r"'?[A-Za-z0-9_.:/@-]{1,64}"
_MONEY = r"-?\d{1,20}(?:\.\d{1,20})?(?:e-\d\d)?"
_PRICE = Column("price", r"(?=[0.]*[1-9])\d{1,20}(?:\.\d{1,20})?(?:e-\d\d)?", "a number above 0")
_QTY = Column("qty", r"[1-9]\d{0,18}", "a whole number of lots above 0")
_NAME = Column("trader_id", _TRADER, "a trader's id")

COLUMNS: dict[str, tuple[Column, ...]] = {
    "trades.csv": (_TIME, _PRICE, _QTY, _NAME._replace(name="buy_trader"), _NAME._replace(name="sell_trader")),
    "performance.csv": (
        _TIME, _NAME, Column("position", r"-?\d{1,19}", "a whole number of lots"),
        *(Column(name, _MONEY, "a number") for name in ("cash", "realized_pnl", "total_equity")),
    ),
    "liquidations.csv": (
        _TIME, _NAME, Column("reason", f"{THROUGH_THE_BOOK}|{BANKRUPTCY}|{DELEVERAGED}", "a reason"),
        Column("side", "buy|sell", "buy or sell"), _QTY, _PRICE,
    ),
    "insurance.csv": (_TIME, Column("cash", _MONEY, "a number")),
}  # fmt: skip
"""File name -> its columns."""
_LINES = {name: re.compile(",".join(f"({column.pattern})" for column in columns)) for name, columns in COLUMNS.items()}
Make = Callable[[int, str, str, int, tuple[str, ...]], AnyRow]


def _trader(cell: str) -> str:
    """The exporter puts an apostrophe before what a spreadsheet would run; no id begins with one."""
    return cell.removeprefix("'")


_MAKE: dict[str, Make] = {
    "trades.csv": lambda at, symbol, file, line, cell: Trade(
        at, symbol, file, line, Decimal(cell[1]), int(cell[2]), _trader(cell[3]), _trader(cell[4])
    ),
    "performance.csv": lambda at, symbol, file, line, cell: Told(
        at, symbol, file, line, _trader(cell[1]), int(cell[2]), Decimal(cell[3]), Decimal(cell[4]), Decimal(cell[5])
    ),
    "liquidations.csv": lambda at, symbol, file, line, cell: Forced(
        at, symbol, file, line, _trader(cell[1]), cell[2], 1 if cell[3] == "buy" else -1, int(cell[4]), Decimal(cell[5])
    ),
    "insurance.csv": lambda at, symbol, file, line, cell: Fund(at, symbol, file, line, Decimal(cell[1])),
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """The lines of one file that are of one market, without their ends, the first of them being number `first_line`.

    `kind` is the file's bare name, `file` what to call it; line 1 is the header. `rows` of it so far are counted.
    """

    kind: str
    file: str
    symbol: str
    first_line: int
    lines: Iterable[str]


def rows(sheet: Sheet) -> Iterator[AnyRow]:
    """Each row, in the order of the file. Raises Wrong at the first line that is not one, or goes back in time."""
    pattern, make, file, symbol = _LINES[sheet.kind], _MAKE[sheet.kind], sheet.file, sheet.symbol
    lines = enumerate(sheet.lines, sheet.first_line)
    if sheet.first_line == 1:
        _check_header(sheet, next(lines, (1, ""))[1])
    latest = 0
    for line, text in lines:
        match = pattern.fullmatch(text)
        if match is None:
            raise Wrong(f"{file}:{line}", _what_is_wrong(sheet.kind, text))
        at = int(match[1])
        if at < latest:
            raise Wrong(f"{file}:{line}", f"the timestamp goes back: {latest} or later was expected, {at} stands there")
        latest = at
        yield make(at, symbol, file, line, match.groups())


def _check_header(sheet: Sheet, text: str) -> None:
    header = ",".join(column.name for column in COLUMNS[sheet.kind])
    if text != header:
        raise Wrong(f"{sheet.file}:1", f"the header {header} was expected, {text!r} stands there")


def _what_is_wrong(kind: str, text: str) -> str:
    columns, cells = COLUMNS[kind], text.split(",")
    if len(cells) != len(columns):
        return f"{len(columns)} cells were expected, {text!r} stands there"
    pairs = zip(columns, cells, strict=True)
    column, cell = next((column, cell) for column, cell in pairs if not re.fullmatch(column.pattern, cell))
    return f"{column.name}: {column.words} was expected, {cell!r} stands there"
