"""What clients of a test's exchange say to it again and again, as JSON or what becomes JSON."""

from __future__ import annotations

import json
from typing import Any

Message = dict[str, Any]

PING = {"type": "ping"}
LOGIN = {"type": "login", "trader_id": "alice"}
ALICE = {"trader_id": "alice"}
DEFAULT = ["book", "liquidations", "positions", "status", "trades"]
EVERYTHING = [*DEFAULT, "book_delta", "orders", "orders_full"]
"""Channels of the feed."""


def text(**fields: object) -> str:
    return json.dumps(fields)


def frame_of(request: object) -> bytes:
    """The bytes of a frame: of bytes, text, or what becomes JSON."""
    if isinstance(request, bytes):
        return request
    return (request if isinstance(request, str) else json.dumps(request)).encode()


def order(
    trader: str | None = None,
    side: str = "buy",
    qty: int = 1,
    price: float | None = 100.0,
    **more: Any,
) -> Message:
    """An order; `trader` None: left to the login, `price` None: a market order."""
    fields = {"type": "order", "side": side, "qty": qty, **more}
    fields |= {} if trader is None else {"trader_id": trader}
    return fields | ({"order_type": "market"} if price is None else {"price": price})


def status(**which: object) -> Message:
    return {"type": "order_status", **which}
