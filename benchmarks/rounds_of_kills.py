"""Exporter and relay killed -9 in rounds while the exchange is restarted, and trades.csv compared with the journal.

A real exchange with the exporter as its child, a relay with a reader, and pairs of orders that trade, sent again until they are
answered. In each round, in any order and at any moment: the exporter is killed, the relay is killed and started again, the
exchange is stopped (SIGTERM) or killed -9 and started again on the same journal. At the end the journal is replayed: its trades
must be the rows of trades.csv, one by one, none missing, none doubled, none in another order. The relay's reader must have been
told every trade between two of its deaths, each once.

    python benchmarks/rounds_of_kills.py --rounds 100
    python benchmarks/rounds_of_kills.py --rounds 2 --plant no-record
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from benchmarks.exporter_kills import differences, recorded_seq
from benchmarks.four_terminals import Row, Terminals, logs_with_tracebacks
from benchmarks.mortal import Mortal, free_ports, holder
from botpit.core.exchange import Exchange
from botpit.history.archive.lines import lines_of, read_line
from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import Reading
from botpit.runs.export.lock import LOCK_FILE
from botpit.wire.encode import Encoder
from botpit.wire.sequence_numbers import SequenceNumbers

MARKET = """
[market]
starting_cash = 1000000000
max_requests_per_s = 1000000
[server]
slow_reader_bytes = 67108864
"""
COLUMNS = ("timestamp", "price", "qty", "buy_trader_id", "sell_trader_id")
VICTIMS = ("exporter", "relay", "exchange")
LONGEST_PAUSE_S = 0.7
"""Between two deaths."""
PAIRS_PER_FRAME = 10
EXPORTER_WITHIN_S = 60.0
CATCHES_UP_WITHIN_S = 60.0
PROGRESS_S = 5.0
_GONE = (OSError, ConnectionClosed, InvalidHandshake, InvalidMessage, EOFError)
PLANTS = {
    "none": "",
    "no-record": "[path.unlink() for path in Path(sys.argv[sys.argv.index('--dir') + 1]).glob('.export-state.json')]",
}
"""Faults that the comparison has to notice: an exporter that forgets how far it came, and writes the past again."""
EXPORTER = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(HOME)!r})
{{plant}}
from botpit.cli import export as exporter
sys.exit(exporter.main())
"""
PROGRAM = f"""
import sys
from types import SimpleNamespace
sys.path.insert(0, {str(HOME)!r})
from botpit.cli import exchange as exchange_server
find = exchange_server.find_spec
planted = SimpleNamespace(origin={{exporter!r}})
exchange_server.find_spec = lambda name: planted if name == "exporter" else find(name)
sys.exit(exchange_server.main())
"""


@dataclass(slots=True)
class Outcome:
    """What one run showed. `deaths` of each process, `trades` of the journal, `relayed` trades told to the relay's reader."""

    deaths: Counter[str] = field(default_factory=Counter)
    trades: int = 0
    answered: int = 0
    relayed: int = 0
    relay_holes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)
    exit_codes: list[int] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)

    def is_exact(self) -> bool:
        well = not self.tracebacks and not any(self.exit_codes) and not self.relay_holes
        return well and not self.differences and self.trades > 0

    def __str__(self) -> str:
        return "\n".join([
            "deaths               " + ", ".join(f"{who} {times}" for who, times in sorted(self.deaths.items())),
            f"orders answered      {self.answered:,} in {self.seconds:.0f} s",
            f"trades               {self.trades:,} in the journal; trades.csv is "
            + ("equal, row for row" if not self.differences else "DIFFERENT"),
            *self.differences,
            f"relay                {self.relayed:,} trades told to its reader, holes: {len(self.relay_holes)}",
            *self.relay_holes[:1],
            f"exit codes           {Counter(self.exit_codes)}",
            f"tracebacks in logs   {', '.join(self.tracebacks) or 'none'}",
        ])  # fmt: skip


class Load:
    """Pairs of orders that trade with each other, sent until they are answered, whatever becomes of the exchange."""

    def __init__(self, uri: str, rng: random.Random, outcome: Outcome) -> None:
        self._uri = uri
        self._rng = rng
        self._outcome = outcome
        self._numbers = count(1)

    async def trade(self, pause_s: float) -> None:
        """Until cancelled."""
        frame = ""
        while True:
            with suppress(*_GONE):
                async with connect(self._uri) as gateway:
                    while True:
                        frame = frame or json.dumps([order for _ in range(PAIRS_PER_FRAME) for order in self._pair()])
                        await gateway.send(frame)
                        self._outcome.answered += len(json.loads(await gateway.recv()))
                        frame = ""
                        await asyncio.sleep(pause_s)
            await asyncio.sleep(0.02)

    def _pair(self) -> list[dict[str, Any]]:
        price, qty = round(100 + self._rng.randint(-300, 300) / 100, 2), self._rng.randint(1, 9)
        sides = self._rng.sample([("ann", "buy"), ("ben", "sell")], 2)
        order = {"type": "order", "price": price, "qty": qty}
        return [order | {"trader_id": who, "side": side, "client_order_id": f"p-{next(self._numbers)}"} for who, side in sides]


class Reader:
    """A client of the relay, which comes back whenever the relay does."""

    def __init__(self, uri: str, outcome: Outcome) -> None:
        self._uri = uri
        self._outcome = outcome

    async def read(self) -> None:
        """Until cancelled."""
        while True:
            with suppress(*_GONE):
                async with connect(self._uri, max_size=None) as stream:
                    await self._listen(stream)
            await asyncio.sleep(0.02)

    async def _listen(self, stream: Any) -> None:
        """Between two deaths of the relay each trade comes once, after the one before it."""
        last = 0
        async for text in stream:
            told = json.loads(text)
            if told["type"] == "trade":
                self._outcome.relayed += 1
                if last and told["channel_seq"] != last + 1:
                    self._outcome.relay_holes.append(f"trade {told['channel_seq']} comes after trade {last}")
                last = told["channel_seq"]


class House:
    """The exchange with its exporter, and the relay, and how each of them dies."""

    def __init__(self, folder: Path, parts: Terminals, mortal: Mortal, outcome: Outcome) -> None:
        (relay_port,) = free_ports(1)
        self.relay_uri = f"ws://127.0.0.1:{relay_port}"
        self.csv_dir = folder / "csv"
        self.mortal = mortal
        self._parts = parts
        self._outcome = outcome
        self._relay_flags = ("--port", str(relay_port), "--upstream-uri", mortal.events)

    async def start(self) -> None:
        await self.mortal.start()
        await self._parts.start("relay", "market_data_server.py", *self._relay_flags)

    async def round(self, rng: random.Random, number: int) -> None:
        """Each of the three dies once."""
        for victim in rng.sample(VICTIMS, len(VICTIMS)):
            await asyncio.sleep(rng.uniform(0.0, LONGEST_PAUSE_S))
            if victim == "relay":
                await self._parts.kill("relay")
                await self._parts.start("relay", "market_data_server.py", *self._relay_flags)
                self._outcome.deaths["relay killed"] += 1
            elif victim == "exporter":
                await self._kill_exporter()
            else:
                await self._restart_exchange(rng, kill=number % 2 == 1)

    async def _kill_exporter(self) -> None:
        """As soon as there is one: the exchange starts it again after a while."""
        async with asyncio.timeout(EXPORTER_WITHIN_S):
            while (pid := holder(self.csv_dir / LOCK_FILE)) is None:
                await asyncio.sleep(0.02)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self._outcome.deaths["exporter killed"] += 1

    async def _restart_exchange(self, rng: random.Random, *, kill: bool) -> None:
        if kill:
            await self.mortal.die(with_archivist=rng.random() < 0.5)
        else:
            self._outcome.exit_codes.append(await self.mortal.stop())
        self._outcome.deaths[f"exchange {'killed' if kill else 'stopped'}"] += 1
        await self.mortal.start()

    async def written(self, seq: int) -> None:
        """Wait until the exporter has written all up to this event. Raises TimeoutError."""
        async with asyncio.timeout(CATCHES_UP_WITHIN_S):
            while recorded_seq(self.csv_dir) < seq:
                await asyncio.sleep(0.05)

    async def settle(self) -> None:
        """Wait until the exporter has written everything, then stop everything."""
        with suppress(TimeoutError):
            await self.written(await self._seq())
        await self._parts.stop("relay")
        self._outcome.exit_codes += [self._parts.exit_codes["relay"], await self.mortal.stop()]

    async def _seq(self) -> int:
        """Of the last public event."""
        async with connect(self.mortal.events, max_size=None) as stream:
            return int(json.loads(await stream.recv())["seq"])


def trades_of(folder: Path) -> list[Row]:
    """The journal of a market, replayed: each trade as a row of trades.csv."""
    reading, rows = Reading(folder, Disk()), []
    exchange = Exchange(reading.opening)
    encoder, numbers = Encoder(exchange), SequenceNumbers(exchange.markets)
    for record in reading.records():
        for _, text in lines_of(exchange.apply(record.command, record.now_ns), numbers, encoder):
            line = read_line(text)
            if line.channel == "trades":
                told = json.loads(bytes(line.message))
                rows.append(tuple(str(told[key]) for key in COLUMNS))
    return rows


async def watch(rounds: int, folder: Path, *, seed: int, trades_per_s: float, plant: str = "none") -> Outcome:
    """One run on fixed ports, all its files in `folder`."""
    outcome, rng, parts, began_s = Outcome(), random.Random(seed), Terminals(folder), monotonic()
    program, exporter, config = (folder / name for name in ("exchange_with_plant.py", "exporter_with_plant.py", "exchange.toml"))
    exporter.write_text(EXPORTER.format(plant=PLANTS[plant]), encoding="utf-8")
    program.write_text(PROGRAM.format(exporter=str(exporter)), encoding="utf-8")
    config.write_text(MARKET, encoding="utf-8")
    mortal = Mortal(folder, "--csv-dir", str(folder / "csv"), "--config", str(config), program=program)
    house = House(folder, parts, mortal, outcome)
    tasks: list[asyncio.Task[None]] = []
    try:
        await house.start()
        tasks.append(asyncio.create_task(Load(mortal.orders, random.Random(seed), outcome).trade(PAIRS_PER_FRAME / trades_per_s)))
        tasks.append(asyncio.create_task(Reader(house.relay_uri, outcome).read()))
        await house.written(1)
        await _rounds(house, rounds, rng, outcome)
        await _end(tasks[0])
        outcome.seconds = monotonic() - began_s
        await house.settle()
    finally:
        for task in tasks:
            await _end(task)
        await parts.stop("relay")
        await mortal.stop()
    rows = trades_of(mortal.data / f"market-{mortal.market_id}")
    outcome.trades, outcome.tracebacks = len(rows), logs_with_tracebacks(folder)
    outcome.differences = [each for each in differences({"trades.csv": rows}, house.csv_dir) if each.startswith("trades.csv")]
    return outcome


async def _rounds(house: House, rounds: int, rng: random.Random, outcome: Outcome) -> None:
    told_s = monotonic()
    for number in range(rounds):
        await house.round(rng, number)
        if monotonic() - told_s > PROGRESS_S:
            told_s = monotonic()
            print(f"{number + 1} rounds, {outcome.answered:,} orders answered", file=sys.stderr, flush=True)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Kill exporter, relay and exchange in rounds; exit 0 when trades.csv is what the journal says, else 4.",
        epilog="example: python benchmarks/rounds_of_kills.py --rounds 100",
    )
    parser.add_argument("--rounds", type=int, default=100, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of orders and deaths (default: %(default)s)")
    parser.add_argument("--trades-per-s", type=float, default=500.0, help="tried (default: %(default)s)")
    parser.add_argument("--plant", choices=PLANTS, default="none", help="give the exporter a fault, which must be found")
    options = parser.parse_args()
    print(f"seed                 {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        outcome = asyncio.run(
            watch(options.rounds, Path(folder), seed=options.seed, trades_per_s=options.trades_per_s, plant=options.plant)
        )
    print(outcome)
    return 0 if outcome.is_exact() else 4


if __name__ == "__main__":
    sys.exit(main())
