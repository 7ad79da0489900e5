"""The memory of a resting order, of an account with a position, and of the private events kept.

    python benchmarks/memory.py
    python benchmarks/memory.py --quick

Resident bytes, as the system counts them (/proc/self/statm), before and after: whatever the allocator takes
is in it, the strings of the requests too. Each count is a process of its own, in which nothing has been freed
before. Order and account are of the engine alone; the account has the one order in it that took its position,
which the exchange remembers as long as the account. The private tape is filled by the commands of
benchmarks/replay.py's busy market to the last of its MAX_EVENTS; what it costs is what a process with the
tape has more than one without, so that events which others hold as well are not counted.
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.flows import PRICE
from benchmarks.growth import MANY, quotes
from benchmarks.in_process import engine
from benchmarks.peers import resident_bytes
from benchmarks.replay import ActiveTraders
from benchmarks.targets import EXIT_OK, Figures, in_rounds, parser_of, tell
from botpit.core.commands import BUY, SELL, Order
from botpit.venue.gateway.private import MAX_EVENTS, PrivateEventBuffer
from botpit.wire.sequencer import Sequencer

SIDES = (SELL, BUY)
OWNERS = 100
NOW_NS = 1_750_000_000_000_000_000
"""All in one moment. (A market notes its marks anew while its time is 0, as it is only in a benchmark.)"""
ORDERS = 200_000
ACCOUNTS = 40_000
QUICK_ROUNDS = 3
A_SLICE = 1_000
"""Commands made at a time, so that they do not all wait in memory."""
MB = 1e6


def resting_order() -> float:
    """Bytes of one, over OWNERS accounts and 200 prices."""
    exchange = engine(MANY)
    before = _settled()
    for first in range(0, ORDERS, A_SLICE):
        for command in quotes(OWNERS, A_SLICE, f"r{first}-"):
            exchange.apply(command, NOW_NS)
    return (_settled() - before) / ORDERS


def account() -> float:
    """Bytes of one that holds a position."""
    exchange = engine(MANY)
    before = _settled()
    for number in range(ACCOUNTS):
        exchange.apply(Order(f"a{number}", "SIM", SIDES[number % 2], 2, PRICE), NOW_NS)
    spent = (_settled() - before) / ACCOUNTS
    assert len(exchange.accounts) == ACCOUNTS
    return spent


def with_tape() -> float:
    return _traded(keeps=True)


def without_tape() -> float:
    return _traded(keeps=False)


def _traded(*, keeps: bool) -> float:
    """Bytes of a busy market after MAX_EVENTS private events."""
    sequencer = Sequencer(engine(""))
    tape, traders, count = (
        PrivateEventBuffer(sequencer.encoder),
        ActiveTraders(sequencer.exchange, 1),
        0,
    )
    before = _settled()
    while count < MAX_EVENTS:
        _, private, _ = sequencer.apply(*traders.next())
        count += len(private)
        if keeps:
            for event in private:
                tape.append(event.trader, event.event)
    return _settled() - before


def _settled() -> int:
    gc.collect()
    return resident_bytes()


PARTS: dict[str, Callable[[], float]] = {
    "resting_order": resting_order, "account": account, "with_tape": with_tape, "without_tape": without_tape,
}  # fmt: skip


def measured(part: str) -> float:
    """In a process of its own."""
    argv = [sys.executable, str(Path(__file__).resolve()), "--part", part]
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True
    )
    return float(done.stdout)


def one_round(_: int) -> Figures:
    tape = measured("with_tape") - measured("without_tape")
    return {
        "memory.resting_order": measured("resting_order"), "memory.account": measured("account"),
        "memory.private_tape_mb": tape / MB, "memory.private_event": tape / MAX_EVENTS,
    }  # fmt: skip


def main() -> int:
    parser = parser_of("memory", "What a market keeps in memory.", rounds=QUICK_ROUNDS)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(PARTS[options.part]())
        return EXIT_OK
    figures = in_rounds(1 if options.quick else options.rounds, one_round)
    print(f"a resting order  {figures['memory.resting_order']:,.0f} bytes\n"
          f"an account       {figures['memory.account']:,.0f} bytes\n"
          f"the private tape {figures['memory.private_tape_mb']:,.1f} MB with {MAX_EVENTS:,} events, "
          f"{figures['memory.private_event']:,.0f} bytes each")  # fmt: skip
    tell(figures, as_json=options.json)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
