"""What a test's exchange said: read, sorted, and first of all checked.

Every message that anybody is sent is validated, strictly and without spare keys, as the message class of its
type.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter

from botpit.wire.explain import twin
from message_schemas import MESSAGE_CLASSES
from tests.socketless.requests import Message

PRIVATE = {"order_accepted", "order_replaced", "order_cancelled", "fill"}
CHANNEL_OF = {
    "trade": "trades",
    "position_update": "positions",
    "order_add": "orders",
    "order_reduce": "orders",
    "order_remove": "orders",
}
_ADAPTERS = {name: TypeAdapter(twin(cls)) for name, cls in MESSAGE_CLASSES.items()}


def checked(message: bytes) -> Message:
    """The message, valid to the letter: known type, right types, no key that its class does not name."""
    fields: Message = json.loads(message, object_pairs_hook=_no_key_twice)
    _ADAPTERS[fields["type"]].validate_json(message, strict=True, extra="forbid")
    return fields


def _no_key_twice(pairs: list[tuple[str, Any]]) -> Message:
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)


def read(frame: bytes) -> Any:
    """The message of a frame, or the list of those in an array, checked."""
    return messages_of(frame) if frame[:1] == b"[" else checked(frame)


def messages_of(frame: bytes) -> list[Message]:
    """The messages of a frame, each checked; an array's elements are checked as they stand in it."""
    if frame[:1] != b"[":
        return [checked(frame)]
    return [checked(json.dumps(each).encode()) for each in json.loads(frame)]


def pieces(frame: bytes) -> list[bytes]:
    """The messages of a frame as bytes, unchecked: what a line can lose one by one."""
    if frame[:1] != b"[":
        return [frame]
    return [json.dumps(each, separators=(",", ":")).encode() for each in json.loads(frame)]


def whole(messages: list[bytes], like: bytes) -> bytes:
    """One frame of these messages: an array where `like` is one."""
    return b"[%b]" % b",".join(messages) if like[:1] == b"[" else messages[0]


# -------------------------------------------------------------------------------------------- sorted


def types(messages: list[Message]) -> list[str]:
    return [each["type"] for each in messages]


def channel(event: Message) -> str:
    """The channel of an event that is a trade, a position or an order's; "" for whatever else."""
    name = CHANNEL_OF.get(event["type"], "")
    return "orders_full" if name == "orders" and "trader_id" in event else name


def events(messages: list[Message], *channels: str) -> list[Message]:
    """The numbered events among the messages, or those of these channels."""
    numbered = [
        each for each in messages if "channel_seq" in each and each["type"] != "snapshot"
    ]
    return [each for each in numbered if not channels or channel(each) in channels]
