"""A trader's socket to the exchange: what it asks and is answered goes to its account in the ledger."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from proofs.harness.client_ledger import Account, Difference, Message, Sent, decode

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
            done, _ = await asyncio.wait(
                ends, timeout=ANSWERS_WITHIN_S, return_when=asyncio.FIRST_COMPLETED
            )
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
                raise Difference(
                    "lost",
                    f"{asked.message} was not answered, but what came after it: {text!r}",
                )
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
    login = {
        "type": "login",
        "trader_id": account.trader,
        "last_seq": last_seq,
        "market_id": market_id,
    }
    await socket.send(
        json.dumps(login | {"cancel_on_disconnect": account.cancels_on_disconnect})
    )
    told: Message = decode(await socket.recv(decode=False))
    if told["type"] != "logged_in":
        raise Difference("lost", f"{account.trader} knows {account.known} events: {told}")
    if told["account_seq"] < account.known:
        raise Difference(
            "lost",
            f"{account.trader} knows {account.known} events, the exchange {told['account_seq']}",
        )
    for number in range(last_seq + 1, told["account_seq"] + 1):
        text = await socket.recv(decode=False)
        if decode(text)["account_seq"] != number:
            raise Difference(
                "lost", f"event {number} of {account.trader} is expected, not {text!r}"
            )
        account.takes(text, number)
    return Session(socket, account, is_plain=False)
