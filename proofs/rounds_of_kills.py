"""Exporter and relay killed -9 in rounds, the exchange restarted, trades.csv against the journal.

A real exchange with the exporter as its child, a relay with a reader, and pairs of orders that trade, sent
again until they are answered. In each round, in any order and at any moment: the exporter is killed, the
relay is killed and started again, the exchange is stopped (SIGTERM) or killed -9 and started again on the
same journal. At the end the journal is replayed: its trades must be the rows of trades.csv, one by one, none
missing, none doubled, none in another order. The relay's reader must have got every trade between two deaths
of the relay, each once.

    python proofs/rounds_of_kills.py --rounds 100
    python proofs/rounds_of_kills.py --rounds 2 --plant no-record
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from botpit.history.archive.lines import read_line
from botpit.runs.export.lock import LOCK_FILE
from proofs.harness.exports import TRADES, Row, differences, recorded_seq, row_of
from proofs.harness.faulty_exchange import NONE, command
from proofs.harness.main import Progress, ProofParser, in_a_folder, verdict
from proofs.harness.processes import holder, kill
from proofs.harness.replayed import replayed_lines
from proofs.harness.restartable_exchange import RestartableExchange
from proofs.harness.terminals import Terminals, logs_with_tracebacks, terminals

MARKET = """
[market]
starting_cash = 1000000000
max_requests_per_s = 1000000
[server]
slow_reader_bytes = 67108864
"""
VICTIMS = ("exporter", "relay", "exchange")
LONGEST_PAUSE_S = 0.7
"""Between two deaths."""
PAIRS_PER_FRAME = 10
EXPORTER_WITHIN_S = 60.0
CATCHES_UP_WITHIN_S = 60.0
_GONE = (OSError, ConnectionClosed, InvalidHandshake, InvalidMessage, EOFError)
FAULTS = (NONE, "no-record")
"""Those that the comparison has to notice: an exporter that forgets its past, and writes it again."""


@dataclass(slots=True)
class Outcome:
    """What one run showed.

    `deaths` of each process, `trades` of the journal, `relayed` trades told to the relay's reader.
    """

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
        return "\n".join(
            [
                "deaths               "
                + ", ".join(f"{who} {times}" for who, times in sorted(self.deaths.items())),
                f"orders answered      {self.answered:,} in {self.seconds:.0f} s",
                f"trades               {self.trades:,} in the journal; trades.csv is "
                + ("equal, row for row" if not self.differences else "DIFFERENT"),
                *self.differences,
                f"relay                {self.relayed:,} trades to its reader, holes: {len(self.relay_holes)}",
                *self.relay_holes[:1],
                f"exit codes           {Counter(self.exit_codes)}",
                f"tracebacks in logs   {', '.join(self.tracebacks) or 'none'}",
            ]
        )


class Load:
    """Pairs of orders that trade with each other, sent until they are answered, also by the next exchange."""

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
                        frame = frame or json.dumps(
                            [order for _ in range(PAIRS_PER_FRAME) for order in self._pair()]
                        )
                        await gateway.send(frame)
                        self._outcome.answered += len(json.loads(await gateway.recv()))
                        frame = ""
                        await asyncio.sleep(pause_s)
            await asyncio.sleep(0.02)

    def _pair(self) -> list[dict[str, Any]]:
        price, qty = round(100 + self._rng.randint(-300, 300) / 100, 2), self._rng.randint(1, 9)
        sides = self._rng.sample([("ann", "buy"), ("ben", "sell")], 2)
        order = {"type": "order", "price": price, "qty": qty}
        return [
            order
            | {"trader_id": who, "side": side, "client_order_id": f"p-{next(self._numbers)}"}
            for who, side in sides
        ]


class Reader:
    """A client of the relay, which reconnects whenever the relay is back."""

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
                    self._outcome.relay_holes.append(
                        f"trade {told['channel_seq']} comes after trade {last}"
                    )
                last = told["channel_seq"]


class Victims:
    """The exchange with its exporter, and the relay, and how each of them dies."""

    def __init__(
        self, parts: Terminals, exchange: RestartableExchange, outcome: Outcome
    ) -> None:
        self.csv_dir = parts.folder / "csv"
        self.exchange = exchange
        self._parts = parts
        self._outcome = outcome

    async def start(self) -> None:
        await self.exchange.start()
        self._parts.events = self.exchange.events
        await self._parts.start_relay()

    async def round(self, rng: random.Random, number: int) -> None:
        """Each of the three dies once."""
        for victim in rng.sample(VICTIMS, len(VICTIMS)):
            await asyncio.sleep(rng.uniform(0.0, LONGEST_PAUSE_S))
            if victim == "relay":
                await self._parts.kill("relay")
                await self._parts.start_relay()
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
        self._outcome.deaths["exporter killed"] += kill(pid)

    async def _restart_exchange(self, rng: random.Random, *, kill: bool) -> None:
        if kill:
            await self.exchange.die(with_archivist=rng.random() < 0.5)
        else:
            self._outcome.exit_codes.append(await self.exchange.stop())
        self._outcome.deaths[f"exchange {'killed' if kill else 'stopped'}"] += 1
        await self.exchange.start()

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
        self._outcome.exit_codes += [
            self._parts.exit_codes["relay"],
            await self.exchange.stop(),
        ]

    async def _seq(self) -> int:
        """Of the last public event."""
        async with connect(self.exchange.events, max_size=None) as stream:
            return int(json.loads(await stream.recv())["seq"])


def trades_of(market: Path) -> list[Row]:
    """The journal of a market, replayed: each trade as a row of trades.csv."""
    lines = map(read_line, replayed_lines(market))
    return [
        row_of(json.loads(bytes(line.message))) for line in lines if line.channel == "trades"
    ]


async def watch(
    rounds: int, folder: Path, *, seed: int, trades_per_s: float, plant: str = NONE
) -> Outcome:
    """One run on fixed ports, all its files in `folder`."""
    outcome, began_s = Outcome(), monotonic()
    exchange = RestartableExchange(
        folder,
        "--csv-dir",
        str(folder / "csv"),
        settings=MARKET,
        program=command(exporter=plant),
    )
    async with terminals(folder) as parts:
        victims = Victims(parts, exchange, outcome)
        tasks: list[asyncio.Task[None]] = []
        try:
            await victims.start()
            load, reader = (
                Load(exchange.orders, random.Random(seed), outcome),
                Reader(parts.relay, outcome),
            )
            tasks.append(asyncio.create_task(load.trade(PAIRS_PER_FRAME / trades_per_s)))
            tasks.append(asyncio.create_task(reader.read()))
            await victims.written(1)
            await _rounds(victims, rounds, random.Random(seed), outcome)
            await _end(tasks[0])
            outcome.seconds = monotonic() - began_s
            await victims.settle()
        finally:
            for task in tasks:
                await _end(task)
            await parts.stop("relay")
            await exchange.stop()
    rows = trades_of(exchange.market)
    outcome.trades, outcome.tracebacks = len(rows), logs_with_tracebacks(folder)
    found = differences({TRADES: rows}, victims.csv_dir)
    outcome.differences = [each for each in found if each.startswith(TRADES)]
    return outcome


async def _rounds(victims: Victims, rounds: int, rng: random.Random, outcome: Outcome) -> None:
    progress = Progress()
    for number in range(rounds):
        await victims.round(rng, number)
        progress.tell(f"{number + 1} rounds, {outcome.answered:,} orders answered")


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def main() -> int:
    parser = ProofParser(
        "Kill exporter, relay and exchange in rounds; exit 0 when trades.csv is what the journal says, "
        "else 4.",
        "rounds_of_kills.py --rounds 100",
    )
    parser.number("--rounds", 100)
    parser.number("--seed", 1, "of orders and deaths")
    parser.number("--trades-per-s", 500.0, "tried")
    parser.plant(FAULTS, "exporter")
    options = parser.parse_args()
    print(f"seed                 {options.seed}", flush=True)
    outcome = in_a_folder(lambda folder: watch(
        options.rounds, folder, seed=options.seed, trades_per_s=options.trades_per_s, plant=options.plant
    ))  # fmt: skip
    return verdict(outcome, is_good=outcome.is_exact())


if __name__ == "__main__":
    sys.exit(main())
