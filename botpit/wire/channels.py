"""Which message an event of the engine becomes, and on which channel: once, for whoever counts, sends or reads events.

The channel of a message is the vocabulary's (`CHANNEL_OF` in `message_schemas.py`). A new public event is itself, its message, a
row there and a row here.
"""

from __future__ import annotations

from typing import Any

import message_schemas as wire
from botpit.core.events import (
    AccountStatus,
    InsuranceUpdate,
    Liquidation,
    MarketStatus,
    OrderAdded,
    OrderReduced,
    OrderRemoved,
    PositionUpdate,
    Trade,
)

MESSAGES: dict[type[Any], type[Any]] = {
    Trade: wire.Trade, PositionUpdate: wire.PositionUpdate, OrderAdded: wire.OrderAdd, OrderReduced: wire.OrderReduce,
    OrderRemoved: wire.OrderRemove, Liquidation: wire.Liquidation, AccountStatus: wire.AccountStatus,
    InsuranceUpdate: wire.InsuranceUpdate, MarketStatus: wire.MarketStatus,
}  # fmt: skip
"""The message of each public event. A snapshot has the numbers of the channels in this order."""
CHANNELS: dict[type[Any], str] = {event: wire.CHANNEL_OF[message] for event, message in MESSAGES.items()}
"""The channel of each public event."""
OF_NO_SYMBOL = frozenset(event for event, message in MESSAGES.items() if "symbol" not in message.__struct_fields__)
"""Public events that are counted across all instruments."""
