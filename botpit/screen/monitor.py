"""The monitor's screen: link, market and liquidations a line each, then book, tape and traders, filling the room they are given.

Every part asks rich for its own width and height when it is drawn, so that one layout serves 80x24 and a wall; nothing wraps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from rich.console import Console, ConsoleOptions, RenderResult
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from botpit.mirror import BookView, Level
from botpit.screen.standings import Standing, house_words, standings
from botpit.screen.watch import Watch
from botpit.screen.words import cell, clock_text, counted, decimals_of, gain_style, money_text, price_text
from message_schemas import Liquidation, Trade

HEADER_LINES = 3
MAX_LEVELS = 10
FULL_BOOK_LINES = 2 * MAX_LEVELS + 3
"""Ten levels a side, the line between them, and the frame."""
LEAST_BOOK_LINES = 9
"""Three levels a side; the traders may take what is beyond it, up to a little more than half of the room."""
WIDE_COLUMNS = 160
"""From here on the traders stand beside the book instead of below it."""
AGGRESSOR_STYLES = {"buy": "green", "sell": "red", None: ""}
ARROWS = {"buy": "▲", "sell": "▼", None: " "}
LIQUIDATION_WORDS = {"maintenance_margin_breach": "liquidation", "bankruptcy": "bankruptcy", "auto_deleverage": "deleveraging"}
LIQUIDATION_STYLE = "bold magenta"
STATUS_STYLES = {"frozen": "bold yellow", "bankrupt": "bold red"}
ASCII_ARROWS = {"buy": "+", "sell": "-", None: " "}


@dataclass(slots=True)
class MonitorScreen:
    """One frame of the monitor, at `now_s` (monotonic seconds)."""

    watch: Watch
    now_s: float

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = options.height or console.height
        screen = Layout()
        screen.split_column(Layout(Header(self.watch, self.now_s), size=HEADER_LINES), body := Layout())
        if self.watch.book is None:
            body.update(Panel(cell("waiting for the first snapshot"), border_style=self._frame_style))
        else:
            self._arrange(body, self.watch.book, options.max_width, lines - HEADER_LINES)
        yield screen

    def _arrange(self, body: Layout, book: BookView, columns: int, lines: int) -> None:
        rows = standings(self.watch.mirror)
        ladder = Layout(self._panel(Ladder(book, self.watch.decimals), f"{book.symbol} book"), ratio=2)
        tape = Layout(self._panel(Tape(self.watch), "tape"), ratio=3)
        house = "  ".join(house_words(self.watch.mirror))
        traders = Layout(self._panel(Traders(rows, book.symbol), f"traders: {len(rows):,}", house), ratio=3)
        if columns >= WIDE_COLUMNS:
            ladder.size = min(FULL_BOOK_LINES, lines // 2)
            body.split_row(left := Layout(ratio=2), traders)
            left.split_column(ladder, tape)
        else:
            wanted = max(len(rows), 1) + 3
            body.split_column(top := Layout(), traders)
            top.split_row(ladder, tape)
            most = max(lines - FULL_BOOK_LINES, min(lines - LEAST_BOOK_LINES, lines // 2 + 2), 1)
            traders.size = min(wanted, most)
            top.size = max(lines - traders.size, 1)

    def _panel(self, part: Ladder | Tape | Traders, title: str, subtitle: str = "") -> Panel:
        return Panel(
            part, title=cell(title), title_align="left", subtitle=cell(subtitle) if subtitle else None, subtitle_align="right",
            border_style=self._frame_style, padding=(0, 1),
        )  # fmt: skip

    @property
    def _frame_style(self) -> str:
        return "dim" if self.watch.connected else "red"


@dataclass(slots=True)
class Header:
    """Link, market and the newest liquidations; what does not fit into the width is left out, the last first."""

    watch: Watch
    now_s: float

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _joined(self._link(), options.max_width)
        yield _joined(self._market(), options.max_width)
        yield _joined(self._liquidations(), options.max_width)

    def _link(self) -> Iterator[Text]:
        watch = self.watch
        yield cell(" CONNECTED ", "bold white on green") if watch.connected else cell(" DISCONNECTED ", "bold white on red")
        if not watch.connected:
            yield cell(watch.reason, "red")
        age_s = watch.last_event_age_s(self.now_s)
        yield cell("no event yet" if age_s is None else f"last event {age_s:.1f} s ago")
        if watch.ready and watch.mirror.waiting:
            yield cell("waiting for a fresh snapshot", "yellow")
        yield cell(watch.uri, "dim")

    def _market(self) -> Iterator[Text]:
        watch, mirror, book = self.watch, self.watch.mirror, self.watch.book
        if book is not None:
            yield cell(book.symbol, "bold")
            yield cell(book.status, "" if book.status == "open" else "bold yellow")
            last = book.last_trade
            yield cell(f"last {price_text(last.price if last else None, watch.decimals)}")
            yield cell(f"mark {price_text(book.mark_price, watch.decimals)}")
        yield cell(f"trades {mirror.trade_count:,} ({watch.trades.per_second(self.now_s):.1f}/s)")
        yield cell(f"events {watch.events.per_second(self.now_s):.1f}/s")
        faults = {"holes": mirror.holes, "bad checksums": mirror.checksum_failures, "unreadable": watch.unreadable_frames}
        yield from (cell(f"{name} {count:,}", "yellow") for name, count in faults.items() if count)
        if watch.last_refusal is not None:
            yield cell(f"refused: {watch.last_refusal}", "yellow")
        yield cell(f"seq {mirror.seq:,}")
        if len(mirror.books) > 1:
            yield cell("instruments " + " ".join(islice(mirror.books, MAX_LEVELS)), "dim")

    def _liquidations(self) -> Iterator[Text]:
        """Of all instruments, the newest first; then how many we were not told of."""
        mirror = self.watch.mirror
        for event in reversed(mirror.liquidations):
            instrument = mirror.instruments.get(event.symbol)
            price = price_text(event.price, decimals_of(instrument.tick) if instrument else self.watch.decimals)
            symbol = f" {event.symbol}" if len(mirror.books) > 1 else ""
            who = f"{clock_text(event.timestamp)} {event.trader_id} {LIQUIDATION_WORDS[event.reason]}"
            yield cell(f"{who} {event.side} {event.qty:,}{symbol} at {price}", LIQUIDATION_STYLE)
        if mirror.unseen_liquidations:
            yield cell(f"{counted(mirror.unseen_liquidations, 'liquidation')} unseen", "dim")
        elif self.watch.ready and not mirror.liquidations:
            yield cell("nobody liquidated", "dim")


@dataclass(slots=True)
class Ladder:
    """Asks above, bids below, the best ones meeting at the spread; a bar per level as long as its lots."""

    book: BookView
    decimals: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        depth = max(0, min(MAX_LEVELS, ((options.height or FULL_BOOK_LINES) - 1) // 2))
        asks, bids = self.book.asks[:depth], self.book.bids[:depth]
        lines = self._lines(asks[::-1] + bids, options)
        yield from (Text() for _ in range(depth - len(asks)))
        yield from (cell(line, "red") for line in lines[: len(asks)])
        yield _joined(self._between(), options.max_width)
        yield from (cell(line, "green") for line in lines[len(asks) :])

    def _lines(self, levels: list[Level], options: ConsoleOptions) -> list[str]:
        prices = [price_text(price, self.decimals) for price, _ in levels]
        lots = [f"{qty:,}" for _, qty in levels]
        price_width, lots_width = max(map(len, prices), default=0), max(map(len, lots), default=0)
        bar_width = max(1, options.max_width - price_width - lots_width - 2)
        deepest = max((qty for _, qty in levels), default=1)
        block = "#" if options.ascii_only else "█"
        bars = [block * max(1, round(qty * bar_width / deepest)) for _, qty in levels]
        words = zip(prices, lots, bars, strict=True)
        return [f"{price:>{price_width}} {qty:>{lots_width}} {bar}" for price, qty, bar in words]

    def _between(self) -> Iterator[Text]:
        yield cell(f"spread {price_text(self.book.spread, self.decimals)}", "bold")
        yield cell(f"mid {price_text(self.book.mid_price, self.decimals + 1)}")
        yield cell(f"mark {price_text(self.book.mark_price, self.decimals)}", "dim")


@dataclass(slots=True)
class Tape:
    """The last trades and liquidations, newest first, in the aggressor's colour and with his arrow."""

    watch: Watch

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(box=None, expand=True, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
        for title, right in (("time UTC", False), ("price", True), ("lots", True)):
            table.add_column(title, justify="right" if right else "left", no_wrap=True)
        for title in ("buyer", "seller"):
            table.add_column(title, ratio=1)
        for event in islice(self._newest_first(), max(0, (options.height or MAX_LEVELS) - 1)):
            table.add_row(*(self._trade(event, options) if isinstance(event, Trade) else self._liquidation(event)))
        yield table

    def _newest_first(self) -> list[Trade | Liquidation]:
        events: list[Trade | Liquidation] = [*self.watch.mirror.tape, *self.watch.mirror.liquidations]
        shown = [event for event in events if event.symbol == self.watch.symbol]
        return sorted(shown, key=lambda event: event.seq or 0, reverse=True)

    def _trade(self, trade: Trade, options: ConsoleOptions) -> Iterator[Text]:
        style = AGGRESSOR_STYLES[trade.aggressor_side]
        arrow = (ASCII_ARROWS if options.ascii_only else ARROWS)[trade.aggressor_side]
        yield cell(clock_text(trade.timestamp), "dim")
        yield cell(f"{arrow}{price_text(trade.price, self.watch.decimals)}", style, right=True)
        yield cell(f"{trade.qty:,}", right=True)
        yield cell(trade.buy_trader_id, style if trade.aggressor_side == "buy" else "")
        yield cell(trade.sell_trader_id, style if trade.aggressor_side == "sell" else "")

    def _liquidation(self, event: Liquidation) -> Iterator[Text]:
        yield cell(clock_text(event.timestamp), "dim")
        yield cell(f"!{price_text(event.price, self.watch.decimals)}", LIQUIDATION_STYLE, right=True)
        yield cell(f"{event.qty:,}", right=True)
        why = LIQUIDATION_WORDS[event.reason]
        names = [event.trader_id, why] if event.side == "buy" else [why, event.trader_id]
        yield from (cell(name, LIQUIDATION_STYLE) for name in names)


@dataclass(slots=True)
class Traders:
    """Accounts by equity, as many as fit. The position is in the shown instrument, the money of the whole account.

    Beside the position stands what an account may no longer do: a bankrupt one has none, and a long name hides neither.
    """

    rows: list[Standing]
    symbol: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(box=None, expand=True, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        table.add_column("#", justify="right", no_wrap=True)
        table.add_column("trader", ratio=1)
        for title in ("position", "cash", "realised", "unrealised", "equity"):
            table.add_column(title, justify="right", no_wrap=True)
        fitting = max(0, (options.height or len(self.rows) + 1) - 1)
        shown = self.rows if len(self.rows) <= fitting else self.rows[: max(0, fitting - 1)]
        for rank, row in enumerate(shown, start=1):
            table.add_row(*self._cells(rank, row))
        if len(shown) < len(self.rows):
            table.add_row("", cell(f"… {len(self.rows) - len(shown):,} more", "dim"))
        yield table

    def _cells(self, rank: int, row: Standing) -> Iterator[Text]:
        yield cell(str(rank), "dim", right=True)
        yield cell(row.trader_id, "bold")
        yield self._position(row)
        yield cell(money_text(row.cash), right=True)
        for gain in (row.realized_pnl, row.unrealized_pnl):
            yield cell(money_text(gain, signed=True), gain_style(gain), right=True)
        yield cell(money_text(row.total_equity), "bold", right=True)

    def _position(self, row: Standing) -> Text:
        lots = row.positions.get(self.symbol, 0)
        position = cell(f"{lots:+,}" if lots else "0", gain_style(lots), right=True)
        if row.status == "active":
            return position
        status = cell(row.status, STATUS_STYLES.get(row.status, ""), right=True)
        return status.append(" ").append_text(position) if lots else status


def _joined(parts: Iterator[Text], columns: int) -> Text:
    """The parts that fit, two spaces apart; the first is cut if it alone is too long."""
    line = Text(no_wrap=True, overflow="ellipsis")
    for part in parts:
        if line and line.cell_len + 2 + part.cell_len > columns:
            break
        line = line + Text("  ") + part if line else line + part
    return _clipped(line, columns)


def _clipped(line: Text, columns: int) -> Text:
    line.truncate(columns, overflow="ellipsis")
    line.no_wrap = True
    return line
