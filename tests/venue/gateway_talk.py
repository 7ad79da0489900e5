"""What the tests of the gateway say to it again and again."""

from __future__ import annotations

from tests.socketless_venue import SocketlessVenue, order

PING = {"type": "ping"}
LOGIN = {"type": "login", "trader_id": "alice"}
ALICE = {"trader_id": "alice"}
EVENTS = {"order_accepted", "order_replaced", "order_cancelled", "fill"}


def status(**which: object) -> dict[str, object]:
    return {"type": "order_status", **which}


def types(messages: list[dict]) -> list[str]:
    return [each["type"] for each in messages]


def quotes(
    venue: SocketlessVenue,
    *traders: str,
    side: str = "sell",
    price: float = 100.0,
    qty: int = 5,
) -> None:
    """Each trader rests an order, in this order."""
    for trader in traders:
        answer = venue.client().asks(order(trader, side, qty, price, client_order_id="quote"))
        assert answer["type"] == "order_accepted", answer
