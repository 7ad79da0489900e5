"""The fields that a relay needs of the messages it passes on, read without the rest of them."""

from __future__ import annotations

from typing import Any

import msgspec


class Head(msgspec.Struct):
    """The fields that a relay reads; one that a message does not have keeps its default."""

    type: str
    seq: int = 0
    channel_seq: int | dict[str, Any] = 0
    symbol: str = ""
    trader_id: str | None = None
    request_id: int | None = None
    reason: str = ""


class _Named(msgspec.Struct):
    symbol: str


class _Levels(msgspec.Struct):
    bids: list[Any]
    asks: list[Any]
    orders: list[dict[str, Any]] | None = None


class _SnapshotShape(msgspec.Struct):
    """The fields that a snapshot must have to be cut; the rest passes unchanged."""

    seq: int
    market_id: str
    channel_seq: dict[str, dict[str, int]]
    instruments: list[_Named]
    books: dict[str, _Levels]
    positions: list[_Named]


_array = msgspec.json.Decoder(list[msgspec.Raw])
_head = msgspec.json.Decoder(Head)
_fields = msgspec.json.Decoder(dict[str, Any])


def split_frame(frame: bytes) -> list[bytes]:
    """The messages of a frame, each as its own bytes. Raises ValueError when the frame is not JSON."""
    if frame[:1] != b"[":
        return [frame]
    return list(map(bytes, _array.decode(frame)))


def head(message: bytes) -> Head:
    """Raises ValueError when the bytes are no message."""
    return _head.decode(message)


def snapshot_fields(message: bytes) -> dict[str, Any]:
    """A snapshot as plain values. Raises ValueError when it lacks a field of every snapshot."""
    fields = _fields.decode(message)
    msgspec.convert(fields, _SnapshotShape)
    return fields
