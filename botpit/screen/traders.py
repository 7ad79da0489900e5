"""The traders' accounts by equity: figures, and a curve of each trader's equity since the watch began.

The content follows the room. Where columns are scarce, the figures that others imply go first; where there
are more than the figures need, a curve is drawn beside them, and in spare lines it grows upwards.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.table import Table
from rich.text import Text

from botpit.screen.blocks import curve
from botpit.screen.equity import EquityHistory
from botpit.screen.standings import Standing
from botpit.screen.text import cell, gain_style, money_text, signed_text, span_text

MAX_CURVE_LINES = 5
LEAST_CURVE_COLUMNS = 9
MAX_CURVE_COLUMNS = 60
FULL_NAME_COLUMNS, LEAST_NAME_COLUMNS = 20, 14
"""A curve leaves a name the first of these if it can; figures and curves give way for the second."""
WIDE_FROM_COLUMNS = 90
"""From this width on, the columns stand two spaces apart."""
FIGURES = ("#", "position", "cash", "realised", "unrealised", "equity")
LEFT_OUT_FIRST = ("cash", "realised", "unrealised", "position")
STATUS_STYLES = {"frozen": "bold yellow", "bankrupt": "bold red"}
Columns = dict[str, list[Text]]
"""Title -> what stands below it."""


def lines_wanted(traders: int, most: int) -> int:
    """How many of at most `most` lines a table of so many traders fills, with its titles."""
    return min(most, max(1, traders) * _lines_each(traders, most) + 1)


def _lines_each(traders: int, lines: int) -> int:
    evenly = (lines - 1) // max(1, traders)
    return min(max(evenly, 1), MAX_CURVE_LINES)


@dataclass(slots=True)
class Traders:
    """As many as fit. The position is in the shown instrument, the money is the whole account's.

    An account's state stands in front of its position, so that neither a long name nor a bankrupt's flat
    position hides it.
    """

    rows: list[Standing]
    symbol: str
    equity: EquityHistory

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = options.height or len(self.rows) + 1
        shown = self.rows
        if len(self.rows) >= lines:
            shown = self.rows[: max(0, lines - 2)]
        gap = 2 if options.max_width >= WIDE_FROM_COLUMNS else 1
        columns = _fitting(self._figures(shown), options.max_width, gap)
        curve_columns = _room_for_curves(columns, options.max_width, gap)
        if curve_columns:
            title = f"last {span_text(self.equity.span_s)}"
            columns[title] = self._curves(shown, curve_columns, lines, options.ascii_only)
        yield _table(columns, gap)
        hidden = len(self.rows) - len(shown)
        if hidden:
            yield cell(f"and {hidden:,} more", "dim")

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
        position = cell(signed_text(lots), gain_style(lots), right=True)
        if row.status == "active":
            return position
        status = cell(row.status, STATUS_STYLES.get(row.status, ""), right=True)
        if lots:
            status.append(" ").append_text(position)
        return status

    def _curves(
        self, rows: list[Standing], columns: int, lines: int, ascii_only: bool
    ) -> list[Text]:
        lines_each = 1
        if not ascii_only:
            lines_each = _lines_each(len(self.rows), lines)
        return [self._curve(row, columns, lines_each, ascii_only) for row in rows]

    def _curve(self, row: Standing, columns: int, lines: int, ascii_only: bool) -> Text:
        """The last column is the present; the gain or loss since the first one sets the colour."""
        past = self.equity.curve(row.trader_id, columns - 1)
        values = [*past, row.total_equity]
        drawn = curve(values, lines=lines, ascii_only=ascii_only)
        present = self.equity.slots(columns - 1) + 1
        lined_up = (line.rjust(present).ljust(columns) for line in drawn)
        style = gain_style(values[-1] - values[0]) or "dim"
        return Text("\n".join(lined_up), style, no_wrap=True)


def _gain(amount: float) -> Text:
    return cell(money_text(amount, signed=True), gain_style(amount), right=True)


def _fitting(columns: Columns, room: int, gap: int) -> Columns:
    """The columns that remain when those that do not fit are left out."""
    fitting = columns.copy()
    for title in LEFT_OUT_FIRST:
        if _taken(fitting, gap, LEAST_NAME_COLUMNS) <= room:
            break
        del fitting[title]
    return fitting


def _taken(columns: Columns, gap: int, name_columns: int) -> int:
    """The width of a table of these columns when at most `name_columns` of a name are shown."""
    taken = gap * (len(columns) - 1)
    for title, words in columns.items():
        width = max(len(title), *(word.cell_len for word in words), 0)
        if title == "trader":
            width = min(width, name_columns)
        taken += width
    return taken


def _room_for_curves(columns: Columns, room: int, gap: int) -> int:
    """The width of the curves beside these columns, 0 without room for any."""
    beside_short_names = room - gap - _taken(columns, gap, LEAST_NAME_COLUMNS)
    beside_full_names = room - gap - _taken(columns, gap, FULL_NAME_COLUMNS)
    if beside_short_names < LEAST_CURVE_COLUMNS:
        return 0
    return min(max(beside_full_names, LEAST_CURVE_COLUMNS), MAX_CURVE_COLUMNS)


def _table(columns: Columns, gap: int) -> Table:
    table = Table(
        box=None, expand=True, padding=(0, gap, 0, 0), pad_edge=False, header_style="dim"
    )
    for title in columns:
        justify: JustifyMethod = "right" if title in FIGURES else "left"
        ratio = 1 if title == "trader" else None
        table.add_column(title, justify=justify, ratio=ratio, no_wrap=True, vertical="middle")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table
