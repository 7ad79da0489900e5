"""Which events are for one trader's eyes, and whose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from botpit.core.events import (
    AccountStatus,
    Event,
    Fill,
    Liquidation,
    OrderAccepted,
    OrderCancelled,
    OrderReplaced,
    PrivateEvent,
)

PRIVATE = frozenset((OrderAccepted, OrderReplaced, OrderCancelled, Fill, Liquidation, AccountStatus))
"""The events that are numbered among a trader's own."""


def private_events(events: Iterable[Event]) -> Iterator[tuple[str, PrivateEvent]]:
    """(trader, event) of those that are numbered among a trader's own; an answer given again is not."""
    for event in events:
        kind = type(event)
        if kind is OrderAccepted:
            if not event.repeated:  # type: ignore[union-attr]  # its type has just been looked at
                yield event.order.trader, event  # type: ignore[union-attr, misc]
        elif kind in PRIVATE:
            yield event.trader, event  # type: ignore[union-attr, misc]
