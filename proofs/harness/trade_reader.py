"""The public trades of a market, read for the ledger by one reader, which begins anew after each restart."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from proofs.harness.client_ledger import ClientLedger, Difference, Message, decode


class TradeReader:
    """The public trades of the event stream."""

    def __init__(self, ledger: ClientLedger) -> None:
        self._ledger = ledger
        self.listening: asyncio.Task[None] | None = None

    async def resume(self, uri: str, market_id: str, from_seq: int) -> None:
        """Ask for the past and take it, then listen until the stream ends. Raises Difference."""
        stream = await connect(uri, max_size=None, compression=None)
        await stream.send('{"type":"subscribe","channels":["trades"]}')
        await stream.send(
            json.dumps({"type": "resume", "from_seq": from_seq, "market_id": market_id})
        )
        before = self._ledger.told_trades
        again: set[int] = set()
        resumed = False
        while True:
            text = await stream.recv(decode=False)
            told: Message = decode(text)
            if told["type"] == "error":
                raise Difference("lost", f"events up to {self._ledger.seq} were told: {told}")
            if told["type"] == "trade":
                again.add(told["trade_id"])
                self._ledger.takes_trade(text, told, again=True)
            if told["type"] == "snapshot" and resumed:
                break
            resumed = resumed or told["type"] == "resumed"
        self._check_past(from_seq, before, again, told)
        self.listening = asyncio.create_task(self._listen(stream))

    def _check_past(
        self, from_seq: int, before: int, again: set[int], snapshot: Message
    ) -> None:
        """Raises Difference when a trade since `from_seq` is not sent again."""
        trades = self._ledger.trades
        number = before
        while number and decode(trades[number].public)["seq"] >= from_seq:
            if number not in again:
                raise Difference(
                    "lost", f"trade {number} is not told again: {trades[number].public!r}"
                )
            number -= 1
        if snapshot["seq"] < self._ledger.seq:
            raise Difference(
                "lost",
                f"event {self._ledger.seq} was told, and the last one is {snapshot['seq']} now",
            )
        self._ledger.seq = snapshot["seq"]

    async def _listen(self, stream: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                text = await stream.recv(decode=False)
                told: Message = decode(text)
                if told["type"] == "trade":
                    self._ledger.takes_trade(text, told, again=False)
                self._ledger.seq = max(self._ledger.seq, told.get("seq", 0))
