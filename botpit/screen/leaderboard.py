"""A battle's tables: who leads while it runs, how a round ended, all rounds together; each in the columns there is room for.

A figure is one `Column`. While a battle runs those that fit are shown, the most telling first; at its end all are, those that do
not fit in further tables below. Without a terminal there is one table of plain lines, whatever its width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from botpit.battle.results import MarketResult, TotalResult, TraderResult
from botpit.screen.standings import forced_words, position_text
from botpit.screen.text import NOTHING, cell, counted, foreign, gain_style, money_text

MAX_NAME_CELLS = 24
"""A trader's name is cut here on a terminal; plain lines have it whole."""
US_PER_MS = 1_000
LIVE_LINES = 7
"""The title, the table's head and frame, a line for those who do not fit, and the cursor's."""

Row = Any
"""A TraderResult or a TotalResult."""


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of a row: its title, its words, and their style."""

    title: str
    words: Callable[[Row], str]
    style: Callable[[Row], str] = lambda row: ""
    right: bool = True


def _gain(title: str, amount: Callable[[Row], float]) -> Column:
    return Column(title, lambda row: money_text(amount(row), signed=True), lambda row: gain_style(amount(row)))


def _ms(latency_us: float | None) -> str:
    return NOTHING if latency_us is None else f"{latency_us / US_PER_MS:,.2f}"


RANK = Column("rank", lambda row: str(row.rank))
TRADER = Column("trader", lambda row: foreign(row.trader_id), lambda row: "bold", right=False)
STATUS = Column("status", lambda row: "" if row.status == "active" else row.status, lambda row: "bold red", right=False)
EQUITY = Column("equity", lambda row: money_text(row.total_equity))
GAIN = _gain("gain", lambda row: row.gain)
REALISED = _gain("realised", lambda row: row.realized_pnl)
UNREALISED = _gain("unrealised", lambda row: row.unrealized_pnl)
POSITION = Column("position", lambda row: position_text(row.positions))
VOLUME = Column("volume", lambda row: f"{row.volume:,}")
TRADES = Column("trades", lambda row: f"{row.trades:,}")
MAKER = Column("maker", lambda row: NOTHING if row.maker_share is None else f"{row.maker_share:.0%}")
FEES = Column("fees", lambda row: NOTHING if row.fees is None else money_text(row.fees))
DRAWDOWN = Column("drawdown", lambda row: money_text(row.max_drawdown))
REJECTS = Column("rejects", lambda row: f"{sum(row.rejects.values()):,}")
RESTARTS = Column("restarts", lambda row: f"{row.restarts:,}")
P50 = Column("p50 ms", lambda row: _ms(row.latency_us.p50))
P99 = Column("p99 ms", lambda row: _ms(row.latency_us.p99))
WON = Column("won", lambda row: f"{row.rounds_won:,}")

FINAL = (EQUITY, GAIN, REALISED, UNREALISED, POSITION, TRADES, VOLUME, MAKER, FEES, DRAWDOWN, REJECTS, RESTARTS, P50, P99)
TOTALS = (GAIN, WON, TRADES, VOLUME, FEES, DRAWDOWN, REJECTS, RESTARTS)
LIVE = (EQUITY, GAIN, POSITION, TRADES, DRAWDOWN, RESTARTS, REALISED, UNREALISED, VOLUME, MAKER)
"""The most telling first."""


# --------------------------------------------------------------------------------------------------------- while it runs


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
        shown = self.rows if len(self.rows) <= room else self.rows[:room]
        status = [STATUS] if any(row.status != "active" for row in shown) else []
        yield _table(next(_fitting([*status, *LIVE], shown, options.max_width)), shown)
        if len(shown) < len(self.rows):
            yield cell(f"… {len(self.rows) - len(shown):,} more", "dim")


# ------------------------------------------------------------------------------------------------------------ at the end


@dataclass(frozen=True, slots=True)
class Tables:
    """Rows in all their columns, below a title; what does not fit beside each other stands below each other."""

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
    """What sets a trader apart: `bob: bankrupt, 2 liquidations; refused 12: price_band 10, rate_limited 2`; printable lines."""
    return [f"{foreign(row.trader_id)}: {'; '.join(said)}" for row in rows if (said := list(_apart(row)))]


def market_remarks(market: MarketResult) -> list[str]:
    """What befell the insurance fund, and what nobody saw, on one line; none if there is nothing to tell."""
    fund = [] if market.insurance_cash is None else [f"insurance {money_text(market.insurance_cash)}"]
    unseen = [f"{counted(market.unseen_trades, 'trade')} unseen"] if market.unseen_trades else []
    words = forced_words(market.liquidations, market.deleveragings) + fund + unseen
    return [", ".join(words)] if words else []


def _apart(row: TraderResult) -> Iterator[str]:
    status = [] if row.status == "active" else [foreign(row.status)]
    if words := status + forced_words(row.liquidations, row.deleveragings):
        yield ", ".join(words)
    if row.rejects:
        reasons = sorted(row.rejects.items(), key=lambda each: (-each[1], each[0]))
        yield f"refused {sum(row.rejects.values()):,}: " + ", ".join(f"{foreign(reason)} {times:,}" for reason, times in reasons)


# ---------------------------------------------------------------------------------------------------------------- tables


def _fitting(columns: Sequence[Column], rows: Sequence[Row], width: int) -> Iterator[list[Column]]:
    """The columns in groups, each behind rank and trader and, where that is possible at all, at most `width` cells wide."""
    group: list[Column] = [RANK, TRADER]
    for column in columns:
        if len(group) > 2 and _width([*group, column], rows) > width:
            yield group
            group = [RANK, TRADER]
        group.append(column)
    yield group


def _width(columns: Sequence[Column], rows: Sequence[Row]) -> int:
    """Of a table: between two columns stands a line with a space on each side of it."""
    return sum(_cells(column, rows) + 3 for column in columns) + 1


def _cells(column: Column, rows: Sequence[Row]) -> int:
    most = max([cell_len(column.title), *(cell_len(column.words(row)) for row in rows)])
    return min(most, MAX_NAME_CELLS) if column is TRADER else most


def _table(columns: Sequence[Column], rows: Sequence[Row]) -> Table:
    table = Table(header_style="bold")
    for column in columns:
        most = MAX_NAME_CELLS if column is TRADER else None
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=True, max_width=most)
    for row in rows:
        table.add_row(*(cell(column.words(row), column.style(row), right=column.right) for column in columns))
    return table


def _text(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    lines = [[column.title for column in columns], *([column.words(row) for column in columns] for row in rows)]
    widths = [max(map(len, words)) for words in zip(*lines, strict=True)]
    return "\n".join(_aligned(line, widths, columns) for line in lines)


def _aligned(words: list[str], widths: list[int], columns: Sequence[Column]) -> str:
    triples = zip(words, widths, columns, strict=True)
    return "  ".join(word.rjust(width) if column.right else word.ljust(width) for word, width, column in triples).rstrip()
