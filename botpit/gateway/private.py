"""Each trader's private events as they were told, for a login that asks for what it missed."""

from __future__ import annotations

from collections import deque

from botpit.exchange.events import PrivateEvent
from botpit.wire.encode import Encoder

MAX_EVENTS_PER_TRADER = 10_000
MAX_EVENTS = 500_000
"""Over all traders; the oldest are forgotten first."""


class PrivateMessage:
    """One event for one trader. Its bytes are made when somebody first wants them."""

    __slots__ = ("_encoder", "_event", "_message", "account_seq")

    def __init__(self, event: PrivateEvent, encoder: Encoder) -> None:
        self.account_seq = event.account_seq
        self._event = event
        self._encoder = encoder
        self._message = b""

    def message(self) -> bytes:
        if not self._message:
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
