"""A battle's tables: the leaders while it runs, the end of a round, the totals; as wide as there is room.

A figure is one `Column`. While a battle runs, the columns that fit are shown, the most important first; at
its end all are shown, those that do not fit in further tables below. Without a terminal there is one table of
plain lines, of any width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.table import Table
from rich.text import Text

from botpit.battle.results import MarketResult, TotalResult, TraderResult
from botpit.screen.standings import forced_words, insurance_words, position_text
from botpit.screen.text import cell, counted, foreign, gain_style, money_text, optional

MAX_NAME_CELLS = 24
"""A terminal shows this much of a trader's name; plain lines show all of it."""
US_PER_MS = 1_000
LIVE_LINES = 7
"""The title, the table's head and frame, a line for the rows that do not fit, and the cursor's."""

ALIGN = {"right": ">", "left": "<"}

Row = Any
"""A TraderResult or a TotalResult."""


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of a row: its title, its words, and their style."""

    title: str
    words: Callable[[Row], str]
    style: Callable[[Row], str] = lambda row: ""
    right: bool = True
    max_cells: int | None = None

    @property
    def justify(self) -> JustifyMethod:
        return "right" if self.right else "left"

    def cell(self, row: Row) -> Text:
        return cell(self.words(row), self.style(row), right=self.right)


def _gain(title: str, amount: Callable[[Row], float]) -> Column:
    return Column(
        title,
        lambda row: money_text(amount(row), signed=True),
        lambda row: gain_style(amount(row)),
    )


def _ms(latency_us: float | None) -> str:
    return optional(latency_us, lambda us: f"{us / US_PER_MS:,.2f}")


def _status(row: Row) -> str:
    """Nothing for an active account."""
    return "" if row.status == "active" else str(row.status)


RANK = Column("rank", lambda row: str(row.rank))
TRADER = Column(
    "trader",
    lambda row: foreign(row.trader_id),
    lambda row: "bold",
    right=False,
    max_cells=MAX_NAME_CELLS,
)
STATUS = Column("status", _status, lambda row: "bold red", right=False)
EQUITY = Column("equity", lambda row: money_text(row.total_equity))
GAIN = _gain("gain", lambda row: row.gain)
REALISED = _gain("realised", lambda row: row.realized_pnl)
UNREALISED = _gain("unrealised", lambda row: row.unrealized_pnl)
POSITION = Column("position", lambda row: position_text(row.positions))
VOLUME = Column("volume", lambda row: f"{row.volume:,}")
TRADES = Column("trades", lambda row: f"{row.trades:,}")
MAKER = Column("maker", lambda row: optional(row.maker_share, "{:.0%}".format))
FEES = Column("fees", lambda row: optional(row.fees, money_text))
DRAWDOWN = Column("drawdown", lambda row: money_text(row.max_drawdown))
REJECTS = Column("rejects", lambda row: f"{sum(row.rejects.values()):,}")
RESTARTS = Column("restarts", lambda row: f"{row.restarts:,}")
P50 = Column("p50 ms", lambda row: _ms(row.latency_us.p50))
P99 = Column("p99 ms", lambda row: _ms(row.latency_us.p99))
WON = Column("won", lambda row: f"{row.rounds_won:,}")

FINAL = (
    EQUITY,
    GAIN,
    REALISED,
    UNREALISED,
    POSITION,
    TRADES,
    VOLUME,
    MAKER,
    FEES,
    DRAWDOWN,
    REJECTS,
    RESTARTS,
    P50,
    P99,
)
TOTALS = (GAIN, WON, TRADES, VOLUME, FEES, DRAWDOWN, REJECTS, RESTARTS)
LIVE = (EQUITY, GAIN, POSITION, TRADES, DRAWDOWN, RESTARTS, REALISED, UNREALISED, VOLUME, MAKER)
"""The most important first."""


# ---------------------------------------------------------------------------------------------- while it runs


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The best rows that fit below a title, in the columns that fit."""

    title: str
    rows: Sequence[TraderResult]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield cell(self.title, "bold")
        if not self.rows:
            return
        room = max(1, options.size.height - LIVE_LINES)
        shown = self.rows[:room]
        columns = list(LIVE)
        if any(row.status != "active" for row in shown):
            columns.insert(0, STATUS)
        first_group = next(_fitting(columns, shown, options.max_width))
        yield _table(first_group, shown)
        hidden = len(self.rows) - len(shown)
        if hidden:
            yield cell(f"… {hidden:,} more", "dim")


# ------------------------------------------------------------------------------------------------- at the end


@dataclass(frozen=True, slots=True)
class Tables:
    """Rows in all their columns, below a title; columns that do not fit continue in a table below."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield cell(self.title, "bold")
        for columns in _fitting(self.columns, self.rows, options.max_width):
            yield _table(columns, self.rows)

    def text(self) -> str:
        """The same as one table of aligned lines without escape codes."""
        return f"{self.title}\n{_text([RANK, TRADER, *self.columns], self.rows)}"


def standings_tables(rows: Sequence[TraderResult], title: str) -> Tables:
    return Tables(title, FINAL, rows)


def totals_tables(rows: Sequence[TotalResult], title: str) -> Tables:
    return Tables(title, TOTALS, rows)


def remarks(rows: Sequence[TraderResult]) -> list[str]:
    """Remarkable traders: `bob: bankrupt, 2 liquidations; refused 12: price_band 10, rate_limited 2`."""
    lines = []
    for row in rows:
        if words := "; ".join(_apart(row)):
            lines.append(f"{foreign(row.trader_id)}: {words}")
    return lines


def market_remarks(market: MarketResult) -> list[str]:
    """Forced trades, the insurance fund and unseen trades on one line; no line if there were none."""
    words = forced_words(market.liquidations, market.deleveragings) + insurance_words(
        market.insurance_cash
    )
    if market.unseen_trades:
        words.append(f"{counted(market.unseen_trades, 'trade')} unseen")
    if not words:
        return []
    return [", ".join(words)]


def _apart(row: TraderResult) -> Iterator[str]:
    words = forced_words(row.liquidations, row.deleveragings)
    if row.status != "active":
        words.insert(0, foreign(row.status))
    if words:
        yield ", ".join(words)
    if row.rejects:
        most_first = sorted(row.rejects, key=lambda reason: (-row.rejects[reason], reason))
        reasons = [f"{foreign(reason)} {row.rejects[reason]:,}" for reason in most_first]
        total = sum(row.rejects.values())
        yield f"refused {total:,}: {', '.join(reasons)}"


# ----------------------------------------------------------------------------------------------------- tables


def _fitting(
    columns: Sequence[Column], rows: Sequence[Row], width: int
) -> Iterator[list[Column]]:
    """Group the columns, each group behind rank and trader and, if possible, at most `width` cells wide."""
    group: list[Column] = [RANK, TRADER]
    for column in columns:
        if len(group) > 2 and _width([*group, column], rows) > width:
            yield group
            group = [RANK, TRADER]
        group.append(column)
    yield group


def _width(columns: Sequence[Column], rows: Sequence[Row]) -> int:
    """The width of a table: a line stands between two columns, with a space on each side of it."""
    return sum(_cells(column, rows) + 3 for column in columns) + 1


def _cells(column: Column, rows: Sequence[Row]) -> int:
    most = cell_len(column.title)
    for row in rows:
        most = max(most, cell_len(column.words(row)))
    return most if column.max_cells is None else min(most, column.max_cells)


def _table(columns: Sequence[Column], rows: Sequence[Row]) -> Table:
    table = Table(header_style="bold")
    for column in columns:
        table.add_column(
            column.title,
            justify=column.justify,
            no_wrap=True,
            max_width=column.max_cells,
        )
    for row in rows:
        table.add_row(*(column.cell(row) for column in columns))
    return table


def _text(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    lines = [[column.title for column in columns]]
    for row in rows:
        lines.append([column.words(row) for column in columns])
    widths = [max(map(len, words)) for words in zip(*lines, strict=True)]
    return "\n".join(_aligned(line, widths, columns) for line in lines)


def _aligned(words: list[str], widths: list[int], columns: Sequence[Column]) -> str:
    aligned = []
    for word, width, column in zip(words, widths, columns, strict=True):
        aligned.append(f"{word:{ALIGN[column.justify]}{width}}")
    return "  ".join(aligned).rstrip()
