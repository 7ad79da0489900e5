"""The monitor's screen: the header's lines, then book, tape and traders, filling the room they are given.

Every part asks rich for its own width and height when it is drawn, so that one layout serves 80x24 and a wall; nothing wraps.
What is decided here is who stands where. On a wide screen the traders stand beside book and tape, and below them a list of
liquidations; on a usual one they stand below, and the header tells of liquidations; a small one leaves parts out.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.layout import Layout
from rich.panel import Panel

from botpit.clients.mirror import BookView
from botpit.screen import ladder
from botpit.screen.header import Header
from botpit.screen.ladder import Ladder
from botpit.screen.liquidations import Liquidations
from botpit.screen.standings import Standing, house_words, standings
from botpit.screen.tape import TradeTape
from botpit.screen.text import cell
from botpit.screen.traders import Traders, lines_wanted
from botpit.screen.watch import Watch

FRAME_LINES = 2
FULL_BOOK_LINES = ladder.FULL_LINES + FRAME_LINES
LEAST_BOOK_LINES = 9
"""Three levels a side; the traders may take what is beyond it, up to a little more than half of the room."""
LEAST_TRADERS_LINES = 4
"""One trader, the titles and the frame."""
LEAST_LIQUIDATIONS_LINES = 8
WIDE_COLUMNS, TALL_LINES = 160, 30
"""A screen of both or more is wide: in fewer lines nothing could stand below anything."""
NARROW_COLUMNS = 50
"""Below this there is no tape."""


@dataclass(slots=True)
class MonitorScreen:
    """One frame of the monitor, at `now_s` (monotonic seconds)."""

    watch: Watch
    now_s: float

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines, columns = options.height or console.height, options.max_width
        wide = columns >= WIDE_COLUMNS and lines >= TALL_LINES
        header = Header(self.watch, self.now_s, lines=2 if wide else 3)
        screen = Layout()
        screen.split_column(Layout(header, size=header.lines), body := Layout())
        if self.watch.book is None:
            body.update(Panel(cell("waiting for the first snapshot"), border_style=self._frame_style))
        elif wide:
            self._side_by_side(body, self.watch.book, lines - header.lines)
        else:
            self._stacked(body, self.watch.book, columns, lines - header.lines)
        yield screen

    def _side_by_side(self, body: Layout, book: BookView, lines: int) -> None:
        body.split_row(left := Layout(ratio=2), right := Layout(ratio=3))
        left.split_column(Layout(self._ladder(book), size=min(FULL_BOOK_LINES, lines // 2)), Layout(self._tape()))
        rows = standings(self.watch.mirror, self.watch.statistics)
        size = FRAME_LINES + lines_wanted(len(rows), lines - LEAST_LIQUIDATIONS_LINES - FRAME_LINES)
        traders = Layout(self._traders(rows, book), size=size)
        right.split_column(traders, Layout(self._panel(Liquidations(self.watch), "liquidations", self._house)))

    def _stacked(self, body: Layout, book: BookView, columns: int, lines: int) -> None:
        rows = standings(self.watch.mirror, self.watch.statistics)
        one_line_each = max(1, len(rows)) + 1 + FRAME_LINES
        most = max(lines - FULL_BOOK_LINES, min(one_line_each, lines - LEAST_BOOK_LINES, lines // 2 + 2))
        size = FRAME_LINES + lines_wanted(len(rows), most - FRAME_LINES)
        traders = Layout(self._traders(rows, book, self._house), size=size, visible=size >= LEAST_TRADERS_LINES)
        body.split_column(top := Layout(), traders)
        tape = Layout(self._tape(), ratio=5, visible=columns >= NARROW_COLUMNS)
        top.split_row(Layout(self._ladder(book), ratio=3), tape)

    def _ladder(self, book: BookView) -> Panel:
        return self._panel(Ladder(book, self.watch.decimals), f"{book.symbol} book")

    def _tape(self) -> Panel:
        return self._panel(TradeTape(self.watch), "tape")

    def _traders(self, rows: list[Standing], book: BookView, subtitle: str = "") -> Panel:
        return self._panel(Traders(rows, book.symbol, self.watch.equity), f"traders: {len(rows):,}", subtitle)

    def _panel(self, part: RenderableType, title: str, subtitle: str = "") -> Panel:
        return Panel(
            part, title=cell(title), title_align="left", subtitle=cell(subtitle) if subtitle else None, subtitle_align="right",
            border_style=self._frame_style, padding=(0, 1),
        )  # fmt: skip

    @property
    def _house(self) -> str:
        return "  ".join(house_words(self.watch.mirror, self.watch.statistics))

    @property
    def _frame_style(self) -> str:
        return "dim" if self.watch.connected else "red"
