"""Books of `book_delta` and of `orders`, rebuilt by folds that share no code with the project; and
the engine's, to compare.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

from tests.socketless_venue import Listener, Message, SocketlessVenue

CHANNEL_OF = {
    "trade": "trades",
    "position_update": "positions",
    "order_add": "orders",
    "order_reduce": "orders",
    "order_remove": "orders",
}


def types(messages: list[Message]) -> list[str]:
    return [each["type"] for each in messages]


def channel(event: Message) -> str:
    """The channel of an event; "" for a view."""
    name = CHANNEL_OF.get(event["type"], "")
    return "orders_full" if name == "orders" and "trader_id" in event else name


def events(messages: list[Message], *channels: str) -> list[Message]:
    return [
        each
        for each in messages
        if channel(each) and (not channels or channel(each) in channels)
    ]


def reading(venue: SocketlessVenue, *channels: str, **more: Any) -> Listener:
    """A reader of these channels that has its snapshot behind it."""
    listener = venue.listener()
    listener.asks(type="subscribe", channels=list(channels), **more)
    return listener


def rests(venue: SocketlessVenue, *orders: Message) -> None:
    for each in orders:
        assert venue.client().asks(each)["type"] == "order_accepted"


class DeltaBook:
    """One book from a snapshot and the deltas after it."""

    def __init__(self, snapshot: Message, symbol: str) -> None:
        state = snapshot["books"][symbol]
        self.tick = next(
            each["tick"] for each in snapshot["instruments"] if each["symbol"] == symbol
        )
        self.symbol, self.seq = symbol, state["book_seq"]
        self.levels = {"bids": dict(state["bids"]), "asks": dict(state["asks"])}

    def fold(self, message: Message) -> None:
        if message["type"] != "book_delta" or message["symbol"] != self.symbol:
            return
        assert message["prev_book_seq"] == self.seq, "never a hole, never conflated"
        self.seq = message["book_seq"]
        for side, levels in self.levels.items():
            for price, qty in message[side]:
                assert qty != levels.get(price, 0), "a delta tells what changed"
                levels[price] = qty
                if not qty:
                    del levels[price]
        assert self.checksum() == message["checksum"]

    def sides(self) -> tuple[list[list[float]], list[list[float]]]:
        bids, asks = (sorted(map(list, self.levels[side].items())) for side in ("bids", "asks"))
        return bids[::-1], asks

    def checksum(self) -> int:
        bids, asks = self.sides()
        return crc32(
            "|".join(
                f"{round(price / self.tick)}:{qty}" for price, qty in bids[:10] + asks[:10]
            ).encode("ascii")
        )


class OrderBook:
    """One book order by order, from a snapshot and the order events after it."""

    def __init__(self, snapshot: Message, symbol: str) -> None:
        self.symbol = symbol
        self.orders = {
            each["order_id"]: dict(each) for each in snapshot["books"][symbol]["orders"]
        }

    def fold(self, event: Message) -> None:
        if CHANNEL_OF.get(event["type"]) != "orders" or event["symbol"] != self.symbol:
            return
        match event["type"]:
            case "order_add":
                assert event["order_id"] not in self.orders
                self.orders[event["order_id"]] = {
                    key: event[key]
                    for key in ("order_id", "side", "price", "qty", "trader_id")
                    if key in event
                }
            case "order_reduce":
                self.orders[event["order_id"]]["qty"] -= event["qty"]
                assert self.orders[event["order_id"]]["qty"] > 0, (
                    "what leaves nothing is a remove"
                )
            case "order_remove":
                del self.orders[event["order_id"]]

    def queue(self) -> list[Message]:
        """In order of priority: bids, then asks, best first, then in order of entry."""
        sides = [
            [each for each in self.orders.values() if each["side"] == side]
            for side in ("buy", "sell")
        ]
        return sorted(sides[0], key=lambda each: -each["price"]) + sorted(
            sides[1], key=lambda each: each["price"]
        )


def engine_levels(
    venue: SocketlessVenue, symbol: str
) -> tuple[list[list[float]], list[list[float]]]:
    """The engine's own book, all of it, as people write it."""
    market = venue.exchange.markets[symbol]
    scale = market.instrument.tick_units / 10**market.instrument.tick_decimals
    bids, asks = ([[round(level.price * scale, 8), sum(each.leaves for each in level)] for level in side]
                  for side in (market.book.bids, market.book.asks))  # fmt: skip
    return bids, asks


def engine_queue(venue: SocketlessVenue, symbol: str, *, full: bool) -> list[Message]:
    market = venue.exchange.markets[symbol]
    scale = market.instrument.tick_units / 10**market.instrument.tick_decimals
    queue = []
    for name, side in (("buy", market.book.bids), ("sell", market.book.asks)):
        for each in (record for level in side for record in level):
            queue.append(
                {
                    "order_id": each.id,
                    "side": name,
                    "price": round(each.price * scale, 8),
                    "qty": each.leaves,
                }
            )
            queue[-1] |= {"trader_id": each.order.trader} if full else {}
    return queue
