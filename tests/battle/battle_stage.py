"""A stage for the battle runner: a feed and an order port that say what a test wants, and stand-ins for bots.

The runner is the real program; its bots are a script that notes what it was told, and lives until
it is told to stop.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from websockets.asyncio.server import ServerConnection, serve

from message_schemas import PositionState
from tests.socketless import told as messages
from tests.socketless.told import fields_of

HOUSE = Path(__file__).resolve().parents[2]
DEADLINE_S = 30.0
TOKEN = "0123456789abcdef"
T = TypeVar("T")
Report = tuple[int, str, str]
"""Of a process that has ended: exit code, stdout, stderr."""

# ----------------------------------------------------------------------------------------- messages


def position(
    trader: str,
    equity: float,
    *,
    lots: int = 0,
    unrealized: float = 0.0,
    number: int | None = None,
) -> dict[str, Any]:
    """A position of a snapshot; with a number, an update."""
    cash = equity - unrealized
    money = {"lots": lots, "cash": cash, "equity": equity, "realized_pnl": cash - 10_000.0}
    if number is None:
        return fields_of(messages.position(0, trader, cls=PositionState, timestamp=1, **money))
    return fields_of(messages.position(number, trader, seq=number, timestamp=1, **money))


def snapshot(
    *positions: dict[str, Any], trades: int = 0, market_id: str = "m1", status: str = "open"
) -> dict[str, Any]:
    told = messages.snapshot(
        trades, market_id, {"trades": {"SIM": trades}}, {"SIM": messages.book(status=status)}, positions, timestamp=1,
        instruments=[messages.instrument(maker_fee_bps=-1, taker_fee_bps=5, max_qty=100, max_order_qty=100)],
    )  # fmt: skip
    return fields_of(told)


def subscribed(request_id: str | None = None) -> dict[str, Any]:
    return {
        "type": "subscribed",
        "channels": [],
        "symbols": [],
        "batch": True,
        "timestamp": 1,
        "request_id": request_id,
    }


def resumed(request_id: str, from_seq: int = 1) -> dict[str, Any]:
    return {"type": "resumed", "from_seq": from_seq, "timestamp": 1, "request_id": request_id}


def error(request_id: str, reason: str) -> dict[str, Any]:
    return {
        "type": "error",
        "reason": reason,
        "details": {},
        "timestamp": 1,
        "request_id": request_id,
    }


def trade(
    number: int,
    buyer: str = "alice",
    seller: str = "bob",
    *,
    qty: int = 2,
    aggressor: str = "buy",
) -> dict[str, Any]:
    of = {"qty": qty, "buyer": buyer, "seller": seller, "aggressor": aggressor}
    return fields_of(messages.trade(number, seq=number, timestamp=1, **of))


def forced(number: int, trader: str, reason: str = "bankruptcy") -> dict[str, Any]:
    return fields_of(messages.forced(number, reason, trader, qty=2, seq=number, timestamp=1))


def of_the_house(kind: str, number: int, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields, "seq": number, "channel_seq": number, "timestamp": 1}


def told(*messages: dict[str, Any]) -> bytes:
    return json.dumps(messages).encode()


# -------------------------------------------------------------------------------------- an exchange


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
        async with serve(self._read, "127.0.0.1", port) as server:
            self.feed_uri = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield

    @asynccontextmanager
    async def orders(self) -> AsyncIterator[None]:
        async with serve(self._order, "127.0.0.1", 0) as server:
            self.orders_uri = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
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


# --------------------------------------------------------------------------------------- the runner

BOT = f"""#!{sys.executable}
import json, os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(HOUSE)!r})
from botpit.io.run import run, until_told_to_stop
flags = dict(flag.removeprefix("--").split("=", 1) for flag in sys.argv[4:])
name = flags["trader-id"]
async def main():
    print(json.dumps(flags | {{"program": sys.argv[1:4], "pid": os.getpid()}}), flush=True)
    if name.startswith("crash"):
        return 3
    if name.startswith("usage"):
        return 2
    if name.startswith("weak"):
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("once") and not (died := Path(name + ".died")).exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    print("told", await until_told_to_stop(), flush=True)
    if (said := Path(name + ".says")).exists():
        Path(flags["report"]).write_text(said.read_text())
    return 0
sys.exit(run(main))
"""
"""Stands in for the interpreter that `--python` names. Its name says how it dies; what `name.says`
holds becomes its report.
"""

RUNNER = f"""
import sys
sys.path.insert(0, {str(HOUSE)!r})
import dataclasses
import bot_battle_runner, botpit.screen.battle_board, botpit.battle.live.bot_processes as bots, botpit.io.order_port
botpit.screen.battle_board.PROGRESS_S = 0.05
bots.RESTARTS = dataclasses.replace(bots.RESTARTS, backoff_s=(0.01,) * 5)
botpit.io.order_port.OPERATOR_WITHIN_S = 1.0
sys.exit(bot_battle_runner.main())
"""
"""The runner, with less patience."""


class Stage:
    """A folder with a configuration, in which a runner runs; `market` is what it can watch and ask."""

    def __init__(self, folder: Path, *trader_ids: str, **config: Any) -> None:
        self.folder = folder
        self.market = Market()
        self._bots = [{"trader_id": trader_id, "strategy": "maker"} for trader_id in trader_ids]
        self._config = config
        (folder / "bot").write_text(BOT)
        (folder / "bot").chmod(0o755)
        (folder / "runner.py").write_text(RUNNER)

    def command(self, *flags: str) -> list[str]:
        """The runner's, in this folder; writes the configuration."""
        uris = {
            "market_data_uri": self.market.feed_uri,
            "order_gateway_uri": self.market.orders_uri,
        }
        (self.folder / "bots.json").write_text(
            json.dumps({"bots": self._bots, **uris, **self._config})
        )
        (self.folder / "token").write_text(TOKEN + "\n")
        return [
            sys.executable,
            "runner.py",
            "--config",
            "bots.json",
            "--python",
            "./bot",
            *flags,
        ]

    async def run(self, *flags: str) -> asyncio.subprocess.Process:
        pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        runner = await asyncio.create_subprocess_exec(
            *self.command(*flags), cwd=self.folder, stdin=nothing, stdout=pipe, stderr=pipe
        )
        _started.append(runner)
        return runner

    def log(self, name: str) -> list[str]:
        path = self.folder / "logs" / f"{name}.log"
        return path.read_text().splitlines() if path.exists() else []

    def told(self, name: str) -> dict[str, Any]:
        """What a bot was told at its first start."""
        return json.loads(self.log(name)[0])

    async def bots_up(self, *names: str) -> list[int]:
        """The processes of these bots, when they all have said that they live."""
        await until(lambda: all(self.log(name) for name in names))
        return [self.told(name)["pid"] for name in names]

    def results(self, name: str = "results.json") -> dict[str, Any]:
        return json.loads((self.folder / name).read_text())


_started: list[asyncio.subprocess.Process] = []


def play(story: Coroutine[Any, Any, T]) -> T:
    """Run a story; afterwards every runner that it started is gone, and with it its bots, however
    the story ended.
    """

    async def whole() -> T:
        try:
            async with asyncio.timeout(2 * DEADLINE_S):
                return await story
        finally:
            while _started:
                if (runner := _started.pop()).returncode is None:
                    runner.kill()
                    await runner.wait()

    return asyncio.run(whole())


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not happened():
            await asyncio.sleep(0.01)


async def says(runner: asyncio.subprocess.Process, words: str) -> str:
    """The next line of its stdout that has these words."""
    assert runner.stdout is not None
    return await _line(runner.stdout, words)


async def logs(runner: asyncio.subprocess.Process, words: str) -> str:
    """The next line of its stderr that has these words."""
    assert runner.stderr is not None
    return await _line(runner.stderr, words)


async def _line(stream: asyncio.StreamReader, words: str) -> str:
    async with asyncio.timeout(DEADLINE_S):
        while line := await stream.readline():
            if words in line.decode():
                return line.decode()
    raise AssertionError(f"it ended without {words!r}")


async def ended(runner: asyncio.subprocess.Process) -> Report:
    async with asyncio.timeout(DEADLINE_S):
        out, err = await runner.communicate()
    assert runner.returncode is not None
    return runner.returncode, out.decode(), err.decode()
