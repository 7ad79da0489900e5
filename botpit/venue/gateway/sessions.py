"""One connection to order entry: whom it acts for, what waits to be sent to it, and its rates."""

from __future__ import annotations

import message_schemas as wire
from botpit.core.events import Answer, PrivateEvent
from botpit.venue.rates import Bucket

NOT_FIRST = "login is the first request of its socket"


Sendable = bytes | Answer | PrivateEvent
"""Something to be sent: its bytes, or the event whose bytes are made when it is sent."""


class Session:
    """`outbox` holds messages to be sent; `ended`: close the connection with 1000 once they are.

    `trader` is None on a plain session; `bucket` is the rate of what names no account that is there.
    """

    __slots__ = ("bucket", "ended", "last_message_ns", "number", "outbox", "trader", "used")

    def __init__(self, max_requests_per_s: int) -> None:
        self.trader: str | None = None
        self.number = 0
        self.used = False
        self.ended = False
        self.outbox: list[Sendable] = []
        self.last_message_ns = 0
        self.bucket = Bucket(max_requests_per_s)

    @property
    def is_fresh(self) -> bool:
        """Whether it may still log in."""
        return not self.used and self.trader is None

    @property
    def is_operator(self) -> bool:
        return self.trader == wire.OPERATOR


class Buckets:
    """One trader's rates, over all of its sessions."""

    __slots__ = ("cancels", "requests")

    def __init__(self, max_requests_per_s: int, max_cancels_per_s: int) -> None:
        self.requests = Bucket(max_requests_per_s)
        self.cancels = Bucket(max_cancels_per_s)
