"""The monitor's screen: the header's lines, then book, tape and traders, filling the room there is.

Every part asks rich for its own width and height when it is drawn, so that one layout serves 80x24 and a
wall; nothing wraps. Decided here is only which part stands where. On a wide screen the traders stand beside
book and tape, above a list of liquidations; on a usual one they stand below, and the header shows
liquidations; a small one leaves parts out.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.layout import Layout
from rich.panel import Panel
from rich.text import Text

from botpit.clients.mirror import BookView
from botpit.screen import ladder
from botpit.screen.header import Header
from botpit.screen.ladder import Ladder
from botpit.screen.liquidations import Liquidations
from botpit.screen.standings import Standing, fund_words, standings
from botpit.screen.tape import TradeTape
from botpit.screen.text import cell
from botpit.screen.traders import Traders, lines_wanted
from botpit.screen.watch import Watch

FRAME_LINES = 2
FULL_BOOK_LINES = ladder.FULL_LINES + FRAME_LINES
LEAST_BOOK_LINES = 9
"""Three levels a side; the traders may take the rest, up to a little more than half of the room."""
LEAST_TRADERS_LINES = 4
"""One trader, the titles and the frame."""
LEAST_LIQUIDATIONS_LINES = 8
WIDE_COLUMNS, TALL_LINES = 160, 30
"""A screen of at least both is wide: with fewer lines nothing could stand below anything."""
NARROW_COLUMNS = 50
"""Below this there is no tape."""


@dataclass(slots=True)
class MonitorScreen:
    """One frame of the monitor, at `now_s` (monotonic seconds)."""

    watch: Watch
    now_s: float

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = options.height or console.height
        columns = options.max_width
        wide = columns >= WIDE_COLUMNS and lines >= TALL_LINES
        header = Header(self.watch, self.now_s, lines=2 if wide else 3)
        body = Layout()
        book = self.watch.book
        if book is None:
            body.update(
                Panel(cell("waiting for the first snapshot"), border_style=self._frame_style)
            )
        elif wide:
            self._side_by_side(body, book, lines - header.lines)
        else:
            self._stacked(body, book, columns, lines - header.lines)
        screen = Layout()
        screen.split_column(Layout(header, size=header.lines), body)
        yield screen

    def _side_by_side(self, body: Layout, book: BookView, lines: int) -> None:
        left = Layout(ratio=2)
        left.split_column(
            Layout(self._ladder(book), size=min(FULL_BOOK_LINES, lines // 2)),
            Layout(self._tape()),
        )
        rows = standings(self.watch.mirror, self.watch.statistics)
        traders_lines = lines_wanted(len(rows), lines - LEAST_LIQUIDATIONS_LINES - FRAME_LINES)
        right = Layout(ratio=3)
        right.split_column(
            Layout(self._traders(rows, book), size=FRAME_LINES + traders_lines),
            Layout(self._panel(Liquidations(self.watch), "liquidations", self._fund)),
        )
        body.split_row(left, right)

    def _stacked(self, body: Layout, book: BookView, columns: int, lines: int) -> None:
        rows = standings(self.watch.mirror, self.watch.statistics)
        one_line_each = max(1, len(rows)) + 1 + FRAME_LINES
        beside_a_small_book = min(one_line_each, lines - LEAST_BOOK_LINES, lines // 2 + 2)
        most = max(lines - FULL_BOOK_LINES, beside_a_small_book)
        size = FRAME_LINES + lines_wanted(len(rows), most - FRAME_LINES)
        top = Layout()
        top.split_row(
            Layout(self._ladder(book), ratio=3),
            Layout(self._tape(), ratio=5, visible=columns >= NARROW_COLUMNS),
        )
        traders = self._traders(rows, book, self._fund)
        body.split_column(top, Layout(traders, size=size, visible=size >= LEAST_TRADERS_LINES))

    def _ladder(self, book: BookView) -> Panel:
        return self._panel(Ladder(book, self.watch.decimals), f"{book.symbol} book")

    def _tape(self) -> Panel:
        return self._panel(TradeTape(self.watch), "tape")

    def _traders(self, rows: list[Standing], book: BookView, subtitle: str = "") -> Panel:
        table = Traders(rows, book.symbol, self.watch.equity)
        return self._panel(table, f"traders: {len(rows):,}", subtitle)

    def _panel(self, part: RenderableType, title: str, subtitle: str = "") -> Panel:
        below: Text | None = None
        if subtitle:
            below = cell(subtitle)
        return Panel(
            part,
            title=cell(title),
            title_align="left",
            subtitle=below,
            subtitle_align="right",
            border_style=self._frame_style,
            padding=(0, 1),
        )

    @property
    def _fund(self) -> str:
        return "  ".join(fund_words(self.watch.mirror, self.watch.statistics))

    @property
    def _frame_style(self) -> str:
        return "dim" if self.watch.connected else "red"
