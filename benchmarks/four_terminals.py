"""The four-terminal flow, watched by an independent recorder: exchange, relay, battle and monitor as real processes.

The recorder is a plain `websockets` client of the event stream that shares no code with the exporter. It counts trades and how
long the book had two sides, and at the end its trades must be the rows of trades.csv, one by one. With `--kill-relay` the relay
is killed (-9) half-way and started again: the monitor must say DISCONNECTED and CONNECTED, and the bots must trade on.

    python benchmarks/four_terminals.py --seconds 60
    python benchmarks/four_terminals.py --seconds 30 --kill-relay
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from botpit.io.child import Child

OPENS_WITHIN_S = 30.0
GRACE_S = 15.0
Row = tuple[str, ...]


class Recorder:
    """Everything the event stream says of trades and quotes, from before the first order on."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._two_sided_ms = 0
        self._first_ms = self._last_ms = 0
        self._two_sided = False
        self._more = asyncio.Event()

    async def half(self, seconds: float, trades: int) -> None:
        """Half of a run: that many seconds, or as long as half of `trades` take."""
        if not trades:
            return await asyncio.sleep(seconds / 2)
        enough = len(self.rows) + trades // 2
        async with asyncio.timeout(seconds / 2):
            while len(self.rows) < enough:
                self._more.clear()
                await self._more.wait()

    async def record(self, uri: str) -> None:
        """Until the exchange closes the stream."""
        async with connect(uri, max_size=None) as stream:
            try:
                async for text in stream:
                    self.take(json.loads(text))
            except ConnectionClosed:
                return

    def take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "trade":
                keys = ("timestamp", "price", "qty", "buy_trader_id", "sell_trader_id")
                self.rows.append(tuple(str(message[key]) for key in keys))
                self._more.set()
            case "book_update":
                self._quotes(message["timestamp"], message["best_bid"] is not None and message["best_ask"] is not None)

    def _quotes(self, now_ms: int, two_sided: bool) -> None:
        """Time counts from the first book with two sides."""
        if self._first_ms and self._two_sided:
            self._two_sided_ms += now_ms - self._last_ms
        if two_sided and not self._first_ms:
            self._first_ms = now_ms
        self._last_ms, self._two_sided = now_ms, two_sided

    def two_sided(self) -> float:
        """The share of the time, 0 … 1."""
        return self._two_sided_ms / max(1, self._last_ms - self._first_ms)


@dataclass(slots=True)
class Outcome:
    """What one run of the flow showed."""

    trades: int
    rows_equal: bool
    two_sided: float
    accepted: dict[str, int]
    kinds: set[str]
    tracebacks: list[str]
    exit_codes: dict[str, int]
    monitor_states: list[str] = field(default_factory=list)
    trades_after_restart: int = 0

    def __str__(self) -> str:
        accepted = ", ".join(f"{trader} {count}" for trader, count in sorted(self.accepted.items()))
        return "\n".join([
            f"trades recorded         {self.trades:,}",
            f"rows of trades.csv      {'equal, row for row' if self.rows_equal else 'DIFFERENT'}",
            f"book two-sided          {self.two_sided:.1%} of the time",
            f"bots                    {len(self.accepted)} of {len(self.kinds)} kinds",
            f"accepted orders         {accepted}",
            f"tracebacks in logs      {', '.join(self.tracebacks) or 'none'}",
            f"exit codes              {self.exit_codes}",
            *([f"monitor                 {' -> '.join(self.monitor_states)}"] if self.monitor_states else []),
            *([f"trades after restart    {self.trades_after_restart:,}"] if self.trades_after_restart else []),
        ])  # fmt: skip


class Terminals:
    """The processes of one run, each started as its own program, with its log in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, Child] = {}
        self.exit_codes: dict[str, int] = {}

    async def start(self, name: str, program: str, *flags: str) -> Child:
        child = await Child.start(name, [sys.executable, str(HOME / program), *flags], self.log(name))
        self.running[name] = child
        return child

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    async def logged(self, name: str, pattern: str) -> str:
        """The newest match of the pattern's group in a process's log, waited for."""
        async with asyncio.timeout(OPENS_WITHIN_S):
            while True:
                found = re.findall(pattern, self.log(name).read_text(encoding="utf-8"))
                if found:
                    return str(found[-1])
                await asyncio.sleep(0.05)

    async def stop(self, name: str) -> None:
        if name in self.running:
            self.exit_codes[name] = await self.running.pop(name).stop(GRACE_S)

    async def kill(self, name: str) -> None:
        """kill -9."""
        child = self.running.pop(name)
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()

    async def monitor_says(self, state: str) -> None:
        """Wait until the monitor's newest line says so."""
        async with asyncio.timeout(OPENS_WITHIN_S):
            while monitor_states(self.log("monitor"))[-1:] != [state]:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def terminals(folder: Path) -> AsyncIterator[Terminals]:
    parts = Terminals(folder)
    try:
        yield parts
    finally:
        for name in ("battle", "relay", "monitor", "exchange"):
            await parts.stop(name)


def write_config(source: Path, target: Path, order_port: str, relay_port: str) -> set[str]:
    """The battle with our ports in it; returns the kinds of its bots."""
    config = json.loads(source.read_text(encoding="utf-8"))
    config["order_gateway_uri"] = f"ws://127.0.0.1:{order_port}"
    config["market_data_uri"] = f"ws://127.0.0.1:{relay_port}"
    target.write_text(json.dumps(config), encoding="utf-8")
    return {bot["strategy"] for bot in config["bots"]}


async def watch(seconds: float, config: Path, folder: Path, *, kill_relay: bool = False, trades: int = 0) -> Outcome:
    """One run of the flow on free ports, all its files in `folder`: so many seconds; or `trades`, within the seconds."""
    recorder = Recorder()
    async with terminals(folder) as parts:
        await parts.start("exchange", "exchange_server.py", "--order-port", "0", "--events-port", "0", "--csv-dir", str(folder),
                          "--data-dir", str(folder / "exchange-data"))  # fmt: skip
        order_port = await parts.logged("exchange", r"order_port=(\d+)")
        events_port = await parts.logged("exchange", r"events_port=(\d+)")
        upstream = f"ws://127.0.0.1:{events_port}"
        recording = asyncio.create_task(recorder.record(upstream))
        await parts.start("relay", "market_data_server.py", "--port", "0", "--upstream-uri", upstream)
        relay_port = await parts.logged("relay", r"open port=(\d+)")
        kinds = write_config(config, folder / "battle.json", order_port, relay_port)
        await parts.start("monitor", "monitor_client.py", "--json", "--uri", f"ws://127.0.0.1:{relay_port}")
        await parts.start("battle", "bot_battle_runner.py", "--config", str(folder / "battle.json"), "--results",
                          str(folder / "results.json"), "--log-dir", str(folder / "bots"))  # fmt: skip
        await recorder.half(seconds, trades)
        trades_then = len(recorder.rows)
        if kill_relay:
            await parts.monitor_says("CONNECTED")
            await parts.kill("relay")
            await parts.monitor_says("DISCONNECTED")
            await parts.start("relay", "market_data_server.py", "--port", relay_port, "--upstream-uri", upstream)
            await parts.monitor_says("CONNECTED")
            trades_then = len(recorder.rows)
        await recorder.half(seconds, trades)
        trades_after, states = len(recorder.rows) - trades_then, monitor_states(parts.log("monitor"))
        for name in ("battle", "relay", "monitor", "exchange"):
            await parts.stop(name)
        await recording
    return Outcome(
        trades=len(recorder.rows), rows_equal=csv_rows(folder / "trades.csv") == recorder.rows, two_sided=recorder.two_sided(),
        accepted=accepted_orders(folder / "bots"), kinds=kinds, tracebacks=logs_with_tracebacks(folder),
        exit_codes=parts.exit_codes, monitor_states=states if kill_relay else [],
        trades_after_restart=trades_after if kill_relay else 0,
    )


def csv_rows(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def accepted_orders(folder: Path) -> dict[str, int]:
    """What each bot counted in the last line of its log."""
    counts: dict[str, int] = {}
    for log in folder.glob("*.log"):
        found = re.findall(r"stopped accepted=(\d+)", log.read_text(encoding="utf-8"))
        counts[log.stem] = int(found[-1]) if found else 0
    return counts


def logs_with_tracebacks(folder: Path) -> list[str]:
    return [log.name for log in folder.rglob("*.log") if "Traceback" in log.read_text(encoding="utf-8")]


def monitor_states(log: Path) -> list[str]:
    """CONNECTED and DISCONNECTED, each change once, from the monitor's JSON lines."""
    states: list[str] = []
    for line in log.read_text(encoding="utf-8").splitlines():
        if line.startswith("{"):
            state = "CONNECTED" if json.loads(line)["connected"] else "DISCONNECTED"
            if states[-1:] != [state]:
                states.append(state)
    return states


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Run the four-terminal flow on free ports and compare what it wrote with what a recorder saw.",
        epilog="example: python benchmarks/four_terminals.py --seconds 60",
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the bots trade (default: %(default)s)")
    parser.add_argument("--config", type=Path, default=HOME / "bots_config.json", help="the battle (default: the shipped one)")
    parser.add_argument("--kill-relay", action="store_true", help="kill -9 the relay half-way and start it again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = asyncio.run(watch(options.seconds, options.config, Path(folder), kill_relay=options.kill_relay))
    print(outcome)
    return 0 if outcome.rows_equal and not outcome.tracebacks else 4


if __name__ == "__main__":
    sys.exit(main())
