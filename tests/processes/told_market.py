"""A market that is only told: numbered events, snapshots and repeats as an exchange sends them, for
tests of its readers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from tests.processes.fake_port import fake_port
from tests.socketless import told as messages
from tests.socketless.requests import Message
from tests.socketless.told import fields_of


@dataclass
class Exchange:
    """What an exchange would say: numbered events, snapshots, repeats of the last `kept` events."""

    market_id: str = "m1"
    symbols: tuple[str, ...] = ("SIM",)
    kept: int = 1_000
    events: list[Message] = field(default_factory=list)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def seq(self) -> int:
        return len(self.events)

    def trade(
        self, buyer: str = "alice", *, price: float = 100.0, qty: int = 1, symbol: str = ""
    ) -> Message:
        event = messages.trade(self.seq + 1, buyer=buyer, price=price, qty=qty)
        return self._event("trades", event, symbol)

    def position(
        self,
        trader: str,
        position: int,
        cash: float,
        realized_pnl: float = 0.0,
        symbol: str = "",
    ) -> Message:
        money = {"cash": cash, "equity": cash + 0.5, "realized_pnl": realized_pnl}
        event = messages.position(0, trader, lots=position, mark=100.5, **money)
        return self._event("positions", event, symbol)

    def liquidation(
        self, trader: str = "carol", *, reason: str = "bankruptcy", symbol: str = ""
    ) -> Message:
        return self._event(
            "liquidations", messages.forced(0, reason, trader, price=99.5), symbol
        )

    def insurance(self, cash: float) -> Message:
        return self._event("liquidations", messages.insurance(0, cash), None)

    def status(self, trader: str = "carol", status: str = "frozen") -> Message:
        return self._event("liquidations", messages.account_status(0, trader, status), None)

    def _event(self, channel: str, message: Any, symbol: str | None) -> Message:
        """Number it and note it. `symbol` empty: the first; None: an event that has none."""
        event = fields_of(message)
        if symbol is not None:
            event["symbol"] = symbol = symbol or self.symbols[0]
        key = channel, symbol or ""
        self.counts[key] = number = self.counts.get(key, 0) + 1
        event |= {"timestamp": 1_000 + self.seq, "channel_seq": number, "seq": self.seq + 1}
        self.events.append(event)
        return event

    def snapshot(self) -> Message:
        counts: dict[str, dict[str, int]] = {}
        for (channel, symbol), number in self.counts.items():
            counts.setdefault(channel, {})[symbol] = number
        instruments = [
            fields_of(messages.instrument(symbol, max_qty=1_000)) for symbol in self.symbols
        ]
        told = {
            "seq": self.seq,
            "market_id": self.market_id,
            "channel_seq": counts,
            "instruments": instruments,
        }
        return {"type": "snapshot", **told, "books": {}, "positions": [], "timestamp": 1}

    def answer(self, request: Message) -> list[Message]:
        """The feed's answer to a request, as API_SPEC.md has it."""
        echo = {"timestamp": 1, "request_id": request.get("request_id")}
        if request["type"] == "subscribe":
            subscribed = {
                "type": "subscribed",
                "channels": request["channels"],
                "symbols": [],
                "batch": True,
            }
            return [subscribed | echo, self.snapshot()]
        first, reason, details = request["from_seq"], None, {}
        if request.get("market_id") not in (None, self.market_id):
            reason = "other_market"
        elif first > self.seq + 1:
            reason = "seq_ahead"
        elif first <= self.seq - self.kept:
            reason, details = "too_old", {"oldest_seq": self.seq - self.kept + 1}
        if reason:
            return [{"type": "error", "reason": reason, "details": details, **echo}]
        return [
            {"type": "resumed", "from_seq": first, **echo},
            *self.events[first - 1 :],
            self.snapshot(),
        ]


class Feed:
    """An exchange's event port, spoken by the `websockets` server."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.connection: ServerConnection | None = None
        self.resumed = asyncio.Event()
        self.resumes = 0
        self.uri = ""

    async def tell(self, *events: Message) -> None:
        assert self.connection is not None
        await self.connection.send(json.dumps(events))

    async def serve_one(self, connection: ServerConnection) -> None:
        await connection.send(json.dumps(self.exchange.snapshot()))
        self.connection = connection
        try:
            async for text in connection:
                request = json.loads(text)
                await connection.send(json.dumps(self.exchange.answer(request)))
                if request["type"] == "resume":
                    self.resumes += 1
                    self.resumed.set()
        except ConnectionClosed:
            return


@asynccontextmanager
async def feed_of(exchange: Exchange) -> AsyncIterator[Feed]:
    feed = Feed(exchange)
    async with fake_port(feed.serve_one) as feed.uri:
        yield feed
