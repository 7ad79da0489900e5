"""One event on its way out: what happened, its numbers, and its bytes in each view, written when
somebody first asks.

Answer, private sessions, feed, past and archive all hold the same object, so that nothing is
written twice, and most of the past, which nobody asks for, never.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from botpit.wire.encode import Encoder
from botpit.wire.forms import View


class Outgoing(Struct, gc=False):
    """`trader`: whose own event it is, "" when nobody's. `channel` and `symbol`: where the public
    reads it; "": nowhere.

    `seq` of an event that is not public: that of the last public one before it.
    """

    event: Any
    encoder: Encoder | None
    trader: str
    channel: str
    symbol: str
    seq: int
    channel_seq: int
    public: bytes = b""
    observer: bytes = b""
    own: bytes = b""

    def bytes(self, view: View) -> bytes:
        """The message in a view; empty when it has none there."""
        written: bytes = getattr(self, view)
        if written or self.encoder is None or (view == "observer" and self.channel != "orders"):
            return written
        write = self.encoder.writers[view][type(self.event)]
        written = write(self.event, self.seq, self.channel_seq)
        setattr(self, view, written)
        return written


def relayed(
    channel: str, symbol: str, seq: int, public: bytes, observer: bytes = b""
) -> Outgoing:
    """What is known by its bytes alone: a view, or an event that somebody else has numbered and written."""
    return Outgoing(None, None, "", channel, symbol, seq, 0, public, observer)
