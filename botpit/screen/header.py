"""The monitor's first lines: the link and how late it is, the market, and the newest liquidations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from botpit.clients.mirror import BookView
from botpit.screen.latency import Latency
from botpit.screen.liquidations import Liquidations
from botpit.screen.text import cell, in_line, price_text
from botpit.screen.watch import Watch

MAX_INSTRUMENTS = 10
STATUS_STYLES = {"open": ""}
LATE_MS = 1_000
"""A feed that is later than this is shown in yellow."""


@dataclass(slots=True)
class Header:
    """Drops what does not fit into the width, the last part first.

    Without liquidations it has 2 `lines`, else 3.
    """

    watch: Watch
    now_s: float
    lines: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        parts = self._link(), self._market(), Liquidations(self.watch).in_words()
        for part in parts[: self.lines]:
            yield in_line(part, options.max_width)

    def _link(self) -> Iterator[Text]:
        watch = self.watch
        if watch.connected:
            yield cell(" CONNECTED ", "bold black on green")
        else:
            yield cell(" DISCONNECTED ", "bold white on red")
            yield cell(watch.reason, "red")
        age_s = watch.last_event_age_s(self.now_s)
        if age_s is None:
            yield cell("no event yet")
        else:
            yield cell(f"last event {age_s:.1f} s ago")
        if watch.ready and watch.session.waiting:
            yield cell("waiting for a fresh snapshot", "yellow")
        if (latency := watch.latency.recent(self.now_s)) is not None:
            yield _latency(latency)
        yield cell(watch.uri, "dim")

    def _market(self) -> Iterator[Text]:
        watch = self.watch
        if watch.book is not None:
            yield from self._book(watch.book)
        trades_per_s = watch.trades.per_second(self.now_s)
        events_per_s = watch.events.per_second(self.now_s)
        yield cell(f"trades {watch.statistics.trade_count:,} ({trades_per_s:.1f}/s)")
        yield cell(f"events {events_per_s:.1f}/s")
        yield from self._faults()
        yield cell(f"seq {watch.session.seq:,}")
        books = watch.mirror.books
        if len(books) > 1:
            symbols = islice(books, MAX_INSTRUMENTS)
            yield cell("instruments " + " ".join(symbols), "dim")

    def _book(self, book: BookView) -> Iterator[Text]:
        decimals = self.watch.decimals
        last_price = None
        if book.last_trade is not None:
            last_price = book.last_trade.price
        yield cell(book.symbol, "bold")
        yield cell(book.status, STATUS_STYLES.get(book.status, "bold yellow"))
        yield cell(f"last {price_text(last_price, decimals)}")
        yield cell(f"mark {price_text(book.mark_price, decimals)}")

    def _faults(self) -> Iterator[Text]:
        """What went wrong on the feed, and the relay's last refusal."""
        mirror = self.watch.mirror
        counts = {
            "holes": self.watch.session.holes,
            "bad checksums": mirror.checksum_failures,
            "unreadable": self.watch.unreadable_frames,
        }
        for name, count in counts.items():
            if count:
                yield cell(f"{name} {count:,}", "yellow")
        if self.watch.last_refusal is not None:
            yield cell(f"refused: {self.watch.last_refusal}", "yellow")


def _latency(latency: Latency) -> Text:
    """An event from the future shows nothing about the way, but that the clocks differ."""
    if latency.p50 < 0:
        return cell(f"the exchange's clock is {-latency.p50:,} ms ahead", "yellow")
    style = "yellow" if latency.p50 > LATE_MS else ""
    return cell(f"latency {latency.p50:,} ms (max {latency.max:,})", style)
