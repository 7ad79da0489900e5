"""The tape: the last trades and liquidations of the shown instrument, newest first, in the aggressor's colour, with his arrow."""

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
"""Rather than give two names less, the tape shows only the aggressor's, and no time."""
AGGRESSOR_STYLES = {"buy": "green", "sell": "red", None: ""}
ARROWS = {"buy": "▲", "sell": "▼", None: " "}
ASCII_ARROWS = {"buy": "+", "sell": "-", None: " "}
Row = dict[str, Text]
"""Title -> what stands below it."""


@dataclass(slots=True)
class TradeTape:
    """A line for each; of a trade the price, the lots and the aggressor's name have his colour."""

    watch: Watch

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        newest = islice(self._newest_first(), max(0, (options.height or FULL_LINES) - 1))
        rows = [_titles(), *(self._row(event, options.ascii_only) for event in newest)]
        widths = {title: max(row[title].cell_len for row in rows) for title in FIGURES}
        names: tuple[str, ...] = ("buyer", "seller")
        if _room_for_each(names, widths, options) < LEAST_NAME_COLUMNS:
            del widths["time UTC"]
            names = ("aggressor",)
        widths |= dict.fromkeys(names, _room_for_each(names, widths, options))
        for row in rows:
            yield in_line((sized(row[title], width) for title, width in widths.items()), options.max_width, gap=1)

    def _newest_first(self) -> list[Trade | Liquidation]:
        events: list[Trade | Liquidation] = [*self.watch.statistics.tape, *self.watch.statistics.liquidations]
        shown = [event for event in events if event.symbol == self.watch.symbol]
        return sorted(shown, key=lambda event: event.seq or 0, reverse=True)

    def _row(self, event: Trade | Liquidation, ascii_only: bool) -> Row:
        row = self._trade(event, ascii_only) if isinstance(event, Trade) else self._liquidation(event)
        return row | {"time UTC": cell(clock_text(event.timestamp), "dim")}

    def _trade(self, trade: Trade, ascii_only: bool) -> Row:
        style = AGGRESSOR_STYLES[trade.aggressor_side]
        arrow = (ASCII_ARROWS if ascii_only else ARROWS)[trade.aggressor_side]
        buyer = cell(trade.buy_trader_id, style if trade.aggressor_side == "buy" else "")
        seller = cell(trade.sell_trader_id, style if trade.aggressor_side == "sell" else "")
        return {
            "price": cell(f"{arrow}{price_text(trade.price, self.watch.decimals)}", style, right=True),
            "lots": cell(f"{trade.qty:,}", style, right=True),
            "buyer": buyer,
            "seller": seller,
            "aggressor": seller if trade.aggressor_side == "sell" else buyer,
        }

    def _liquidation(self, event: Liquidation) -> Row:
        trader = cell(event.trader_id, liquidations.STYLE)
        reason = cell(liquidations.REASON_WORDS[event.reason], liquidations.STYLE)
        return {
            "price": cell(f"!{price_text(event.price, self.watch.decimals)}", liquidations.STYLE, right=True),
            "lots": cell(f"{event.qty:,}", liquidations.STYLE, right=True),
            "buyer": trader if event.side == "buy" else reason,
            "seller": reason if event.side == "buy" else trader,
            "aggressor": trader,
        }


def _titles() -> Row:
    return {title: cell(title, "dim", right=title in ("price", "lots")) for title in (*FIGURES, "buyer", "seller", "aggressor")}


def _room_for_each(names: tuple[str, ...], widths: dict[str, int], options: ConsoleOptions) -> int:
    """What the figures leave of the width, with a space between any two."""
    return max(0, (options.max_width - sum(widths.values()) - len(widths) - len(names) + 1) // len(names))
