"""A bot killed (-9) again and again, and its last report against an independent drop copy.

Two churning bots trade with each other in a market with fees of eight decimals. The drop copy is a plain
`websockets` client that is logged in as the same trader and shares no code with the bot: it gets every
private event once. After each kill the proof trades in the bot's name, so that there is something to miss.
At the end the report must have the fills, lots and fees of the drop copy, to the last decimal.

    python proofs/killed_bot.py --kills 50
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bot_strategies import Market, Strategy
from proofs.harness.main import ProofParser, in_a_folder, verdict
from proofs.harness.terminals import Terminals, logs_with_tracebacks, terminals

PATIENCE_S = 30.0
LONGEST_LIFE_S = 1.5
"""Some deaths come before the bot has begun to trade."""
LAST_FILLS = 100
"""Fills to wait for after the last kill."""
BY_HAND_LOTS = 3
MARKET = """
[market]
money_decimals = 8
starting_cash = 1000000
maker_fee_bps = -3
taker_fee_bps = 7
[[instruments]]
symbol = "SIM"
tick = 0.0001
reference_price = 99.8765
"""


class Churner(Strategy):
    """Trades around the mark as maker and taker, mostly against its position."""

    def __init__(self, *, rng: random.Random) -> None:
        self._rng = rng

    def on_timer(self, market: Market) -> None:
        if len(market.orders) > 10:
            market.cancel_all()
        price, lots = 99.8765 + self._rng.randint(-2, 2) / 1_000, self._rng.randint(1, 5)
        if market.position + self._rng.randint(-20, 20) < 0:
            market.buy(lots, market.to_tick(price, "buy"))
        else:
            market.sell(lots, market.to_tick(price, "sell"))


class DropCopy:
    """Every private event of one trader. Fees are summed as decimals."""

    def __init__(self, socket: ClientConnection) -> None:
        self.counted: dict[str, Any] = {
            "accepted": 0,
            "fills": 0,
            "maker_fills": 0,
            "filled_qty": 0,
            "maker_qty": 0,
            "fees": Decimal(0),
            "account_seq": 0,
        }
        self._socket = socket
        self._more = asyncio.Event()
        self._account = asyncio.Event()

    async def listen(self) -> None:
        async for text in self._socket:
            self._take(json.loads(text, parse_float=Decimal))

    async def sees_fills(self, number: int) -> None:
        """Wait for so many more."""
        enough = self.counted["fills"] + number
        async with asyncio.timeout(PATIENCE_S):
            while self.counted["fills"] < enough:
                self._more.clear()
                await self._more.wait()

    async def is_complete(self) -> None:
        """Wait until every event until now has come."""
        async with asyncio.timeout(PATIENCE_S):
            self._account.clear()
            await self._socket.send('{"type":"account"}')
            await self._account.wait()

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "account":
            assert message["account_seq"] == self.counted["account_seq"], (
                message,
                self.counted,
            )
            self._account.set()
        elif message["type"] not in ("logged_in", "heartbeat"):
            self._count(message)

    def _count(self, event: dict[str, Any]) -> None:
        assert event["account_seq"] == self.counted["account_seq"] + 1, (event, self.counted)
        self.counted["account_seq"] += 1
        self.counted["accepted"] += event["type"] == "order_accepted"
        if event["type"] == "fill":
            maker = event["liquidity"] == "maker"
            self.counted["fills"] += 1
            self.counted["maker_fills"] += maker
            self.counted["filled_qty"] += event["qty"]
            self.counted["maker_qty"] += event["qty"] * maker
            self.counted["fees"] += Decimal(event["fee"])
            self._more.set()


@dataclass(slots=True)
class Outcome:
    """`missed`: fills that were not in the report when the bot died, over all its deaths."""

    kills: int
    missed: int
    told: dict[str, Any]
    reported: dict[str, Any]
    exit_codes: dict[str, int]
    tracebacks: list[str]

    @property
    def agrees(self) -> bool:
        return self.told == {name: self.reported[name] for name in self.told}

    def __str__(self) -> str:
        lines = [
            f"{name:<15}{told:>16}   report {self.reported[name]:>16}"
            for name, told in self.told.items()
        ]
        verdict = "the report agrees with the drop copy" if self.agrees else "THEY DIFFER"
        return "\n".join(
            [f"{self.kills} kills, {self.missed} fills missed and made up for", *lines, verdict]
        )


@asynccontextmanager
async def drop_copy(uri: str, trader: str) -> AsyncIterator[DropCopy]:
    async with connect(uri, compression=None, proxy=None) as socket:
        await socket.send(json.dumps({"type": "login", "trader_id": trader}))
        copy = DropCopy(socket)
        listening = asyncio.create_task(copy.listen())
        try:
            yield copy
        finally:
            listening.cancel()
            await asyncio.wait([listening])
            if not listening.cancelled():
                listening.result()


async def trade_by_hand(uri: str, trader: str) -> None:
    """Trade in the bot's name, whatever else is in the book: the price is above every churner's."""
    async with connect(uri, compression=None, proxy=None) as socket:
        for order in (
            {"trader_id": "carol", "side": "sell"},
            {"trader_id": trader, "side": "buy", "time_in_force": "ioc"},
        ):
            await socket.send(
                json.dumps(order | {"type": "order", "qty": BY_HAND_LOTS, "price": 101})
            )
            answer = json.loads(await socket.recv())
            assert answer["type"] == "order_accepted", answer


class Victim:
    """Alice's bot and its report."""

    def __init__(self, parts: Terminals, flags: list[str]) -> None:
        self.report = parts.folder / "alice.report.json"
        self._parts = parts
        self._flags = [*flags, "--trader-id", "alice", "--report", str(self.report)]
        self._lives = 0

    async def starts(self) -> None:
        self._lives += 1
        await self._parts.start(
            "alice", "bot_client.py", *self._flags, "--seed", str(self._lives)
        )

    async def dies(self, copy: DropCopy) -> int:
        """kill -9, and trade in its name; how many fills its report does not have."""
        await self._parts.kill("alice")
        await trade_by_hand(self._parts.orders, "alice")
        await copy.is_complete()
        missed: int = copy.counted["fills"] - self.reported()["fills"]
        return missed

    def reported(self) -> dict[str, Any]:
        text = self.report.read_text(encoding="utf-8")
        report: dict[str, Any] = json.loads(text, parse_float=Decimal)
        return report


async def watch(kills: int, folder: Path, seed: int = 1) -> Outcome:
    """Kill alice's bot so many times, each at a random moment; all files in `folder`."""
    async with terminals(folder) as parts:
        await parts.start_exchange("--no-export", settings=MARKET)
        flags = ["--strategy", f"{__file__}:Churner", "--order-gateway-uri", parts.orders,
                 "--market-data-uri", parts.events, "--decision-interval", "0.005"]  # fmt: skip
        victim = Victim(parts, flags)
        async with drop_copy(parts.orders, "alice") as copy:
            try:
                await parts.start("bob", "bot_client.py", *flags, "--trader-id", "bob")
                missed = await kill(victim, copy, kills, random.Random(seed))
            finally:
                await parts.stop("alice", "bob")
            await copy.is_complete()
    tracebacks = logs_with_tracebacks(folder)
    return Outcome(kills, missed, copy.counted, victim.reported(), parts.exit_codes, tracebacks)


async def kill(victim: Victim, copy: DropCopy, times: int, rng: random.Random) -> int:
    """So many times, and let it trade on after the last one; the fills it missed, over all deaths."""
    missed = 0
    await victim.starts()
    await copy.sees_fills(1)
    for _ in range(times):
        await asyncio.sleep(rng.random() * LONGEST_LIFE_S)
        missed += await victim.dies(copy)
        await victim.starts()
    await copy.sees_fills(LAST_FILLS)
    return missed


def main() -> int:
    parser = ProofParser(
        "Kill a bot again and again and compare its report with what the exchange told an independent "
        "session.",
        "killed_bot.py --kills 50",
    )
    parser.number("--kills", 20, "deaths of the bot")
    parser.number("--seed", 1, "of the moments of death")
    options = parser.parse_args()
    outcome = in_a_folder(lambda folder: watch(options.kills, folder, options.seed))
    return verdict(outcome, is_good=outcome.agrees and not outcome.tracebacks)


if __name__ == "__main__":
    sys.exit(main())
