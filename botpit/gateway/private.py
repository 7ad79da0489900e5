"""Each trader's private events as they were told, for a login that asks for what it missed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from msgspec import Struct

from botpit.exchange.events import (
    AccountStatus,
    AllCancelled,
    Event,
    Fill,
    Liquidation,
    LoggedOut,
    OrderAccepted,
    OrderCancelled,
    OrderReplaced,
    PrivateEvent,
    Rejected,
)
from botpit.wire.encode import Encoder

PRIVATE = frozenset((OrderAccepted, OrderReplaced, OrderCancelled, Fill, Liquidation, AccountStatus))
"""The events that are numbered among a trader's own."""
ANSWERS = PRIVATE | {Rejected, AllCancelled, LoggedOut}
"""The events that answer a command as they are."""
MAX_EVENTS_PER_TRADER = 10_000
MAX_EVENTS = 500_000
"""Over all traders; the oldest are forgotten first."""


def private_events(events: Iterable[Event]) -> Iterator[tuple[str, PrivateEvent]]:
    """(trader, event) of those that are numbered among a trader's own; an answer given again is not."""
    for event in events:
        kind = type(event)
        if kind is OrderAccepted:
            if not event.repeated:  # type: ignore[union-attr]  # its type has just been looked at
                yield event.order.trader, event  # type: ignore[union-attr, misc]
        elif kind in PRIVATE:
            yield event.trader, event  # type: ignore[union-attr, misc]


class Told(Struct, gc=False):
    """An event that was told long ago, as its bytes."""

    trader: str
    account_seq: int
    message: bytes


class PrivateTape:
    """The last private events of every trader. They are written out only for somebody who missed them."""

    def __init__(self, encoder: Encoder, per_trader: int = MAX_EVENTS_PER_TRADER, in_all: int = MAX_EVENTS) -> None:
        self._encoder = encoder
        self._by_trader: dict[str, deque[PrivateEvent | Told]] = {}
        self._in_order: deque[PrivateEvent | Told] = deque()
        self._per_trader = per_trader
        self._in_all = in_all

    def append(self, trader: str, event: PrivateEvent | Told) -> None:
        kept = self._by_trader.get(trader)
        if kept is None:
            kept = self._by_trader[trader] = deque(maxlen=self._per_trader)
        kept.append(event)
        self._in_order.append(event)
        if len(self._in_order) > self._in_all:
            self._forget(self._in_order.popleft())

    def _forget(self, event: PrivateEvent | Told) -> None:
        """Unless its trader's own bound has dropped it before."""
        trader = event.order.trader if isinstance(event, OrderAccepted) else event.trader
        kept = self._by_trader[trader]
        if kept and kept[0] is event:
            kept.popleft()

    def after(self, trader: str, account_seq: int, newest: int) -> list[bytes] | None:
        """The trader's events after `account_seq` up to `newest`; None when some of them are no longer kept."""
        missing = newest - account_seq
        if not missing:
            return []
        kept = self._by_trader.get(trader, ())
        return [self._message(event) for event in list(kept)[-missing:]] if missing <= len(kept) else None

    def _message(self, event: PrivateEvent | Told) -> bytes:
        return event.message if isinstance(event, Told) else self._encoder.private(event)
