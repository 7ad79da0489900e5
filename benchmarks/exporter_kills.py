"""The exporter killed -9 again and again under load, and its files compared with what an independent recorder saw.

A real exchange with two instruments, a client that trades several hundred times a second in markets that rise and fall so steeply
that accounts are liquidated all the time, and `exporter.py`, which is killed at random moments: while it starts, while it catches
up with the past, while it waits, and in the middle of a flush (as soon as a file is longer than its record). The recorder is a
plain `websockets` client of the event stream that shares no code with the exporter. At the end every CSV file must be what was
recorded, row by row: none missing, none doubled, none in another order.

    python benchmarks/exporter_kills.py --kills 50
    python benchmarks/exporter_kills.py --kills 10 --plant record-first
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import random
import re
import signal
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, islice, zip_longest
from pathlib import Path
from time import monotonic, time
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from benchmarks.four_terminals import Row, Terminals, csv_rows, logs_with_tracebacks
from botpit.io.child import Child

SYMBOLS = ("SIM", "ALT")
MARKET = """
[market]
starting_cash = 1000
insurance_fund = 500
tick_ms = 20
mark_to_market_ms = 500
mark_move_bps = 300
max_requests_per_s = 100000
max_accounts = 1000000
[server]
slow_reader_bytes = 67108864
""" + "".join(f'[[instruments]]\nsymbol = "{symbol}"\n' for symbol in SYMBOLS)
TRADERS = 60
ORDERS_PER_FRAME = 40
RESTS_MS = 200
CYCLE_S = 5.0
"""So long the price takes to rise and fall again, by SWING either way."""
SWING = 0.15
MOMENTS = ("at any moment", "in a flush", "at its start")
LIFE_S, START_S, FLUSHES_WITHIN_S = 2.0, 0.6, 5.0
HEARS_WITHIN_S = 30.0
CATCHES_UP_WITHIN_S = 60.0
STATE_FILE = ".export-state.json"
COLUMNS = {
    "trade": ("trades.csv", ("timestamp", "price", "qty", "buy_trader_id", "sell_trader_id")),
    "position_update": ("performance.csv", ("timestamp", "trader_id", "position", "cash", "realized_pnl", "total_equity")),
    "liquidation": ("liquidations.csv", ("timestamp", "trader_id", "reason", "side", "qty", "price")),
    "insurance_update": ("insurance.csv", ("timestamp", "cash")),
}
PLANTS = {
    "none": "",
    "no-cut": """
def _cut_back(self):
    for file in self._sizes:
        path = self._folder / file
        self._sizes[file] = path.stat().st_size if path.exists() else 0
Sheets._cut_back = _cut_back
""",
    "record-first": """
whole_flush = Sheets.flush
async def flush(self, checkpoint):
    for part in self._waiting if checkpoint else ():
        await self._prepare(part)
        await self._record(checkpoint)
    await whole_flush(self, checkpoint)
Sheets.flush = flush
""",
}
"""Faults that the comparison has to notice: an exporter that cuts nothing back, one that records rows before it writes them."""
PROGRAM = f"""
import sys
sys.path.insert(0, {str(HOME)!r})
from botpit.cli import export as exporter
from botpit.runs.export.sheets import Sheets
{{plant}}
sys.exit(exporter.main())
"""


class Recorder:
    """All that the event stream says and the exporter writes down: rows by file, as texts."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {"insurance.csv": []}
        for symbol in SYMBOLS:
            self.rows |= {f"{symbol}/{file}": [] for file, _ in COLUMNS.values() if file != "insurance.csv"}
        self.seq = 0
        self._heard: Counter[str] = Counter()

    async def record(self, uri: str) -> None:
        """Until the exchange closes the stream."""
        async with connect(uri, max_size=None) as stream:
            await stream.send('{"type":"subscribe","channels":["trades","positions","liquidations"]}')
            with suppress(ConnectionClosed):
                async for text in stream:
                    self._take(json.loads(text))

    async def hears(self, kind: str) -> None:
        """Wait for another message of this kind. (A heartbeat: there was nothing to tell for a second.)"""
        before = self._heard[kind]
        async with asyncio.timeout(HEARS_WITHIN_S):
            while self._heard[kind] == before:
                await asyncio.sleep(0.01)

    def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        self._heard[kind] += 1
        self.seq = message.get("seq", self.seq)
        if kind in COLUMNS:
            file, keys = COLUMNS[kind]
            where = f"{message['symbol']}/{file}" if "symbol" in message else file
            self.rows[where].append(tuple(str(message[key]) for key in keys))


class Load:
    """Pairs of orders that trade with each other, at prices that go up and down. The bankrupt are replaced by newcomers."""

    def __init__(self, rng: random.Random, trades_per_s: float) -> None:
        self._rng = rng
        self._pause_s = ORDERS_PER_FRAME / 2 / trades_per_s
        self._traders = [f"t-{number}" for number in range(TRADERS)]
        self._newcomers = TRADERS
        self._began_s = monotonic()

    async def trade(self, uri: str) -> None:
        """Until cancelled."""
        async with connect(uri) as gateway:
            while True:
                orders = [order for _ in range(ORDERS_PER_FRAME // 2) for order in self._pair()]
                await gateway.send(json.dumps(orders))
                for order, answer in zip(orders, json.loads(await gateway.recv()), strict=True):
                    if answer.get("reason") == "account_bankrupt":
                        self._replace(order["trader_id"])
                await asyncio.sleep(self._pause_s)

    def _pair(self) -> list[dict[str, Any]]:
        """Mostly a bull buys from a bear, so that positions grow until the price turns against them."""
        half = TRADERS // 2
        bull, bear = self._rng.choice(self._traders[:half]), self._rng.choice(self._traders[half:])
        buyer, seller = (bull, bear) if self._rng.random() < 0.7 else (bear, bull)
        phase = 2 * math.pi * (monotonic() - self._began_s) / CYCLE_S
        price = round(100 * (1 + SWING * math.sin(phase)) + self._rng.uniform(-0.2, 0.2), 2)
        order = {"type": "order", "symbol": self._rng.choice(SYMBOLS), "price": price, "qty": self._rng.randint(1, 6)}
        resting, incoming = self._rng.sample([{"trader_id": buyer, "side": "buy"}, {"trader_id": seller, "side": "sell"}], 2)
        until_ms = round(1_000 * time()) + RESTS_MS
        return [order | resting | {"time_in_force": "gtd", "expires_at": until_ms}, order | incoming | {"time_in_force": "ioc"}]

    def _replace(self, bankrupt: str) -> None:
        if bankrupt in self._traders:
            self._traders[self._traders.index(bankrupt)] = f"t-{self._newcomers}"
            self._newcomers += 1


class Victim:
    """The exporter, started again after each kill. `ended`: exit codes of those that ended before they were killed."""

    def __init__(self, parts: Terminals, uri: str, flush_ms: int, plant: str) -> None:
        self.kills: Counter[str] = Counter()
        self.ended: list[int] = []
        self.csv_dir = parts.folder / "csv"
        self._parts = parts
        self._program = parts.folder / "exporter_with_plant.py"
        self._program.write_text(PROGRAM.format(plant=PLANTS[plant]), encoding="utf-8")
        self._flags = ("--uri", uri, "--dir", str(self.csv_dir), "--from-seq", "1", "--flush-ms", str(flush_ms))

    async def start(self) -> Child:
        return await self._parts.start("exporter", str(self._program), *self._flags)

    async def die(self, times: int, rng: random.Random) -> None:
        """So many times, each time at another one of the moments."""
        for moment in islice(cycle(MOMENTS), times):
            child = await self.start()
            if moment == "in a flush":
                await asyncio.to_thread(self._wait_for_a_flush, child.pid)
            else:
                await asyncio.sleep(rng.uniform(0, START_S if moment == "at its start" else LIFE_S))
                _kill(child)
            self.kills[moment] += 1
            exit_code = await child.wait()
            self.ended += [exit_code] if exit_code != -signal.SIGKILL else []

    def _wait_for_a_flush(self, pid: int) -> None:
        """In a thread, which looks more often than the event loop could."""
        until_s = monotonic() + FLUSHES_WITHIN_S
        while monotonic() < until_s and not self._is_flushing():
            continue
        os.kill(pid, signal.SIGKILL)

    def _is_flushing(self) -> bool:
        """Whether any file is longer than recorded."""
        with suppress(FileNotFoundError):
            sizes = json.loads((self.csv_dir / STATE_FILE).read_bytes())["sizes"]
            return any((self.csv_dir / file).stat().st_size > size for file, size in sizes.items())
        return False

    async def catch_up(self, seq: int) -> None:
        """Started a last time, until it has connected and everything is recorded: what is told to stop before that just dies."""
        starts_before = len(self._starts())
        await self.start()
        with suppress(TimeoutError):
            async with asyncio.timeout(CATCHES_UP_WITHIN_S):
                while len(self._starts()) == starts_before or recorded_seq(self.csv_dir) < seq:
                    await asyncio.sleep(0.05)

    def _starts(self) -> list[str]:
        """What it logged until each of its connections, and after the last."""
        return re.split(r"INFO exporter connected", self._parts.log("exporter").read_text(encoding="utf-8"))

    def cuts(self) -> list[int]:
        """Bytes that each start cut off, of all files together."""
        return [sum(map(int, re.findall(r"cut back .* bytes=(\d+)", start))) for start in self._starts()]


def _kill(child: Child) -> None:
    with suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGKILL)


def recorded_seq(folder: Path) -> int:
    path = folder / STATE_FILE
    return int(json.loads(path.read_bytes())["seq"]) if path.exists() else 0


def differences(recorded: dict[str, list[Row]], folder: Path) -> list[str]:
    """A sentence for each file that is not what was recorded."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*.csv")}
    sentences = [f"{file}: nobody recorded anything for it" for file in sorted(found - recorded.keys())]
    for file, rows in recorded.items():
        written = csv_rows(folder / file) if file in found else []
        if written != rows:
            sentences.append(f"{file}: {_difference(rows, written)}")
    return sentences


def _difference(rows: list[Row], written: list[Row]) -> str:
    missing, too_many = Counter(rows) - Counter(written), Counter(written) - Counter(rows)
    pairs = enumerate(zip_longest(rows, written))
    first = next(number for number, (one, other) in pairs if one != other)
    return (
        f"{sum(missing.values())} rows missing, {sum(too_many.values())} too many; the first difference is row {first + 1}: "
        f"recorded {rows[first : first + 1]}, written {written[first : first + 1]}"
    )


@dataclass(slots=True)
class Outcome:
    """What one run showed."""

    kills: Counter[str]
    cuts: list[int]
    rows: dict[str, int]
    seconds: float
    differences: list[str]
    ended: list[int]
    exit_codes: dict[str, int]
    tracebacks: list[str]

    def is_exact(self) -> bool:
        well = not self.ended and not self.tracebacks and not any(self.exit_codes.values())
        return well and not self.differences and sum(self.rows.values()) > 0

    def __str__(self) -> str:
        cuts = [each for each in self.cuts if each]
        moments = ", ".join(f"{count} {moment}" for moment, count in self.kills.items())
        return "\n".join([
            f"kills                {self.kills.total()}: {moments}",
            f"cut back             {sum(cuts):,} bytes at {len(cuts)} starts" + (f", up to {max(cuts):,}" if cuts else ""),
            f"rows                 {sum(self.rows.values()):,} in {self.seconds:.0f} s: "
            + ", ".join(f"{file} {count:,}" for file, count in self.rows.items()),
            f"files                {'equal to what was recorded, row for row' if not self.differences else 'DIFFERENT'}",
            *self.differences,
            f"exit codes           {self.exit_codes}, ended by itself {self.ended or 'never'}",
            f"tracebacks in logs   {', '.join(self.tracebacks) or 'none'}",
        ])  # fmt: skip


async def watch(kills: int, folder: Path, *, seed: int, flush_ms: int, trades_per_s: float, plant: str = "none") -> Outcome:
    """One run on free ports, all its files in `folder`."""
    parts, recorder = Terminals(folder), Recorder()
    (folder / "exchange.toml").write_text(MARKET, encoding="utf-8")
    try:
        await parts.start("exchange", "exchange_server.py", "--order-port", "0", "--events-port", "0", "--no-export",
                          "--config", str(folder / "exchange.toml"), "--data-dir", str(folder / "exchange-data"))  # fmt: skip
        order_uri = "ws://127.0.0.1:" + await parts.logged("exchange", r"order_port=(\d+)")
        events_uri = "ws://127.0.0.1:" + await parts.logged("exchange", r"events_port=(\d+)")
        recording = asyncio.create_task(recorder.record(events_uri))
        await recorder.hears("subscribed")
        trading, began_s = asyncio.create_task(Load(random.Random(seed), trades_per_s).trade(order_uri)), monotonic()
        victim = Victim(parts, events_uri, flush_ms, plant)
        await victim.die(kills, random.Random(seed))
        trading.cancel()
        with suppress(asyncio.CancelledError):
            await trading
        seconds = monotonic() - began_s
        await recorder.hears("heartbeat")
        await victim.catch_up(recorder.seq)
        for name in ("exchange", "exporter"):
            await parts.stop(name)
        await recording
    finally:
        for name in list(parts.running):
            await parts.stop(name)
    return Outcome(
        kills=victim.kills, cuts=victim.cuts(), rows={file: len(rows) for file, rows in recorder.rows.items()}, seconds=seconds,
        differences=differences(recorder.rows, victim.csv_dir), ended=victim.ended, exit_codes=parts.exit_codes,
        tracebacks=logs_with_tracebacks(folder),
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Kill the exporter -9 again and again under load; exit 0 when its files are what was recorded, else 4.",
        epilog="example: python benchmarks/exporter_kills.py --kills 50",
    )
    parser.add_argument("--kills", type=int, default=50, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the kills and of the orders (default: %(default)s)")
    parser.add_argument("--flush-ms", type=int, default=10, help="the exporter's (default: %(default)s)")
    parser.add_argument("--trades-per-s", type=float, default=800.0, help="tried; many are refused (default: %(default)s)")
    parser.add_argument("--plant", choices=PLANTS, default="none", help="give the exporter a fault, which must be found")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = asyncio.run(
            watch(options.kills, Path(folder), seed=options.seed, flush_ms=options.flush_ms, trades_per_s=options.trades_per_s,
                  plant=options.plant)
        )  # fmt: skip
    print(f"seed                 {options.seed}")
    print(outcome)
    return 0 if outcome.is_exact() else 4


if __name__ == "__main__":
    sys.exit(main())
