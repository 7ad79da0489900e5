"""Which message an event of the engine becomes, and who gets it: once, for all that count, send or
read events.

The channel of a public message is the vocabulary's (`CHANNEL_OF` in `message_schemas.py`). A new
public event is itself, its message, a row there and a row here; `wire/forms.py` writes it from its
fields.
"""

from __future__ import annotations

from typing import Any

import message_schemas as wire
from botpit.core import events as ev

MESSAGES: dict[type[Any], type[Any]] = {
    ev.Trade: wire.Trade,
    ev.PositionUpdate: wire.PositionUpdate,
    ev.OrderAdded: wire.OrderAdd,
    ev.OrderReduced: wire.OrderReduce,
    ev.OrderRemoved: wire.OrderRemove,
    ev.Liquidation: wire.Liquidation,
    ev.AccountStatus: wire.AccountStatus,
    ev.InsuranceUpdate: wire.InsuranceUpdate,
    ev.MarketStatus: wire.MarketStatus,
}
"""The message of each public event. A snapshot has the numbers of the channels in this order."""
CHANNELS: dict[type[Any], str] = {
    event: wire.CHANNEL_OF[message] for event, message in MESSAGES.items()
}
"""The channel of each public event."""
OF_NO_SYMBOL = frozenset(
    event for event, message in MESSAGES.items() if "symbol" not in message.__struct_fields__
)
"""Public events that are counted across all instruments."""

PRIVATE_MESSAGES: dict[type[Any], type[Any]] = {
    ev.OrderAccepted: wire.OrderAccepted,
    ev.OrderReplaced: wire.OrderReplaced,
    ev.OrderCancelled: wire.OrderCancelled,
    ev.Fill: wire.Fill,
    ev.Liquidation: wire.Liquidation,
    ev.AccountStatus: wire.AccountStatus,
}
"""The message of each event that is numbered among a trader's own, by `account_seq`."""
ANSWERS: dict[type[Any], type[Any]] = {
    ev.AllCancelled: wire.AllCancelled,
    ev.LoggedOut: wire.LoggedOut,
}
"""Answers that are nothing else. (`logged_in` and `closed` need more than their event has.)"""
REFUSALS: dict[ev.Request, type[Any]] = {
    ev.Request.ORDER: wire.OrderRejected,
    ev.Request.REPLACE: wire.ReplaceRejected,
    ev.Request.CANCEL: wire.CancelRejected,
    ev.Request.LOGIN: wire.Error,
    ev.Request.OPERATOR: wire.Error,
}
"""The message that refuses each request."""
