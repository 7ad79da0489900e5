"""Books of `book_delta` and of `orders`, rebuilt by folds that share no code with the project."""

from __future__ import annotations

from zlib import crc32

from tests.socketless.messages import CHANNEL_OF
from tests.socketless.requests import Message


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
