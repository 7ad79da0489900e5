"""Forced trades: in the words of a line, and as a table of the newest where there is room for one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from botpit.screen.text import cell, clock_text, counted, decimals_of, price_text
from botpit.screen.watch import Watch
from message_schemas import Liquidation

FULL_LINES = 10
MAX_NAME_COLUMNS = 40
REASON_WORDS = {
    "maintenance_margin_breach": "liquidation",
    "bankruptcy": "bankruptcy",
    "auto_deleverage": "deleveraging",
}
STYLE = "bold magenta"
SIDE_STYLES = {"buy": "green", "sell": "red"}


@dataclass(slots=True)
class Liquidations:
    """The newest liquidations and deleveragings of all instruments, the newest first."""

    watch: Watch

    def in_words(self) -> Iterator[Text]:
        """Each as a part of a line; then how many came before the watch or were missed."""
        for event in reversed(self.watch.statistics.liquidations):
            yield cell(self._sentence(event), STYLE)
        if remark := self.remark():
            yield cell(remark, "dim")

    def remark(self) -> str:
        """What the list itself does not show."""
        statistics = self.watch.statistics
        if statistics.unseen_liquidations:
            return f"{counted(statistics.unseen_liquidations, 'liquidation')} unseen"
        if self.watch.ready and not statistics.liquidations:
            return "nobody liquidated"
        return ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        remark = self.remark()
        lines = (options.height or FULL_LINES) - 1 - bool(remark)
        newest = islice(reversed(self.watch.statistics.liquidations), max(0, lines))
        table = self._empty_table()
        for event in newest:
            table.add_row(*self._cells(event))
        if table.row_count:
            yield table
        if remark:
            yield cell(remark, "dim")

    def _empty_table(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        for title in ("time UTC", "trader", "reason", "side"):
            table.add_column(title, no_wrap=True, max_width=MAX_NAME_COLUMNS)
        table.add_column("lots", justify="right", no_wrap=True)
        if self._several_instruments:
            table.add_column("instrument", no_wrap=True, max_width=MAX_NAME_COLUMNS)
        table.add_column("price", justify="right", no_wrap=True)
        return table

    def _sentence(self, event: Liquidation) -> str:
        who = f"{clock_text(event.timestamp)} {event.trader_id} {REASON_WORDS[event.reason]}"
        what = f"{event.side} {event.qty:,}"
        if self._several_instruments:
            what += f" {event.symbol}"
        return f"{who} {what} at {self._price(event)}"

    def _cells(self, event: Liquidation) -> Iterator[Text]:
        yield cell(clock_text(event.timestamp), "dim")
        yield cell(event.trader_id, "bold")
        yield cell(REASON_WORDS[event.reason], STYLE)
        yield cell(event.side, SIDE_STYLES[event.side])
        yield cell(f"{event.qty:,}", right=True)
        if self._several_instruments:
            yield cell(event.symbol)
        yield cell(self._price(event), right=True)

    def _price(self, event: Liquidation) -> str:
        instrument = self.watch.mirror.instruments.get(event.symbol)
        if instrument is None:
            return price_text(event.price, self.watch.decimals)
        return price_text(event.price, decimals_of(instrument.tick))

    @property
    def _several_instruments(self) -> bool:
        return len(self.watch.mirror.books) > 1
