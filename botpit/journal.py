"""Where every command goes before anybody is told of its effects."""

from __future__ import annotations

from botpit.exchange.commands import Command


class DiscardingJournal:
    """Keeps nothing: a market under it lives as long as its process."""

    def append(self, command: Command, now_ns: int) -> None:
        """Take a command at its time, nanoseconds since the Unix epoch."""

    def write(self) -> None:
        """Make durable what was appended since the last time."""
