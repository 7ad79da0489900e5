"""What a relay needs to know of the messages that pass through it, read without understanding the rest of them."""

from __future__ import annotations

from typing import Any

import msgspec


class Head(msgspec.Struct):
    """The fields a relay looks at; what a message does not have is left at its default."""

    type: str
    seq: int = 0
    channel_seq: int | dict[str, Any] = 0
    symbol: str = ""
    trader_id: str | None = None
    request_id: int | None = None
    reason: str = ""


_array = msgspec.json.Decoder(list[msgspec.Raw])
_head = msgspec.json.Decoder(Head)
_any = msgspec.json.Decoder()


def split_frame(frame: bytes) -> list[bytes]:
    """The messages of a frame, each as the bytes it came in. Raises ValueError when the frame is no JSON."""
    return [bytes(each) for each in _array.decode(frame)] if frame[:1] == b"[" else [frame]


def head(message: bytes) -> Head:
    """Raises ValueError when it is no message."""
    return _head.decode(message)


def whole(message: bytes) -> dict[str, Any]:
    """The message as plain values. Raises ValueError when it is no JSON object."""
    fields = _any.decode(message)
    if not isinstance(fields, dict):
        raise ValueError("a message is a JSON object")
    return fields
