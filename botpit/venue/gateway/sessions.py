"""One connection to order entry: whom it acts for, what waits to be read of it and to be sent to
it, and its rates.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import message_schemas as wire
from botpit.core.exchange import Exchange
from botpit.venue.rates import Bucket
from botpit.wire.outgoing import Outgoing

Sendable = bytes | Outgoing
"""Something to be sent: its bytes, or the event whose bytes are written when it is sent."""
Reply = tuple[Sendable | None, list[Sendable]]
"""The one answer to a request, and what its session is sent after it: what it missed, and what it
caused for its trader.

A command that nobody asked for, as when time passes, has no answer.
"""
Rate = Literal["requests", "cancels"]


class Scope(StrEnum):
    """What a session may do, in the word that `logged_in` has for it."""

    TRADE = "trade"
    OPERATE = "house"


@dataclass(frozen=True, slots=True)
class Principal:
    """For whom a session acts, and what it may do. `trader` None: for whomever each request names."""

    trader: str | None
    scopes: frozenset[Scope]


ANYBODY = Principal(None, frozenset((Scope.TRADE,)))
"""Of a session without a login, in an exchange without tokens."""
OPERATOR = Principal(wire.OPERATOR, frozenset((Scope.OPERATE,)))


class Session:
    """`inbox` holds frames to be read, `outbox` messages to be sent; `ended`: close the connection
    with 1000 once they are.

    `bucket` is the rate of what names no account that is there.
    """

    __slots__ = (
        "bucket",
        "ended",
        "inbox",
        "last_message_ns",
        "number",
        "outbox",
        "principal",
        "used",
    )

    def __init__(self, max_requests_per_s: int) -> None:
        self.principal = ANYBODY
        self.number = 0
        self.used = False
        self.ended = False
        self.inbox: deque[bytes] = deque()
        self.outbox: list[Sendable] = []
        self.last_message_ns = 0
        self.bucket = Bucket(max_requests_per_s)

    @property
    def is_fresh(self) -> bool:
        """Whether it may still log in."""
        return not self.used and self.principal is ANYBODY

    @property
    def is_operator(self) -> bool:
        return self.principal is OPERATOR


class Logins:
    """The sessions that are logged in, by trader; the operator's under its own name."""

    def __init__(self) -> None:
        self.by_trader: dict[str, list[Session]] = {}

    def enter(self, session: Session, principal: Principal, number: int) -> None:
        """The session acts for somebody from now on; `number` counts that trader's logins."""
        assert principal.trader is not None, "a login has a name"
        session.principal, session.number = principal, number
        self.by_trader.setdefault(principal.trader, []).append(session)

    def leave(self, session: Session) -> None:
        trader = session.principal.trader
        assert trader is not None, "only who is logged in leaves"
        others = self.by_trader[trader]
        others.remove(session)
        if not others:
            del self.by_trader[trader]

    def count(self) -> int:
        return sum(map(len, self.by_trader.values()))


class Rates:
    """How fast each trader may ask, over all of its sessions. Cancels have a rate of their own."""

    def __init__(
        self, exchange: Exchange, max_requests_per_s: int, max_cancels_per_s: int
    ) -> None:
        self.max_requests_per_s = max_requests_per_s
        self._max_cancels_per_s = max_cancels_per_s
        self._exchange = exchange
        self._buckets: dict[str, dict[Rate, Bucket]] = {}

    def bucket(self, session: Session, trader: str, rate: Rate) -> Bucket:
        """A trader's own; the session's for what names no account that is there."""
        buckets = self._buckets.get(trader)
        if buckets is None:
            if trader not in self._exchange.accounts:
                return session.bucket
            buckets = {
                "requests": Bucket(self.max_requests_per_s),
                "cancels": Bucket(self._max_cancels_per_s),
            }
            self._buckets[trader] = buckets
        return buckets[rate]
