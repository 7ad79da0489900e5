"""What the feed counts: its events among all, within each channel and symbol, and the changes of each book.

The sequencer counts; the numbers follow from the events alone, so every replay counts the same.
`capture` is what a snapshot keeps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botpit.wire.channels import CHANNELS


class SequenceNumbers:
    """`seq` of the last event, `channel_seq` per channel and symbol, `book_seq` per symbol."""

    def __init__(self, symbols: Iterable[str]) -> None:
        self.seq = 0
        self.channel_seq: dict[str, dict[str, int]] = {
            channel: {} for channel in CHANNELS.values()
        }
        self.book_seq = dict.fromkeys(symbols, 0)

    def capture(self) -> dict[str, Any]:
        """As plain values, which later counting does not change."""
        channel_seq = {channel: dict(counts) for channel, counts in self.channel_seq.items()}
        return {"seq": self.seq, "channel_seq": channel_seq, "book_seq": dict(self.book_seq)}

    def restore(self, values: dict[str, Any]) -> None:
        self.seq = values["seq"]
        self.channel_seq = {
            channel: dict(counts) for channel, counts in values["channel_seq"].items()
        }
        self.book_seq = dict(values["book_seq"])
