"""What an exchange's clients know by themselves: what they sent, and every message they got.

Nothing here asks the exchange how it works: a trader's events are kept as the bytes that came, and folded
into his orders and positions. Each event needs a cause among what was sent. Whatever does not fit is a
`Difference`, the first one ends the run.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec

decode = msgspec.json.Decoder().decode
Message = dict[str, Any]
SIGNS = {"buy": 1, "sell": -1}
REPEATED = b',"repeated":true'
ORDER_FIELDS = ("side", "qty", "price", "symbol")


class Difference(Exception):
    """What the exchange says does not go with what its clients know.

    `kind`: lost, doubled, invented or changed.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


@dataclass(slots=True, eq=False)
class Sent:
    """One order, and what is known to have become of it.

    `replaces` (price, qty) and `cancels`: sent, without an event so far.
    """

    trader: str
    request: Message
    answered: bool = False
    order_id: int | None = None
    refused: str | None = None
    accepted: bytes = b""
    price: float | None = None
    qty: int = 0
    filled: int = 0
    cancelled: int = 0
    replaces: Counter[tuple[float | None, int]] = field(default_factory=Counter)
    cancels: int = 0

    @property
    def client_order_id(self) -> str:
        return str(self.request["client_order_id"])

    @property
    def leaves(self) -> int:
        if self.order_id is None:
            return 0
        return self.qty - self.filled - self.cancelled

    @property
    def status(self) -> str:
        if self.refused:
            return "rejected"
        if self.leaves:
            return "open"
        return "cancelled" if self.cancelled else "filled"

    def forget_unanswered(self) -> None:
        """Cancels and replaces without an event by now will never have one."""
        self.cancels = 0
        self.replaces.clear()

    def state(self) -> Message:
        """What `order_status` has to say of it, if it came in."""
        told = {
            "order_id": self.order_id,
            "client_order_id": self.client_order_id,
            "status": self.status,
        }
        if self.refused:
            return told | {"reason": self.refused}
        amounts = {
            "filled_qty": self.filled,
            "leaves_qty": self.leaves,
            "cancelled_qty": self.cancelled,
        }
        return told | amounts | {"price": self.price, "qty": self.qty}


@dataclass(slots=True)
class Trade:
    """One public trade, and each side's fill."""

    public: bytes = b""
    fills: dict[str, Message] = field(default_factory=dict)

    def check(self, trade_id: int) -> None:
        """Raises Difference when the three do not agree."""
        if not self.public:
            raise Difference(
                "lost", f"trade {trade_id} has fills and was not told: {self.fills}"
            )
        told = decode(self.public)
        for side in SIGNS:
            fill = self.fills.get(side)
            if fill is None:
                raise Difference(
                    "invented", f"trade {trade_id} has no fill of its {side} side: {told}"
                )
            seen = [fill[key] for key in ("trader_id", "order_id", "price", "qty", "symbol")]
            if seen != [
                told[f"{side}_trader_id"],
                told[f"{side}_order_id"],
                told["price"],
                told["qty"],
                told["symbol"],
            ]:
                raise Difference("changed", f"trade {trade_id}: {fill} is no side of {told}")


class ClientLedger:
    """All traders and all trades of one market.

    `floor`: order ids up to this were given out before the last restart.
    """

    def __init__(self, traders: dict[str, bool]) -> None:
        self.accounts = {
            trader: Account(trader, self, drops) for trader, drops in traders.items()
        }
        self.trades: dict[int, Trade] = {}
        self.touched: set[int] = set()
        self.order_ids: set[int] = set()
        self.floor = self.highest = 0
        self.seq = self.told_trades = 0

    def takes_fill(self, fill: Message) -> None:
        trade = self.trades.setdefault(fill["trade_id"], Trade())
        if fill["side"] in trade.fills:
            raise Difference("doubled", f"{fill} comes after {trade.fills[fill['side']]}")
        trade.fills[fill["side"]] = fill
        self.touched.add(fill["trade_id"])

    def takes_trade(self, text: bytes, told: Message, *, again: bool) -> None:
        """One of the event stream; `again`: the past was asked for."""
        number = told["trade_id"]
        trade = self.trades.setdefault(number, Trade())
        if trade.public and not again:
            raise Difference("doubled", f"{text!r} comes after {trade.public!r}")
        if trade.public not in (b"", text):
            raise Difference("changed", f"{text!r} was {trade.public!r}")
        if not trade.public and number != self.told_trades + 1:
            raise Difference("lost", f"trade {number} comes after trade {self.told_trades}")
        trade.public, self.told_trades = text, max(number, self.told_trades)
        self.touched.add(number)

    def takes_order_id(self, number: int) -> None:
        if number in self.order_ids:
            raise Difference("doubled", f"order id {number} is given out twice")
        if number <= self.floor:
            raise Difference(
                "changed",
                f"order id {number} comes after {self.floor}, which was given out before the restart",
            )
        self.order_ids.add(number)
        self.highest = max(self.highest, number)

    def settle(self) -> int:
        """Everything that happened is known now: check the trades it brought; how many."""
        for number in sorted(self.touched):
            self.trades[number].check(number)
        settled = len(self.touched)
        self.touched.clear()
        self.floor = self.highest
        return settled


class Account:
    """One trader.

    `events`: his private events from the first on, without a hole; `ahead`: later ones, known by their
    answers.
    """

    def __init__(self, trader: str, ledger: ClientLedger, cancels_on_disconnect: bool) -> None:
        self.trader = trader
        self.cancels_on_disconnect = cancels_on_disconnect
        self.orders: dict[str, Sent] = {}
        self.events: list[bytes] = []
        self.ahead: dict[int, bytes] = {}
        self.positions: Counter[str] = Counter()
        self.open: dict[int, Sent] = {}
        self._by_id: dict[int, Sent] = {}
        self._ledger = ledger

    @property
    def known(self) -> int:
        """The last private event that came, holes or not."""
        return max(self.ahead, default=len(self.events))

    def takes(self, text: bytes, number: int) -> None:
        """Take a private event, new or repeated."""
        held = (
            self.events[number - 1]
            if number <= len(self.events)
            else self.ahead.get(number, text)
        )
        if held != text:
            raise Difference(
                "changed", f"event {number} of {self.trader} is {text!r}, and was {held!r}"
            )
        if number > len(self.events):
            self.ahead[number] = text
        while len(self.events) + 1 in self.ahead:
            self.events.append(self.ahead.pop(len(self.events) + 1))
            self._fold(decode(self.events[-1]))

    def takes_accepted(self, text: bytes, told: Message) -> None:
        """The answer to an order; one that was in already gets the first answer again."""
        self.takes(
            text.replace(REPEATED, b"") if told.get("repeated") else text, told["account_seq"]
        )

    def takes_refusal(self, order: Sent, reason: str) -> None:
        if order.order_id is not None or order.refused not in (None, reason):
            raise Difference("changed", f"{self._say(order)} is refused now: {reason}")
        order.refused = reason

    # --------------------------------------------------------------------------------------- what events mean

    def _fold(self, event: Message) -> None:
        match event["type"]:
            case "order_accepted":
                return self._accepted(event)
            case "order_replaced" | "order_cancelled" | "fill" if (
                event["order_id"] in self._by_id
            ):
                order = self._by_id[event["order_id"]]
            case _:
                raise Difference("invented", f"nobody caused {event}")
        if event["type"] == "order_replaced":
            self._replaced(order, event)
        elif event["type"] == "fill":
            self._filled(order, event)
        else:
            self._cancelled(order, event)
        if event["leaves_qty"] != order.leaves:
            raise Difference(
                "changed",
                f"{self._say(order)} has {order.leaves} lots open, not those of {event}",
            )
        if not order.leaves:
            self.open.pop(event["order_id"], None)

    def _accepted(self, event: Message) -> None:
        order = self.orders.get(event["client_order_id"])
        if order is None or any(event[key] != order.request.get(key) for key in ORDER_FIELDS):
            raise Difference("invented", f"nobody sent {event}")
        if order.order_id is not None or order.refused:
            raise Difference("doubled", f"{self._say(order)} is there already: {event}")
        self._ledger.takes_order_id(event["order_id"])
        order.order_id, order.price, order.qty = event["order_id"], event["price"], event["qty"]
        order.accepted = self.events[-1]
        self._by_id[event["order_id"]] = self.open[event["order_id"]] = order

    def _replaced(self, order: Sent, event: Message) -> None:
        terms = (event["price"], event["qty"])
        if not order.replaces[terms]:
            raise Difference("invented", f"nobody asked for {event}")
        order.replaces[terms] -= 1
        order.price, order.qty = terms

    def _filled(self, order: Sent, event: Message) -> None:
        order.filled += event["qty"]
        self.positions[event["symbol"]] += SIGNS[event["side"]] * event["qty"]
        self._ledger.takes_fill(event)

    def _cancelled(self, order: Sent, event: Message) -> None:
        is_caused = {
            "requested": order.cancels > 0,
            "ioc": order.request.get("time_in_force") == "ioc"
            or order.request.get("order_type") == "market",
            "price_band": order.request.get("order_type") == "market",
            "self_trade": True,
            "disconnect": self.cancels_on_disconnect,
        }
        if not is_caused.get(event["reason"], False):
            raise Difference("invented", f"nobody caused {event}")
        order.cancels -= event["reason"] == "requested"
        order.cancelled += event["cancelled_qty"]

    def _say(self, order: Sent) -> str:
        return f"order {order.client_order_id} of {self.trader} (id {order.order_id})"

    # --------------------------------------------------------------------------- what the exchange has to say

    def check_status(self, order: Sent, told: Message) -> bool:
        """Hold an `order_status` against what is known; whether the order is there at all."""
        if told["status"] == "unknown":
            if order.answered or order.order_id is not None:
                raise Difference(
                    "lost", f"{self._say(order)} was answered and is unknown: {told}"
                )
            if not told["complete"]:
                raise Difference(
                    "lost",
                    f"{self._say(order)} is unknown, and it is not told whether it ever came in: {told}",
                )
            return False
        if told["status"] == "rejected" and not order.answered:
            self.takes_refusal(order, told["reason"])
        if order.order_id is None and order.refused is None:
            raise Difference("lost", f"{self._say(order)} is there without its event: {told}")
        wrong = {key: value for key, value in order.state().items() if told[key] != value}
        if wrong:
            raise Difference("changed", f"{self._say(order)} should have {wrong}: {told}")
        return True

    def check_open_orders(self, told: Message) -> None:
        found = {each["order_id"]: each["leaves_qty"] for each in told["orders"]}
        expected = {number: order.leaves for number, order in sorted(self.open.items())}
        if found != expected:
            kind = "changed"
            if found.keys() - expected.keys():
                kind = "invented"
            elif expected.keys() - found.keys():
                kind = "lost"
            raise Difference(kind, f"open orders of {self.trader} are {found}, not {expected}")

    def check_account(self, told: Message) -> None:
        found = {
            each["symbol"]: each["position"] for each in told["positions"] if each["position"]
        }
        expected = {symbol: lots for symbol, lots in self.positions.items() if lots}
        if (found, told["account_seq"]) != (expected, len(self.events)):
            raise Difference(
                "changed",
                f"{self.trader} should have {expected} after {len(self.events)} events: {told}",
            )
