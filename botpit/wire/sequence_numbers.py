"""What the feed counts: its events among all, within each channel and symbol, and the changes of each book.

The numbers follow from the events alone, so whoever replays the commands counts the same; `capture` is what a snapshot keeps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botpit.wire.channels import CHANNELS, OF_NO_SYMBOL

Numbered = tuple[Any, str, str, int, int]
"""A public event, its channel, its symbol, its `seq`, its `channel_seq`."""
Touched = dict[str, dict[tuple[int, int], None]]
"""Symbol to the (side, price) of each level that changed, in order of first change."""


class SequenceNumbers:
    """`seq` of the last event, `channel_seq` per channel and symbol, `book_seq` per symbol."""

    def __init__(self, symbols: Iterable[str]) -> None:
        self.seq = 0
        self.channel_seq: dict[str, dict[str, int]] = {channel: {} for channel in CHANNELS.values()}
        self.book_seq = dict.fromkeys(symbols, 0)

    def count(self, events: Iterable[Any]) -> list[Numbered]:
        """Count what one command caused: its public events with their numbers, and each book that it changed."""
        numbered: list[Numbered] = []
        changed: set[str] = set()
        for event in events:
            kind = type(event)
            channel = CHANNELS.get(kind)
            if channel is None:
                continue
            self.seq += 1
            counts, symbol = self.channel_seq[channel], "" if kind in OF_NO_SYMBOL else event.symbol
            counts[symbol] = number = counts.get(symbol, 0) + 1
            numbered.append((event, channel, symbol, self.seq, number))
            if channel == "orders" and symbol not in changed:
                changed.add(symbol)
                self.book_seq[symbol] += 1
        return numbered

    def capture(self) -> dict[str, Any]:
        """As plain values, which later counting does not change."""
        channel_seq = {channel: dict(counts) for channel, counts in self.channel_seq.items()}
        return {"seq": self.seq, "channel_seq": channel_seq, "book_seq": dict(self.book_seq)}

    def restore(self, values: dict[str, Any]) -> None:
        self.seq = values["seq"]
        self.channel_seq = {channel: dict(counts) for channel, counts in values["channel_seq"].items()}
        self.book_seq = dict(values["book_seq"])


def touched_levels(events: Iterable[Any]) -> Touched:
    """The levels of books that one command changed."""
    touched: Touched = {}
    for event in events:
        if CHANNELS.get(type(event)) == "orders":
            touched.setdefault(event.symbol, {})[event.side, event.price] = None
    return touched
