"""The traders' accounts by equity: figures, and as a curve what became of the equity since the watch began.

What is shown follows the room. Where columns are scarce the figures that others imply go first; where there are more than the
figures need, a curve is drawn beside them, and in spare lines it grows upwards.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from botpit.screen.blocks import curve
from botpit.screen.equity import EquityHistory
from botpit.screen.standings import Standing
from botpit.screen.text import cell, gain_style, money_text, span_text

MAX_CURVE_LINES = 5
LEAST_CURVE_COLUMNS = 9
MAX_CURVE_COLUMNS = 60
FULL_NAME_COLUMNS, LEAST_NAME_COLUMNS = 20, 14
"""A curve grows until so much is left for a name; below the other, figures and curves are left out for it."""
WIDE_FROM_COLUMNS = 90
"""From here on the columns stand two spaces apart."""
FIGURES = ("#", "position", "cash", "realised", "unrealised", "equity")
LEFT_OUT_FIRST = ("cash", "realised", "unrealised", "position")
STATUS_STYLES = {"frozen": "bold yellow", "bankrupt": "bold red"}
Columns = dict[str, list[Text]]
"""Title -> what stands below it."""


def lines_wanted(traders: int, most: int) -> int:
    """How many of at most `most` lines a table of so many traders fills, with its titles."""
    return min(most, max(1, traders) * _lines_each(traders, most) + 1)


def _lines_each(traders: int, lines: int) -> int:
    return min(max((lines - 1) // max(1, traders), 1), MAX_CURVE_LINES)


@dataclass(slots=True)
class Traders:
    """As many as fit. The position is in the shown instrument, the money of the whole account.

    Beside the position stands what an account may no longer do: a bankrupt one has none, and a long name hides neither.
    """

    rows: list[Standing]
    symbol: str
    equity: EquityHistory

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = options.height or len(self.rows) + 1
        shown = self.rows if len(self.rows) < lines else self.rows[: max(0, lines - 2)]
        gap = 2 if options.max_width >= WIDE_FROM_COLUMNS else 1
        columns = _fitting(self._figures(shown), options.max_width, gap)
        curve_columns = _room_for_curves(columns, options.max_width, gap)
        if curve_columns:
            curve_lines = 1 if options.ascii_only else _lines_each(len(self.rows), lines)
            title = f"last {span_text(self.equity.span_s)}"
            columns[title] = [self._curve(row, curve_columns, curve_lines, options.ascii_only) for row in shown]
        yield _table(columns, gap)
        if len(shown) < len(self.rows):
            yield cell(f"and {len(self.rows) - len(shown):,} more", "dim")

    def _figures(self, rows: list[Standing]) -> Columns:
        return {
            "#": [cell(str(rank), "dim", right=True) for rank in range(1, len(rows) + 1)],
            "trader": [cell(row.trader_id, "bold") for row in rows],
            "position": [self._position(row) for row in rows],
            "cash": [cell(money_text(row.cash), right=True) for row in rows],
            "realised": [_gain(row.realized_pnl) for row in rows],
            "unrealised": [_gain(row.unrealized_pnl) for row in rows],
            "equity": [cell(money_text(row.total_equity), "bold", right=True) for row in rows],
        }

    def _position(self, row: Standing) -> Text:
        lots = row.positions.get(self.symbol, 0)
        position = cell(f"{lots:+,}" if lots else "0", gain_style(lots), right=True)
        if row.status == "active":
            return position
        status = cell(row.status, STATUS_STYLES.get(row.status, ""), right=True)
        return status.append(" ").append_text(position) if lots else status

    def _curve(self, row: Standing, columns: int, lines: int, ascii_only: bool) -> Text:
        """The present is its last column, below everybody else's, and gives the colour by what it is against the first one."""
        values = [*self.equity.curve(row.trader_id, columns - 1), row.total_equity]
        drawn = curve(values, lines=lines, ascii_only=ascii_only)
        present = self.equity.slots(columns - 1) + 1
        lined_up = (line.rjust(present).ljust(columns) for line in drawn)
        return Text("\n".join(lined_up), gain_style(values[-1] - values[0]) or "dim", no_wrap=True)


def _gain(amount: float) -> Text:
    return cell(money_text(amount, signed=True), gain_style(amount), right=True)


def _fitting(columns: Columns, room: int, gap: int) -> Columns:
    """What remains of the columns when those that do not fit are left out."""
    for title in LEFT_OUT_FIRST:
        if _taken(columns, gap, LEAST_NAME_COLUMNS) <= room:
            break
        columns = {other: words for other, words in columns.items() if other != title}
    return columns


def _taken(columns: Columns, gap: int, name_columns: int) -> int:
    """How wide a table of these is, when of a name at most `name_columns` are shown."""
    widths = {title: max(len(title), *(word.cell_len for word in words), 0) for title, words in columns.items()}
    return sum(widths.values()) + min(name_columns - widths["trader"], 0) + gap * (len(widths) - 1)


def _room_for_curves(columns: Columns, room: int, gap: int) -> int:
    """How wide the curves beside these columns are, 0 without room for any."""
    most, least = (room - _taken(columns, gap, name) - gap for name in (LEAST_NAME_COLUMNS, FULL_NAME_COLUMNS))
    return 0 if most < LEAST_CURVE_COLUMNS else min(max(least, LEAST_CURVE_COLUMNS), MAX_CURVE_COLUMNS)


def _table(columns: Columns, gap: int) -> Table:
    table = Table(box=None, expand=True, padding=(0, gap, 0, 0), pad_edge=False, header_style="dim")
    for title in columns:
        ratio = 1 if title == "trader" else None
        table.add_column(title, justify="right" if title in FIGURES else "left", ratio=ratio, no_wrap=True, vertical="middle")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table
