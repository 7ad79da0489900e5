"""Replay of a long journal, verified: how long it takes, and where the time goes.

    python benchmarks/replay.py                  (1,000,000 commands; some minutes, most for the journal)
    python benchmarks/replay.py --keep FOLDER    (keep the journal there, and use it again the next time)

The journal is that of a busy, ordinary market: forty traders with the default money and margins quote around
the mark, move and cancel their quotes, and take each other's, some 4,000 commands a second. (The streams of
tests/laws would be no measure: most of their orders are refused.) It is replayed by `botpit replay --verify`
in a process of its own, as a user would, with a snapshot at its end to be compared. The parts are measured
one after the other over the first commands, in this process, without the command line: reading and checksums,
decoding, the engine, hashing what it said. Target: 1,000,000 commands in at most 10 seconds on a quiet
machine.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter, process_time

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from botpit.core.commands import (
    BUY,
    SELL,
    Cancel,
    Command,
    Login,
    Open,
    Order,
    Replace,
    Tick,
    TimeInForce,
)
from botpit.core.events import Rejected, Trade
from botpit.core.exchange import Exchange
from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import Reading
from botpit.history.journal.segments import Durability, Journal, begin_market
from botpit.history.journal.snapshots import Snapshot, write_snapshot
from botpit.history.replay import Replay
from botpit.history.vocabulary import EXCHANGE
from botpit.io.child import command_of
from botpit.settings import parse_settings

TARGET_S, TARGET_COMMANDS = 10.0, 1_000_000
TRADERS = 40
MOST_QUOTES = 12
"""Open orders of a trader, before he rather cancels."""
MEAN_GAP_NS = 250_000
TICK_NS = 100_000_000
PARTS_OF = 200_000
"""The parts are measured over so many commands."""


class ActiveTraders:
    """Commands of an ordinary market, drawn with an eye on it. `counts` of what they were."""

    def __init__(self, exchange: Exchange, seed: int) -> None:
        self._exchange = exchange
        self._rng = random.Random(f"active {seed}")
        self._coming: list[Command] = [
            Login(f"trader-{number:02d}", True) for number in range(TRADERS)
        ]
        self._traders = [f"trader-{number:02d}" for number in range(TRADERS)]
        self._count = 0
        self._now_ns = 1_750_000_000_000_000_000
        self._tick_ns = self._now_ns

    def next(self) -> tuple[Command, int]:
        """A command and its time."""
        self._count += 1
        self._now_ns += self._rng.randrange(2 * MEAN_GAP_NS)
        if self._coming:
            return self._coming.pop(), self._now_ns
        if self._now_ns >= self._tick_ns:
            self._tick_ns = self._now_ns + TICK_NS
            return Tick(), self._now_ns
        return self._request(self._rng.choice(self._traders)), self._now_ns

    def _request(self, trader: str) -> Command:
        rng, market = self._rng, self._exchange.first_market
        account = self._exchange.accounts[trader]
        position, quotes = account.position(market), list(account.resting.values())
        kind = rng.random()
        if quotes and (kind < 0.33 or len(quotes) > MOST_QUOTES):
            return Cancel(trader, rng.choice(quotes).id)
        if quotes and kind < 0.53:
            record = rng.choice(quotes)
            return Replace(
                trader, record.id, price=market.mark - record.order.side * rng.randrange(1, 15)
            )
        side = BUY if rng.random() < 0.5 - position.lots / 400 else SELL
        client_order_id = f"{trader}-{self._count}"
        if kind > 0.94:
            edge = market.mark + side * 20
            return Order(
                trader,
                "SIM",
                side,
                rng.randrange(1, 11),
                edge,
                TimeInForce.IOC,
                client_order_id,
                session=1,
            )
        price = market.mark - side * rng.randrange(0, 20)
        return Order(
            trader,
            "SIM",
            side,
            rng.randrange(1, 11),
            price,
            client_order_id=client_order_id,
            session=1,
        )


def make_journal(folder: Path, commands: int, seed: int) -> Counter[str]:
    """A market's folder with so many records and a snapshot of the last. Returns how often there was what."""
    settings, disk, counts = parse_settings(""), Disk(), Counter[str]()
    opening = Open(f"replay-{seed}", settings.rules(), settings.engine_instruments())
    begin_market(folder, disk, EXCHANGE, opening)
    journal = Journal(
        folder,
        disk,
        EXCHANGE,
        market_id=opening.market_id,
        next_number=1,
        durability=Durability.OS,
    )
    exchange = Exchange(opening)
    traders = ActiveTraders(exchange, seed)
    for number in range(commands):
        command, now_ns = traders.next()
        journal.append(command, now_ns)
        if number % 10 == 0:
            journal.write()
        events = exchange.apply(command, now_ns).events
        counts[type(command).__name__] += 1
        counts["trades"] += sum(isinstance(event, Trade) for event in events)
        counts["refused"] += sum(isinstance(event, Rejected) for event in events)
    journal.write()
    journal.close()
    write_snapshot(folder, disk, EXCHANGE, Snapshot.of(EXCHANGE, exchange, commands, {}))
    return counts


def replayed(folder: Path) -> tuple[str, float]:
    """What `botpit replay --verify` says, and how many seconds it took."""
    began = perf_counter()
    argv = command_of("replay", str(folder), "--verify")
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"replay ended with {done.returncode}: {done.stderr}")
    return done.stdout, perf_counter() - began


def parts(folder: Path, commands: int) -> dict[str, float]:
    """Microseconds of processor time per command: each part alone, the garbage collector off."""
    gc.freeze()
    gc.disable()
    began = process_time()
    for _ in Reading(folder, Disk(), EXCHANGE).records(after=commands):
        break
    checked = process_time()
    records = list(Reading(folder, Disk(), EXCHANGE).records())
    decoded = process_time()
    exchange = Exchange(Reading(folder, Disk(), EXCHANGE).opening)
    events = [exchange.apply(record.command, record.now_ns).events for record in records]
    applied = process_time()
    hashing = Replay(Reading(folder, Disk(), EXCHANGE).opening)
    for each in events:
        hashing.hash(each)
    hashing.events_hash()
    hashed = process_time()
    spent = {
        "reading, checksums": checked - began,
        "decoding": decoded - checked - (checked - began),
        "the engine": applied - decoded,
        "hashing events": hashed - applied,
    }
    return {part: 1e6 * seconds / len(records) for part, seconds in spent.items()}


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Replay a long journal, verified.",
        epilog="example: python benchmarks/replay.py --commands 200_000",
    )
    parser.add_argument(
        "--commands", type=int, default=TARGET_COMMANDS, help="(default: 1,000,000)"
    )
    parser.add_argument("--seed", type=int, default=1, help="(default: %(default)s)")
    parser.add_argument(
        "--runs",
        type=int,
        default=3,
        help="of the whole; the quickest counts (default: %(default)s)",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        help="keep the journal in this folder, or use the one that is there",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = options.keep or Path(temporary)
        folder, sample = (
            home / f"market-{options.commands}",
            home / f"market-{min(PARTS_OF, options.commands)}",
        )
        for each in {folder, sample}:
            if not each.exists():
                counts = make_journal(each, int(each.name.partition("-")[2]), options.seed)
                print(
                    f"seed {options.seed}:",
                    ", ".join(f"{count:,} {what}" for what, count in counts.most_common()),
                )
        for part, us in parts(sample, PARTS_OF).items():
            print(f"{part:20} {us:6.2f} µs a command")
        runs = [replayed(folder) for _ in range(options.runs)]
    said, took_s = min(runs, key=lambda run: run[1])
    print(said, end="")
    rate = options.commands / took_s
    peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1_024
    seconds = ", ".join(f"{seconds:.1f}" for _, seconds in runs)
    print(
        f"{options.commands:,} commands in {took_s:.1f} s (runs: {seconds}), {rate:,.0f}/s, "
        f"{peak_mib:,.0f} MiB at most"
    )
    print(
        f"{TARGET_COMMANDS:,} in {TARGET_COMMANDS / rate:.1f} s; target: {TARGET_S:.0f} s; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
