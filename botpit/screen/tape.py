"""The tape: the last trades and liquidations of the shown instrument, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from botpit.screen import liquidations
from botpit.screen.text import cell, clock_text, in_line, price_text, sized
from botpit.screen.watch import Watch
from message_schemas import Liquidation, Trade

FULL_LINES = 10
FIGURES = ("time UTC", "price", "lots")
LEAST_NAME_COLUMNS = 8
"""Where two names would have less, the tape shows only the aggressor's, and no time."""
AGGRESSOR_STYLES = {"buy": "green", "sell": "red", None: ""}
ARROWS = {
    False: {"buy": "▲", "sell": "▼", None: " "},
    True: {"buy": "+", "sell": "-", None: " "},
}
"""By whether there is only ASCII, and by the aggressor's side."""
RIGHT = {"price", "lots"}
Row = dict[str, Text]
"""Title -> what stands below it."""


@dataclass(slots=True)
class TradeTape:
    """A line for each. The aggressor's side colours a trade's price, its lots and the aggressor's name."""

    watch: Watch

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = self._rows(options)
        widths = {title: max(row[title].cell_len for row in rows) for title in FIGURES}
        names: tuple[str, ...] = ("buyer", "seller")
        if _room_for_each(names, widths, options) < LEAST_NAME_COLUMNS:
            del widths["time UTC"]
            names = ("aggressor",)
        widths |= dict.fromkeys(names, _room_for_each(names, widths, options))
        for row in rows:
            pieces = (sized(row[title], width) for title, width in widths.items())
            yield in_line(pieces, options.max_width, gap=1)

    def _rows(self, options: ConsoleOptions) -> list[Row]:
        """The titles, then as many events as fit."""
        lines = max(0, (options.height or FULL_LINES) - 1)
        rows = [_titles()]
        for event in islice(self._newest_first(), lines):
            rows.append(self._row(event, options.ascii_only))
        return rows

    def _row(self, event: Trade | Liquidation, ascii_only: bool) -> Row:
        time = {"time UTC": cell(clock_text(event.timestamp), "dim")}
        if isinstance(event, Trade):
            return time | self._trade(event, ascii_only)
        return time | self._liquidation(event)

    def _newest_first(self) -> list[Trade | Liquidation]:
        events: list[Trade | Liquidation] = [
            *self.watch.statistics.tape,
            *self.watch.statistics.liquidations,
        ]
        shown = [event for event in events if event.symbol == self.watch.symbol]
        return sorted(shown, key=lambda event: event.seq or 0, reverse=True)

    def _trade(self, trade: Trade, ascii_only: bool) -> Row:
        side = trade.aggressor_side
        style = AGGRESSOR_STYLES[side]
        arrow = ARROWS[ascii_only][side]
        buyer = cell(trade.buy_trader_id)
        seller = cell(trade.sell_trader_id)
        aggressor = seller if side == "sell" else buyer
        aggressor.style = style
        return {
            "price": cell(
                f"{arrow}{price_text(trade.price, self.watch.decimals)}", style, right=True
            ),
            "lots": cell(f"{trade.qty:,}", style, right=True),
            "buyer": buyer,
            "seller": seller,
            "aggressor": aggressor,
        }

    def _liquidation(self, event: Liquidation) -> Row:
        style = liquidations.STYLE
        trader = cell(event.trader_id, style)
        reason = cell(liquidations.REASON_WORDS[event.reason], style)
        buyer, seller = trader, reason
        if event.side == "sell":
            buyer, seller = reason, trader
        return {
            "price": cell(
                f"!{price_text(event.price, self.watch.decimals)}", style, right=True
            ),
            "lots": cell(f"{event.qty:,}", style, right=True),
            "buyer": buyer,
            "seller": seller,
            "aggressor": trader,
        }


def _titles() -> Row:
    titles = (*FIGURES, "buyer", "seller", "aggressor")
    return {title: cell(title, "dim", right=title in RIGHT) for title in titles}


def _room_for_each(
    names: tuple[str, ...], widths: dict[str, int], options: ConsoleOptions
) -> int:
    """The width left beside the figures for each name, with a space between any two columns."""
    gaps = len(widths) + len(names) - 1
    room = options.max_width - sum(widths.values()) - gaps
    return max(0, room // len(names))
