"""The load under which an exchange is killed: traders who trade with each other, each on a socket of his own.

Orders come in arrays or one frame after the other, without waiting; with them come cancels, replaces and orders that are sent
again. Some traders are logged in, the others use plain sessions and get answers only. What is sent and told goes to the witness.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.witness import Account, Difference, Message, Sent, Witness, decode

SYMBOLS = ("SIM", "ALT")
MARKET = """
[market]
starting_cash = 1000000000
max_requests_per_s = 1000000
max_cancels_per_s = 1000000
max_open_orders = 100000
maker_fee_bps = -1
taker_fee_bps = 3
[server]
slow_reader_bytes = 67108864
""" + "".join(f'[[instruments]]\nsymbol = "{symbol}"\n' for symbol in SYMBOLS)
KINDS: tuple[Message, ...] = (
    *({},) * 6, {"time_in_force": "ioc"}, {"time_in_force": "ioc"}, {"post_only": True}, {"time_in_force": "fok"},
)  # fmt: skip
ORDERS_PER_FRAME = 8
CANCELS, REPLACES, RESENT, MARKET_ORDERS, ARRAYS = 0.2, 0.1, 0.02, 0.04, 0.5
"""So many for each order, and so many of the frames."""
RECENT = 40
"""Orders that may still be cancelled or replaced."""
MAX_UNANSWERED = 500
"""A trader waits with more until the exchange has caught up."""
ANSWERS_WITHIN_S = 30.0
_REQUEST_ID = re.compile(rb',"request_id":\d+}$')
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode
_ids = count(1)


@dataclass(slots=True, eq=False)
class Asked:
    """A request on its way. `order`: the one that it is about."""

    message: Message
    order: Sent | None = None


class Session:
    """One socket of one trader. `unanswered`: requests in the order sent; those of a dead socket stay."""

    def __init__(self, socket: ClientConnection, account: Account, *, is_plain: bool) -> None:
        self.unanswered: deque[Asked] = deque()
        self.answers: Counter[str] = Counter()
        self.replies: list[Message] = []
        self.account = account
        self._socket = socket
        self._is_plain = is_plain
        self._more = asyncio.Event()
        self.listening = asyncio.create_task(self._listen())

    async def send(self, *asked: Asked, as_array: bool = False) -> None:
        """Raises ConnectionClosed; what was to be sent may then have been sent."""
        for each in asked:
            each.message["request_id"] = next(_ids)
            if self._is_plain:
                each.message["trader_id"] = self.account.trader
            self.unanswered.append(each)
        messages = [each.message for each in asked]
        for frame in [messages] if as_array else messages:
            await self._socket.send(json.dumps(frame))

    async def answered(self) -> None:
        """Wait until every request has its answer. Raises Difference."""
        while self.unanswered:
            self._more.clear()
            waiting = asyncio.create_task(self._more.wait())
            ends = {waiting, self.listening}
            done, _ = await asyncio.wait(ends, timeout=ANSWERS_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if self.listening in done:
                await self.listening
            if waiting not in done:
                raise Difference("lost", f"no answer to {self.unanswered[0].message}")

    async def is_over_within(self, seconds: float) -> bool:
        """Wait so long, or until the socket is closed."""
        await asyncio.wait({self.listening}, timeout=max(0.0, seconds))
        return self.listening.done()

    async def ask(self, *messages: Message) -> list[Message]:
        """Questions in one array, and their answers."""
        self.replies = []
        await self.send(*map(Asked, messages), as_array=True)
        await self.answered()
        return self.replies

    async def close(self) -> None:
        await self._socket.close()
        await self.listening

    async def _listen(self) -> None:
        """Until the socket is closed. Raises Difference."""
        with suppress(ConnectionClosed):
            while True:
                frame = await self._socket.recv(decode=False)
                for text in map(bytes, _split(frame)) if frame.startswith(b"[") else (frame,):
                    self._take(text)
                self._more.set()

    def _take(self, text: bytes) -> None:
        told: Message = decode(text)
        if "request_id" in told:
            asked = self.unanswered.popleft()
            if asked.message["request_id"] != told["request_id"]:
                raise Difference("lost", f"{asked.message} was not answered, but what came after it: {text!r}")
            return self._take_answer(asked, _REQUEST_ID.sub(b"}", text), told)
        if told["type"] == "heartbeat":
            return None
        if self._is_plain:
            raise Difference("invented", f"a plain session was told {text!r}")
        return self.account.takes(text, told["account_seq"])

    def _take_answer(self, asked: Asked, text: bytes, told: Message) -> None:
        order = asked.order
        if order is None:
            return self.replies.append(told)
        self.answers[told["type"]] += 1
        if told["type"] in ("order_accepted", "order_rejected"):
            order.answered = True
            if told["type"] == "order_accepted":
                self.account.takes_accepted(text, told)
            else:
                self.account.takes_refusal(order, told["reason"])
        elif told["type"] in ("order_cancelled", "order_replaced"):
            self.account.takes(text, told["account_seq"])
        elif told["type"] == "cancel_rejected":
            order.cancels -= 1
        elif told["type"] == "replace_rejected":
            order.replaces[asked.message["price"], asked.message["qty"]] -= 1
        else:
            raise Difference("changed", f"{asked.message} was answered by {text!r}")


async def log_in(uri: str, account: Account, market_id: str, last_seq: int) -> Session:
    """Log in and take what was missed. Raises Difference."""
    socket = await connect(uri, max_size=None, compression=None)
    login = {"type": "login", "trader_id": account.trader, "last_seq": last_seq, "market_id": market_id}
    await socket.send(json.dumps(login | {"cancel_on_disconnect": account.cancels_on_disconnect}))
    told: Message = decode(await socket.recv(decode=False))
    if told["type"] != "logged_in":
        raise Difference("lost", f"{account.trader} knows {account.known} events: {told}")
    if told["account_seq"] < account.known:
        raise Difference("lost", f"{account.trader} knows {account.known} events, the exchange {told['account_seq']}")
    for number in range(last_seq + 1, told["account_seq"] + 1):
        text = await socket.recv(decode=False)
        if decode(text)["account_seq"] != number:
            raise Difference("lost", f"event {number} of {account.trader} is expected, not {text!r}")
        account.takes(text, number)
    return Session(socket, account, is_plain=False)


class Trading:
    """One trader at work on one session."""

    def __init__(self, session: Session, rng: random.Random, orders_per_s: float) -> None:
        self._session = session
        self._account = session.account
        self._rng = rng
        self._orders_per_s = orders_per_s
        self._recent: deque[Sent] = deque(maxlen=RECENT)
        self.sent = 0

    async def trade(self) -> None:
        """Until the exchange is gone. Raises Difference."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self._rng.random() * ORDERS_PER_FRAME / self._orders_per_s
        with suppress(ConnectionClosed):
            while not await self._session.is_over_within(due_s - loop.time()):
                if len(self._session.unanswered) > MAX_UNANSWERED:
                    due_s = loop.time() + 0.01
                    continue
                orders = self._rng.randint(1, ORDERS_PER_FRAME)
                requests = [each for _ in range(orders) for each in self._requests()]
                await self._session.send(*requests, as_array=self._rng.random() < ARRAYS)
                self.sent += orders
                due_s += orders / self._orders_per_s
        await self._session.listening

    def _requests(self) -> list[Asked]:
        """An order, and what sometimes goes with one."""
        order = self._order()
        requests = [Asked(dict(order.request), order)]
        if self._recent and self._rng.random() < CANCELS:
            requests.append(self._cancel(self._rng.choice(self._recent)))
        if self._recent and self._rng.random() < REPLACES:
            requests.append(self._replace(self._rng.choice(self._recent)))
        if self._recent and self._rng.random() < RESENT:
            again = self._rng.choice(self._recent)
            requests.append(Asked(dict(again.request), again))
        self._recent.append(order)
        return requests

    def _order(self) -> Sent:
        request: dict[str, Any] = {
            "type": "order", "symbol": self._rng.choice(SYMBOLS), "side": self._rng.choice(("buy", "sell")),
            "qty": self._rng.randint(1, 9), "client_order_id": f"c-{len(self._account.orders)}",
        }  # fmt: skip
        if self._rng.random() < MARKET_ORDERS:
            request["order_type"] = "market"
        else:
            request |= {"price": self._price(), **self._rng.choice(KINDS)}
        order = self._account.orders[request["client_order_id"]] = Sent(self._account.trader, request)
        return order

    def _cancel(self, order: Sent) -> Asked:
        order.cancels += 1
        return Asked({"type": "cancel", "client_order_id": order.client_order_id}, order)

    def _replace(self, order: Sent) -> Asked:
        terms = {"price": self._price(), "qty": self._rng.randint(1, 12)}
        order.replaces[terms["price"], int(terms["qty"])] += 1
        return Asked({"type": "replace", "client_order_id": order.client_order_id, **terms}, order)

    def _price(self) -> float:
        return round(100 + self._rng.randint(-3, 3) / 100, 2)


class EventBuffer:
    """The public trades, as the event stream tells them. One reader, begun anew after each restart."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self.listening: asyncio.Task[None] | None = None

    async def resume(self, uri: str, market_id: str, from_seq: int) -> None:
        """Ask for the past and take it, then listen until the stream ends. Raises Difference."""
        stream = await connect(uri, max_size=None, compression=None)
        await stream.send('{"type":"subscribe","channels":["trades"]}')
        await stream.send(json.dumps({"type": "resume", "from_seq": from_seq, "market_id": market_id}))
        before = self._witness.told_trades
        again: set[int] = set()
        resumed = False
        while True:
            text = await stream.recv(decode=False)
            told: Message = decode(text)
            if told["type"] == "error":
                raise Difference("lost", f"events up to {self._witness.seq} were told: {told}")
            if told["type"] == "trade":
                again.add(told["trade_id"])
                self._witness.takes_trade(text, told, again=True)
            if told["type"] == "snapshot" and resumed:
                break
            resumed = resumed or told["type"] == "resumed"
        self._check_past(from_seq, before, again, told)
        self.listening = asyncio.create_task(self._listen(stream))

    def _check_past(self, from_seq: int, before: int, again: set[int], snapshot: Message) -> None:
        """Raises Difference when a trade that was told since `from_seq` is not told again."""
        trades = self._witness.trades
        number = before
        while number and decode(trades[number].public)["seq"] >= from_seq:
            if number not in again:
                raise Difference("lost", f"trade {number} is not told again: {trades[number].public!r}")
            number -= 1
        if snapshot["seq"] < self._witness.seq:
            raise Difference("lost", f"event {self._witness.seq} was told, and the last one is {snapshot['seq']} now")
        self._witness.seq = snapshot["seq"]

    async def _listen(self, stream: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                text = await stream.recv(decode=False)
                told: Message = decode(text)
                if told["type"] == "trade":
                    self._witness.takes_trade(text, told, again=False)
                self._witness.seq = max(self._witness.seq, told.get("seq", 0))
