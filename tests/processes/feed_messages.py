"""What a feed tells a battle's runner, as JSON: short, with what is counted, the rest as usual."""

from __future__ import annotations

import json
from typing import Any

from message_schemas import PositionState
from tests.socketless import told as messages
from tests.socketless.told import fields_of


def position(
    trader: str,
    equity: float,
    *,
    lots: int = 0,
    unrealized: float = 0.0,
    number: int | None = None,
) -> dict[str, Any]:
    """A position of a snapshot; with a number, an update."""
    cash = equity - unrealized
    money = {"lots": lots, "cash": cash, "equity": equity, "realized_pnl": cash - 10_000.0}
    if number is None:
        return fields_of(messages.position(0, trader, cls=PositionState, timestamp=1, **money))
    return fields_of(messages.position(number, trader, seq=number, timestamp=1, **money))


def snapshot(
    *positions: dict[str, Any], trades: int = 0, market_id: str = "m1", status: str = "open"
) -> dict[str, Any]:
    told = messages.snapshot(
        trades, market_id, {"trades": {"SIM": trades}}, {"SIM": messages.book(status=status)}, positions, timestamp=1,
        instruments=[messages.instrument(maker_fee_bps=-1, taker_fee_bps=5, max_qty=100, max_order_qty=100)],
    )  # fmt: skip
    return fields_of(told)


def subscribed(request_id: str | None = None) -> dict[str, Any]:
    return {
        "type": "subscribed",
        "channels": [],
        "symbols": [],
        "batch": True,
        "timestamp": 1,
        "request_id": request_id,
    }


def resumed(request_id: str, from_seq: int = 1) -> dict[str, Any]:
    return {"type": "resumed", "from_seq": from_seq, "timestamp": 1, "request_id": request_id}


def error(request_id: str, reason: str) -> dict[str, Any]:
    return {
        "type": "error",
        "reason": reason,
        "details": {},
        "timestamp": 1,
        "request_id": request_id,
    }


def trade(
    number: int,
    buyer: str = "alice",
    seller: str = "bob",
    *,
    qty: int = 2,
    aggressor: str = "buy",
) -> dict[str, Any]:
    of = {"qty": qty, "buyer": buyer, "seller": seller, "aggressor": aggressor}
    return fields_of(messages.trade(number, seq=number, timestamp=1, **of))


def forced(number: int, trader: str, reason: str = "bankruptcy") -> dict[str, Any]:
    return fields_of(messages.forced(number, reason, trader, qty=2, seq=number, timestamp=1))


def of_the_house(kind: str, number: int, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields, "seq": number, "channel_seq": number, "timestamp": 1}


def told(*messages: dict[str, Any]) -> bytes:
    return json.dumps(messages).encode()
