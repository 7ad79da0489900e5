"""The exporter killed -9 again and again under load, and its files compared with a recorder's.

A real exchange with two instruments, a client that trades several hundred times a second in markets that rise
and fall so steeply that accounts are liquidated all the time, and `exporter.py`, which is killed at random
moments: while it starts, while it catches up with the past, while it waits, and in the middle of a flush (as
soon as a file is longer than its record). The recorder is a plain `websockets` client of the event stream
that shares no code with the exporter. At the end every CSV file must be what was recorded, row by row: none
missing, none doubled, none in another order.

    python proofs/exporter_kills.py --kills 50
    python proofs/exporter_kills.py --kills 10 --plant record-first
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
import signal
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from time import monotonic, time
from typing import Any

from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from botpit.io.child import Child
from proofs.harness.exports import COLUMNS, STATE_FILE, Row, differences, recorded_seq, row_of
from proofs.harness.faulty_exporter import NONE, command
from proofs.harness.main import ProofParser, in_a_folder, verdict
from proofs.harness.processes import kill
from proofs.harness.recorder import Recorder
from proofs.harness.terminals import Terminals, logs_with_tracebacks, terminals

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
FAULTS = (NONE, "no-cut", "record-first")
"""Those that the comparison has to notice."""


class Rows(Recorder):
    """All that the event stream says and the exporter writes down: rows by file, as texts."""

    subscription = '{"type":"subscribe","channels":["trades","positions","liquidations"]}'

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, list[Row]] = {"insurance.csv": []}
        for symbol in SYMBOLS:
            self.rows |= {
                f"{symbol}/{file}": []
                for file, _ in COLUMNS.values()
                if file != "insurance.csv"
            }
        self.seq = 0
        self._heard: Counter[str] = Counter()

    async def hears(self, kind: str) -> None:
        """Wait for another message of this kind. (A heartbeat: there was nothing to tell for a second.)"""
        before = self._heard[kind]
        await self.until(lambda: self._heard[kind] > before, HEARS_WITHIN_S)

    def take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        self._heard[kind] += 1
        self.seq = message.get("seq", self.seq)
        if kind in COLUMNS:
            file, _ = COLUMNS[kind]
            where = f"{message['symbol']}/{file}" if "symbol" in message else file
            self.rows[where].append(row_of(message))


class Load:
    """Pairs of orders that trade with each other, at prices that go up and down.

    The bankrupt are replaced by newcomers.
    """

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
        bull, bear = (
            self._rng.choice(self._traders[:half]),
            self._rng.choice(self._traders[half:]),
        )
        buyer, seller = (bull, bear) if self._rng.random() < 0.7 else (bear, bull)
        phase = 2 * math.pi * (monotonic() - self._began_s) / CYCLE_S
        price = round(100 * (1 + SWING * math.sin(phase)) + self._rng.uniform(-0.2, 0.2), 2)
        order = {
            "type": "order",
            "symbol": self._rng.choice(SYMBOLS),
            "price": price,
            "qty": self._rng.randint(1, 6),
        }
        resting, incoming = self._rng.sample(
            [{"trader_id": buyer, "side": "buy"}, {"trader_id": seller, "side": "sell"}], 2
        )
        until_ms = round(1_000 * time()) + RESTS_MS
        return [
            order | resting | {"time_in_force": "gtd", "expires_at": until_ms},
            order | incoming | {"time_in_force": "ioc"},
        ]

    def _replace(self, bankrupt: str) -> None:
        if bankrupt in self._traders:
            self._traders[self._traders.index(bankrupt)] = f"t-{self._newcomers}"
            self._newcomers += 1


class Victim:
    """The exporter, started again after each kill.

    `ended`: exit codes of those that ended before they were killed.
    """

    def __init__(self, parts: Terminals, flush_ms: int, plant: str) -> None:
        self.kills: Counter[str] = Counter()
        self.ended: list[int] = []
        self.csv_dir = parts.folder / "csv"
        self._parts = parts
        where = ("--uri", parts.events, "--dir", str(self.csv_dir))
        how = ("--from-seq", "1", "--flush-ms", str(flush_ms))
        self._command = (*command(plant), *where, *how)

    async def start(self) -> Child:
        return await self._parts.start("exporter", *self._command)

    async def die(self, times: int, rng: random.Random) -> None:
        """So many times, each time at another one of the moments."""
        for moment in islice(cycle(MOMENTS), times):
            child = await self.start()
            if moment == "in a flush":
                await asyncio.to_thread(self._wait_for_a_flush, child.pid)
            else:
                longest_s = START_S if moment == "at its start" else LIFE_S
                await asyncio.sleep(rng.uniform(0, longest_s))
                kill(child.pid)
            self.kills[moment] += 1
            exit_code = await child.wait()
            if exit_code != -signal.SIGKILL:
                self.ended.append(exit_code)

    def _wait_for_a_flush(self, pid: int) -> None:
        """In a thread, which looks more often than the event loop could."""
        until_s = monotonic() + FLUSHES_WITHIN_S
        while monotonic() < until_s and not self._is_flushing():
            continue
        kill(pid)

    def _is_flushing(self) -> bool:
        """Whether any file is longer than recorded."""
        with suppress(FileNotFoundError):
            sizes = json.loads((self.csv_dir / STATE_FILE).read_bytes())["sizes"]
            return any(
                (self.csv_dir / file).stat().st_size > size for file, size in sizes.items()
            )
        return False

    async def catch_up(self, seq: int) -> None:
        """Start it a last time until it has recorded everything: stopped before, it just dies."""
        starts_before = len(self._starts())
        await self.start()
        with suppress(TimeoutError):
            async with asyncio.timeout(CATCHES_UP_WITHIN_S):
                while len(self._starts()) == starts_before or recorded_seq(self.csv_dir) < seq:
                    await asyncio.sleep(0.05)

    def _starts(self) -> list[str]:
        """What it logged until each of its connections, and after the last."""
        return re.split(
            r"INFO exporter connected", self._parts.log("exporter").read_text(encoding="utf-8")
        )

    def cuts(self) -> list[int]:
        """Bytes that each start cut off, of all files together."""
        return [
            sum(map(int, re.findall(r"cut back .* bytes=(\d+)", start)))
            for start in self._starts()
        ]


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
        most = max(cuts, default=0)
        verdict = "DIFFERENT" if self.differences else "equal to the record, row for row"
        return "\n".join(
            [
                f"kills                {self.kills.total()}: {moments}",
                f"cut back             {sum(cuts):,} bytes at {len(cuts)} starts, up to {most:,}",
                f"rows                 {sum(self.rows.values()):,} in {self.seconds:.0f} s: "
                + ", ".join(f"{file} {count:,}" for file, count in self.rows.items()),
                f"files                {verdict}",
                *self.differences,
                f"exit codes           {self.exit_codes}, ended by itself {self.ended or 'never'}",
                f"tracebacks in logs   {', '.join(self.tracebacks) or 'none'}",
            ]
        )


async def watch(
    kills: int,
    folder: Path,
    *,
    seed: int,
    flush_ms: int,
    trades_per_s: float,
    plant: str = NONE,
) -> Outcome:
    """One run on free ports, all its files in `folder`."""
    recorder = Rows()
    async with terminals(folder) as parts:
        await parts.start_exchange("--no-export", settings=MARKET)
        recording = asyncio.create_task(recorder.record(parts.events))
        await recorder.hears("subscribed")
        began_s = monotonic()
        trading = asyncio.create_task(
            Load(random.Random(seed), trades_per_s).trade(parts.orders)
        )
        victim = Victim(parts, flush_ms, plant)
        await victim.die(kills, random.Random(seed))
        trading.cancel()
        with suppress(asyncio.CancelledError):
            await trading
        seconds = monotonic() - began_s
        await recorder.hears("heartbeat")
        await victim.catch_up(recorder.seq)
        await parts.stop("exchange", "exporter")
        await recording
    return Outcome(
        kills=victim.kills,
        cuts=victim.cuts(),
        seconds=seconds,
        rows={file: len(rows) for file, rows in recorder.rows.items()},
        differences=differences(recorder.rows, victim.csv_dir),
        ended=victim.ended,
        exit_codes=parts.exit_codes,
        tracebacks=logs_with_tracebacks(folder),
    )


def main() -> int:
    parser = ProofParser(
        "Kill the exporter -9 again and again under load; exit 0 when its files are what was recorded, "
        "else 4.",
        "exporter_kills.py --kills 50",
    )
    parser.number("--kills", 50)
    parser.number("--seed", 1, "of the kills and of the orders")
    parser.number("--flush-ms", 10, "the exporter's")
    parser.number("--trades-per-s", 800.0, "tried; many are refused")
    parser.plant(FAULTS, "exporter")
    options = parser.parse_args()
    outcome = in_a_folder(lambda folder: watch(
        options.kills, folder, seed=options.seed, flush_ms=options.flush_ms, plant=options.plant,
        trades_per_s=options.trades_per_s,
    ))  # fmt: skip
    print(f"seed                 {options.seed}")
    return verdict(outcome, is_good=outcome.is_exact())


if __name__ == "__main__":
    sys.exit(main())
