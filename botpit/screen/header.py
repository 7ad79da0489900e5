"""The monitor's first lines: the link and how late it is, the market, and the newest liquidations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from botpit.screen.latency import Latency
from botpit.screen.liquidations import Liquidations
from botpit.screen.text import cell, in_line, price_text
from botpit.screen.watch import Watch

MAX_INSTRUMENTS = 10
LATE_MS = 1_000
"""A feed that is later than this is shown in yellow."""


@dataclass(slots=True)
class Header:
    """What does not fit into the width is left out, the last first. `lines`: 3, or 2 without the liquidations."""

    watch: Watch
    now_s: float
    lines: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        parts = self._link(), self._market(), Liquidations(self.watch).in_words()
        yield from (in_line(each, options.max_width) for each in parts[: self.lines])

    def _link(self) -> Iterator[Text]:
        watch = self.watch
        yield cell(" CONNECTED ", "bold black on green") if watch.connected else cell(" DISCONNECTED ", "bold white on red")
        if not watch.connected:
            yield cell(watch.reason, "red")
        age_s = watch.last_event_age_s(self.now_s)
        yield cell("no event yet" if age_s is None else f"last event {age_s:.1f} s ago")
        if watch.ready and watch.session.waiting:
            yield cell("waiting for a fresh snapshot", "yellow")
        if (latency := watch.latency.recent(self.now_s)) is not None:
            yield _latency(latency)
        yield cell(watch.uri, "dim")

    def _market(self) -> Iterator[Text]:
        watch, mirror, book = self.watch, self.watch.mirror, self.watch.book
        if book is not None:
            yield cell(book.symbol, "bold")
            yield cell(book.status, "" if book.status == "open" else "bold yellow")
            last = book.last_trade
            yield cell(f"last {price_text(last.price if last else None, watch.decimals)}")
            yield cell(f"mark {price_text(book.mark_price, watch.decimals)}")
        yield cell(f"trades {watch.statistics.trade_count:,} ({watch.trades.per_second(self.now_s):.1f}/s)")
        yield cell(f"events {watch.events.per_second(self.now_s):.1f}/s")
        faults = {
            "holes": watch.session.holes,
            "bad checksums": mirror.checksum_failures,
            "unreadable": watch.unreadable_frames,
        }
        yield from (cell(f"{name} {count:,}", "yellow") for name, count in faults.items() if count)
        if watch.last_refusal is not None:
            yield cell(f"refused: {watch.last_refusal}", "yellow")
        yield cell(f"seq {watch.session.seq:,}")
        if len(mirror.books) > 1:
            yield cell("instruments " + " ".join(islice(mirror.books, MAX_INSTRUMENTS)), "dim")


def _latency(latency: Latency) -> Text:
    """Who is told of the future learns nothing about the way, but which clock is wrong."""
    if latency.p50 < 0:
        return cell(f"the exchange's clock is {-latency.p50:,} ms ahead", "yellow")
    return cell(f"latency {latency.p50:,} ms (max {latency.max:,})", "yellow" if latency.p50 > LATE_MS else "")
