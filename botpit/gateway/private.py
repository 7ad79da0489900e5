"""Each trader's private events as they were told, for a login that asks for what it missed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from botpit.exchange.events import (
    AccountStatus,
    Event,
    Fill,
    Liquidation,
    OrderAccepted,
    OrderCancelled,
    OrderReplaced,
    PrivateEvent,
)
from botpit.wire.encode import Encoder

_PRIVATE = (OrderAccepted, OrderReplaced, OrderCancelled, Fill, Liquidation, AccountStatus)
MAX_EVENTS_PER_TRADER = 10_000
MAX_EVENTS = 500_000
"""Over all traders; the oldest are forgotten first."""


def owner_of(event: Event) -> str | None:
    """The trader among whose own events this is numbered; an answer given again is not."""
    if not isinstance(event, _PRIVATE) or (isinstance(event, OrderAccepted) and event.repeated):
        return None
    return event.order.trader if isinstance(event, OrderAccepted) else event.trader


def private_events(events: Iterable[Event]) -> Iterator[tuple[str, PrivateEvent]]:
    """(trader, event) of those that are numbered among a trader's own."""
    for event in events:
        owner = owner_of(event)
        if owner is not None:
            yield owner, event  # type: ignore[misc]  # owner_of has looked at its type


class PrivateMessage:
    """One event for one trader. Its bytes are made when somebody first wants them, unless they are known already."""

    __slots__ = ("_encoder", "_event", "_message", "account_seq")

    def __init__(self, event: PrivateEvent, encoder: Encoder) -> None:
        self.account_seq = event.account_seq
        self._event: PrivateEvent | None = event
        self._encoder: Encoder | None = encoder
        self._message = b""

    @classmethod
    def kept(cls, account_seq: int, message: bytes) -> PrivateMessage:
        """One that was told long ago."""
        told = cls.__new__(cls)
        told.account_seq, told._event, told._encoder, told._message = account_seq, None, None, message
        return told

    def message(self) -> bytes:
        if not self._message:
            assert self._event is not None and self._encoder is not None, self.account_seq
            self._message = self._encoder.private(self._event)
        return self._message


class PrivateTape:
    """The last private events of every trader."""

    def __init__(self, per_trader: int = MAX_EVENTS_PER_TRADER, in_all: int = MAX_EVENTS) -> None:
        self._by_trader: dict[str, deque[PrivateMessage]] = {}
        self._in_order: deque[tuple[str, int]] = deque()
        self._per_trader = per_trader
        self._in_all = in_all

    def append(self, trader: str, message: PrivateMessage) -> None:
        kept = self._by_trader.setdefault(trader, deque())
        kept.append(message)
        if len(kept) > self._per_trader:
            kept.popleft()
        self._in_order.append((trader, message.account_seq))
        if len(self._in_order) > self._in_all:
            self._forget(*self._in_order.popleft())

    def _forget(self, trader: str, account_seq: int) -> None:
        kept = self._by_trader[trader]
        if kept and kept[0].account_seq == account_seq:
            kept.popleft()

    def after(self, trader: str, account_seq: int, newest: int) -> list[bytes] | None:
        """The trader's events after `account_seq` up to `newest`; None when some of them are no longer kept."""
        missing = newest - account_seq
        if not missing:
            return []
        kept = self._by_trader.get(trader, ())
        return [message.message() for message in list(kept)[-missing:]] if missing <= len(kept) else None
