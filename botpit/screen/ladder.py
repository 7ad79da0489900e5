"""The book as traders read it: asks above, bids below, the spread between, and the size at each price."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from botpit.clients.mirror import BookView, Level
from botpit.screen.blocks import bar
from botpit.screen.text import cell, in_line, price_text

MAX_LEVELS = 10
FULL_LINES = 2 * MAX_LEVELS + 2
"""Ten levels a side, the line between them, and the titles."""
TITLED_FROM_LINES = 10
"""With fewer lines there are titles only if a line is left over."""
LEAST_BAR_COLUMNS = 12
"""Where bars would be shorter than this, the totals are left out; they are also left out without a title."""
TITLES, NO_TITLES = ("price", "lots", "total"), ("", "", "")
Words = tuple[str, str, str]


@dataclass(slots=True)
class Ladder:
    """One book.

    The best price of a side is bold; `total` counts from there to a level, a bar shows the level's own lots.
    """

    book: BookView
    decimals: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = options.height or FULL_LINES
        titled = lines >= TITLED_FROM_LINES or lines % 2 == 0
        depth = max(0, min(MAX_LEVELS, (lines - 1 - titled) // 2))
        asks = self.book.asks[:depth]
        bids = self.book.bids[:depth]
        rungs = _Rungs(TITLES if titled else NO_TITLES, self.decimals, asks, bids, options)
        if titled:
            yield rungs.titles()
        for _ in range(depth - max(1, len(asks))):
            yield Text()
        yield from reversed(rungs.side(asks, "red") or [cell("no asks", "dim")][:depth])
        yield in_line(self._between(), options.max_width)
        yield from rungs.side(bids, "green") or [cell("no bids", "dim")][:depth]

    def _between(self) -> Iterator[Text]:
        yield cell(f"spread {price_text(self.book.spread, self.decimals)}", "bold")
        yield cell(f"mid {price_text(self.book.mid_price, self.decimals + 1)}")
        yield cell(f"mark {price_text(self.book.mark_price, self.decimals)}", "dim")


class _Rungs:
    """The levels of both sides as lines of equal columns, with bars that compare them all."""

    def __init__(
        self,
        titles: Words,
        decimals: int,
        asks: list[Level],
        bids: list[Level],
        options: ConsoleOptions,
    ) -> None:
        self._titles = titles
        self._decimals = decimals
        self._ascii_only = options.ascii_only
        self._deepest = max((qty for _, qty in asks + bids), default=1)
        lines = [titles, *self._words(asks), *self._words(bids)]
        self._widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        if titles == NO_TITLES or self._room(options) < LEAST_BAR_COLUMNS:
            self._widths.pop()
        self._bar_columns = max(1, self._room(options))

    def _room(self, options: ConsoleOptions) -> int:
        """The width left beside the figures, each with its space."""
        return options.max_width - sum(self._widths) - len(self._widths)

    def titles(self) -> Text:
        return cell(self._joined(self._titles), "dim")

    def side(self, levels: list[Level], style: str) -> list[Text]:
        """One line per level, best first."""
        lines = []
        figures_style = f"bold {style}"
        for words, (_, qty) in zip(self._words(levels), levels, strict=True):
            figures = (self._joined(words), figures_style)
            depth = bar(qty / self._deepest, self._bar_columns, ascii_only=self._ascii_only)
            line = Text.assemble(
                figures, " ", (depth, f"dim {style}"), no_wrap=True, overflow="ellipsis"
            )
            lines.append(line)
            figures_style = style  # only the best level is bold
        return lines

    def _words(self, levels: list[Level]) -> Iterable[Words]:
        totals = accumulate(qty for _, qty in levels)
        for (price, qty), total in zip(levels, totals, strict=True):
            yield price_text(price, self._decimals), f"{qty:,}", f"{total:,}"

    def _joined(self, words: Words) -> str:
        return " ".join(
            word.rjust(width) for word, width in zip(words, self._widths, strict=False)
        )
