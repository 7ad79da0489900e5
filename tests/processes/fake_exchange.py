"""Both ports of an exchange, saying what a test lets them say: to a battle's runner, or whoever asks for
accounts.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection

from tests.processes.fake_port import fake_port
from tests.processes.feed_messages import position, resumed, snapshot, subscribed, told

TOKEN = "0123456789abcdef"


class Market:
    """Both ports of an exchange, as far as a runner sees them.

    `standings` are in every snapshot, those of `looks` from the one on that is asked for with that
    word. `accounts`: equity by trader; `door`: whether the house's door is open; `asked`: the types
    of what was asked on the order port.
    """

    def __init__(self) -> None:
        self.market_id = "m1"
        self.status = "open"
        self.standings = [position("alice", 10_000.0)]
        self.looks: dict[str, list[dict[str, Any]]] = {}
        self._counts: dict[str, Counter[str]] = {"trades": Counter(), "liquidations": Counter()}
        self.accounts: dict[str, float] = {}
        self.door = False
        self.asked: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.subscribed = asyncio.Event()
        self.feed_uri = self.orders_uri = "ws://127.0.0.1:1"
        self._readers: set[ServerConnection] = set()

    @asynccontextmanager
    async def feed(self, port: int = 0) -> AsyncIterator[None]:
        async with fake_port(self._read, port) as self.feed_uri:
            yield

    @asynccontextmanager
    async def orders(self) -> AsyncIterator[None]:
        async with fake_port(self._order) as self.orders_uri:
            yield

    def _snapshot(self, positions: list[dict[str, Any]]) -> dict[str, Any]:
        return snapshot(*positions, market_id=self.market_id, status=self.status) | {
            "channel_seq": self._counts
        }

    async def _read(self, connection: ServerConnection) -> None:
        self._readers.add(connection)
        await connection.send(json.dumps(self._snapshot(self.standings)))
        async for text in connection:
            request = json.loads(text)
            self.requests.append(request)
            word = request["request_id"]
            self.standings = self.looks.get(word, self.standings)
            answer = resumed(word) if request["type"] == "resume" else subscribed(word)
            await connection.send(told(answer, self._snapshot(self.standings)).decode())
            self.subscribed.set()

    async def tell(self, *events: dict[str, Any]) -> None:
        """Trades and what belongs to liquidations, to all readers."""
        for event in events:
            self._counts["trades" if event["type"] == "trade" else "liquidations"][
                event.get("symbol", "")
            ] += 1
        for reader in self._readers:
            await reader.send(told(*events).decode())

    async def _order(self, connection: ServerConnection) -> None:
        house = False
        async for text in connection:
            request = json.loads(text)
            self.asked.append(request["type"])
            if request["type"] == "login":
                house = (
                    self.door
                    and request.get("token") == TOKEN
                    and request["trader_id"] == "@house"
                )
            answer = self._answer(request, house)
            await connection.send(
                json.dumps({"type": "heartbeat", "account_seq": 0, "timestamp": 1})
            )
            await connection.send(json.dumps(answer | {"timestamp": 1}))
            if answer["type"] == "closed":
                await self._settle()
            if answer["type"] == "reopening":
                await self._begin_anew()

    def _answer(self, request: dict[str, Any], house: bool) -> dict[str, Any]:
        match request["type"]:
            case "account":
                trader = request["trader_id"]
                return {
                    "type": "account",
                    "trader_id": trader,
                    "total_equity": self.accounts.get(trader, 10_000.0),
                }
            case "login" if house:
                return {
                    "type": "logged_in",
                    "trader_id": "@house",
                    "scope": "house",
                    "account_seq": 0,
                }
            case "close" if house:
                self.status = "closed"
                return {"type": "closed", "symbols": ["SIM"], "settlement": {"SIM": 101.5}}
            case "reopen" if house:
                return {"type": "reopening", "market_id": self.market_id}
        return {"type": "error", "reason": "unauthorized", "details": {}}

    async def _settle(self) -> None:
        """Everybody is flat, at the equity that the last snapshot told."""
        self.standings = [
            position(each["trader_id"], each["total_equity"]) for each in self.standings
        ]
        for reader in self._readers:
            updates = [
                position(each["trader_id"], each["total_equity"], number=n)
                for n, each in enumerate(self.standings, 1)
            ]
            await reader.send(told(*updates).decode())

    async def _begin_anew(self) -> None:
        self.market_id, self.status, self.standings = f"{self.market_id}+", "open", []
        readers, self._readers = self._readers, set()
        for reader in readers:
            await reader.close(1012)
