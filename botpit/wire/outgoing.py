"""One event on its way out: what happened, its numbers, and its bytes in each view, written when somebody first asks.

Answer, private sessions, feed, past and archive all hold the same object, so that nothing is written twice, and most of the past,
which nobody asks for, never.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from botpit.wire.encode import Encoder
from botpit.wire.forms import View


class Outgoing(Struct, gc=False):
    """`trader`: whose own event it is, "" when nobody's. `channel` and `symbol`: where the public reads it; "": nowhere.

    A relay and an archive know an event by its bytes alone: then there is no `event`, and what they do not have is empty.
    """

    channel: str
    symbol: str
    seq: int
    public: bytes = b""
    observer: bytes = b""
    own: bytes = b""
    trader: str = ""
    channel_seq: int = 0
    event: Any = None
    encoder: Encoder | None = None

    def bytes(self, view: View) -> bytes:
        """The message in a view; empty when it has none there."""
        written: bytes = getattr(self, view)
        if not written and self.encoder is not None and (view != "observer" or self.channel == "orders"):
            written = self.encoder.event(self.event, view, self.seq, self.channel_seq)
            setattr(self, view, written)
        return written
