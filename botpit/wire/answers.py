"""The private messages there are most of, as the encoder has them written: in the order of their keys, numbers already as text.

A struct is written in half the time that it takes to put the same text together. What they mean stands in message_schemas.
"""

from __future__ import annotations

import msgspec


class OrderAccepted(msgspec.Struct, tag="order_accepted", tag_field="type", gc=False):
    order_id: int
    trader_id: str
    client_order_id: str | None
    symbol: str
    side: str
    order_type: str
    qty: int
    price: msgspec.Raw | None
    queue_ahead: int
    account_seq: int
    repeated: bool | msgspec.UnsetType
    timestamp: int


class Fill(msgspec.Struct, tag="fill", tag_field="type", gc=False):
    order_id: int | None
    client_order_id: str | None
    trade_id: int | None
    trader_id: str
    symbol: str
    side: str
    price: msgspec.Raw
    qty: int
    leaves_qty: int
    fee: msgspec.Raw
    liquidity: str
    account_seq: int
    timestamp: int


class OrderCancelled(msgspec.Struct, tag="order_cancelled", tag_field="type", gc=False):
    order_id: int
    client_order_id: str | None
    trader_id: str
    symbol: str
    cancelled_qty: int
    leaves_qty: int
    reason: str
    account_seq: int
    timestamp: int


class OrderReplaced(msgspec.Struct, tag="order_replaced", tag_field="type", gc=False):
    order_id: int
    client_order_id: str | None
    trader_id: str
    price: msgspec.Raw
    qty: int
    leaves_qty: int
    kept_priority: bool
    account_seq: int
    timestamp: int


class OpenOrder(msgspec.Struct, gc=False):
    """One order of `open_orders`, which may have thousands."""

    order_id: int
    client_order_id: str | None
    trader_id: str
    symbol: str
    side: str
    order_type: str
    price: msgspec.Raw | None
    qty: int
    filled_qty: int
    leaves_qty: int
    cancelled_qty: int
    status: str
