"""Who was closed against his will: in the words of a line, and as a table of the newest where there is room for one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.table import Table
from rich.text import Text

from botpit.screen.text import cell, clock_text, counted, decimals_of, price_text
from botpit.screen.watch import Watch
from message_schemas import Liquidation

FULL_LINES = 10
MAX_NAME_COLUMNS = 40
REASON_WORDS = {"maintenance_margin_breach": "liquidation", "bankruptcy": "bankruptcy", "auto_deleverage": "deleveraging"}
STYLE = "bold magenta"
SIDE_STYLES = {"buy": "green", "sell": "red"}


@dataclass(slots=True)
class Liquidations:
    """The newest liquidations and deleveragings of all instruments, the newest first."""

    watch: Watch

    def in_words(self) -> Iterator[Text]:
        """Each as a part of a line; then how many we were not told of."""
        for event in reversed(self.watch.statistics.liquidations):
            who = f"{clock_text(event.timestamp)} {event.trader_id} {REASON_WORDS[event.reason]}"
            symbol = f" {event.symbol}" if self._several_instruments else ""
            yield cell(f"{who} {event.side} {event.qty:,}{symbol} at {self._price(event)}", STYLE)
        if remark := self.remark():
            yield cell(remark, "dim")

    def remark(self) -> str:
        """What the list itself does not say."""
        statistics = self.watch.statistics
        if statistics.unseen_liquidations:
            return f"{counted(statistics.unseen_liquidations, 'liquidation')} unseen"
        return "nobody liquidated" if self.watch.ready and not statistics.liquidations else ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        newest, remark = reversed(self.watch.statistics.liquidations), self.remark()
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        for title in ("time UTC", "trader", "reason", "side", "lots", *["instrument"] * self._several_instruments, "price"):
            justify: JustifyMethod = "right" if title in ("lots", "price") else "left"
            table.add_column(title, justify=justify, no_wrap=True, max_width=MAX_NAME_COLUMNS)
        for event in islice(newest, max(0, (options.height or FULL_LINES) - 1 - bool(remark))):
            table.add_row(*self._cells(event))
        if table.row_count:
            yield table
        if remark:
            yield cell(remark, "dim")

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
        return price_text(event.price, decimals_of(instrument.tick) if instrument else self.watch.decimals)

    @property
    def _several_instruments(self) -> bool:
        return len(self.watch.mirror.books) > 1
