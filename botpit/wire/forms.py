"""How an event becomes the bytes of its message: a writer for each, built from the fields of the message.

`message_schemas` says which fields a message has, and in which order. Where the event has a field
under another name or in another unit, a row of `_SOURCES` says so; every other field has the
event's own name. From both a function is compiled, once, the way dataclasses compile a constructor:
it puts the values into a struct of exactly these fields, which msgspec writes in half the time that
it takes to put the same text together.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache
from typing import Any, Literal, cast

import msgspec
from msgspec import UNSET

from botpit.core import events as ev
from botpit.core.commands import BUY
from botpit.wire.numbers import NS_PER_MS
from botpit.wire.units import Units, order_type
from message_schemas import CHANNEL_OF

View = Literal["public", "own", "observer"]
"""Who reads it. `public`: everybody, numbered by `seq` and `channel_seq`. `own`: the trader whose
event it is, numbered by `account_seq`. `observer`: a reader of `orders_full`, to whom the
order-by-order book names its traders.
"""
Write = Callable[[Any, int, int], bytes]
"""An event, its `seq` and its `channel_seq` (of a public view; else 0) to the message's bytes."""

SIDES = {BUY: "buy", -BUY: "sell"}
json_text = msgspec.json.Encoder().encode
"""A value as JSON."""

_SOURCES = {
    "trader_id": "e.trader",
    "buy_trader_id": "e.buyer",
    "sell_trader_id": "e.seller",
    "side": "sides[e.side]",
    "aggressor_side": "sides[e.aggressor]",
    "price": "scales[e.symbol].raw(e.price)",
    "mark_price": "scales[e.symbol].raw(e.mark)",
    "avg_entry_price": "average_entry(e.symbol, e.cost, e.position)",
    "cash": "e.cash / money",
    "fee": "e.fee / money",
    "realized_pnl": "e.realized / money",
    "unrealized_pnl": "e.unrealized / money",
    "total_equity": "e.equity / money",
    "timestamp": "e.now_ns // NS_PER_MS",
    "seq": "seq",
    "channel_seq": "channel_seq",
}
"""Field of a message -> where an event has it, in the unit of the wire."""
_OWN_SOURCES: dict[type[Any], dict[str, str]] = {
    ev.OrderAccepted: {
        **{name: f"e.order.{name}" for name in ("client_order_id", "symbol", "qty")},
        "trader_id": "e.order.trader",
        "side": "sides[e.order.side]",
        "order_type": "order_type(e.order)",
        "price": "asked_price(e.order)",
        "repeated": "e.repeated or UNSET",
    },
    ev.OrderCancelled: {"leaves_qty": "0"},
    ev.Rejected: {"details": "details(e)"},
}
"""Of these events some fields come from elsewhere."""
_LEFT_OUT = {
    "public": {"account_seq"},
    "observer": {"account_seq"},
    "own": {"seq", "channel_seq"},
}
"""The numbers of the other views."""
_LAST = ("timestamp", "request_id")
"""What ends a message, in whichever order its class has the fields."""


def fields_of(message: type[Any], view: View) -> list[str]:
    """The fields of a message in this view, in the order of the wire. The id of a request is added
    by who answers it.
    """
    left_out = {"request_id", *_LEFT_OUT[view]}
    if view == "public" and CHANNEL_OF.get(message) == "orders":
        left_out.add("trader_id")
    fields = [name for name in message.__struct_fields__ if name not in left_out]
    return sorted(fields, key=lambda name: name in _LAST)


def form_of(message: type[Any], view: View) -> Any:
    """A struct of these fields, by position, that takes any values, and among them numbers that are
    text already.
    """
    options = {"tag": message.type, "tag_field": "type"} if hasattr(message, "type") else {}
    return msgspec.defstruct(message.__name__, fields_of(message, view), gc=False, **options)


@cache
def _compiled(event: type[Any], message: type[Any], view: View) -> Callable[..., Write]:
    """Makes the writer, given the units of a market."""
    fields, form = fields_of(message, view), form_of(message, view)
    sources = _SOURCES | _OWN_SOURCES.get(event, {})
    values = ", ".join(sources.get(name, f"e.{name}") for name in fields)
    code = (
        "def bound(units):\n"
        "    scales, money, average_entry = units.scales, units.money, units.average_entry\n"
        "    asked_price, details = units.asked_price, units.details\n"
        "    def write(e, seq, channel_seq):\n"
        f"        return json_text(form({values}))\n"
        "    return write\n"
    )
    names: dict[str, Any] = {
        "form": form,
        "json_text": json_text,
        "sides": SIDES,
        "order_type": order_type,
        "UNSET": UNSET,
        "NS_PER_MS": NS_PER_MS,
    }
    # our own text, made above
    exec(compile(code, f"<writer of {message.type}, {view}>", "exec"), names)
    bound: Callable[..., Write] = names["bound"]
    return bound


def writer(event: type[Any], message: type[Any], view: View, units: Units) -> Write:
    """The writer of one kind of event, for one market."""
    bound = _compiled(cast(Hashable, event), cast(Hashable, message), view)
    return bound(units)
