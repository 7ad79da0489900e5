"""Disks that fail and power that is lost: every answered command is kept, and none is answered after.

    python proofs/journal_failures.py      (every call of two runs of 1,000 orders, 400 markets; some minutes)
    python proofs/journal_failures.py --seed 7 --orders 100 --markets 20

*Failures.* A market takes its orders in turns: append, write, sync where that is asked, answer. The run is
done again and again, and each time another call to the disk fails (write, sync, opening a segment, its
folder's sync), with EIO, with ENOSPC, and after half of the bytes; once for good and once with a disk that
claims to be well again. From then on nothing may be answered, and every answered command must be recovered.
*Losses.* Under `batch`, power is lost, or the process killed, at any call to the disk, also while the journal
starts or begins a segment: of all that was not synced any 512-byte blocks, names and lengths are left.
Recovery must never refuse, must have every answered command and no other than were sent, and the market goes
on from there to the next loss. Exit code 4 at the first difference, with the case that shows it.
"""

from __future__ import annotations

import errno
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from botpit.core.commands import Command, Open
from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import DamageError
from botpit.history.journal.recovery import recover
from botpit.history.journal.segments import Durability, Journal, begin_market
from botpit.history.vocabulary import EXCHANGE
from proofs.harness.main import Difference, ProofParser, judged
from tests.history.faulty_disk import FailingDisk, ForgetfulDisk, PowerLost
from tests.kept_market import fail, stream_of

SEGMENT_BYTES = 8_000
"""Small, so that segments also end while disks fail."""
MOST_PER_TURN = 12
CALLS_UNTIL_A_LOSS = 60
"""Of power; at most."""
FAULTS = [(errno.EIO, 0.0), (errno.ENOSPC, 0.0), (errno.ENOSPC, 0.5)]
"""The error of a call, and the part of a write that is done nevertheless."""
Commands = list[tuple[Command, int]]


@dataclass
class Market:
    """A market that sends commands to a journal, of `kind`. `sent` and `answered` count the commands."""

    folder: Path
    opening: Open
    commands: Commands
    kind: type[Journal] = Journal
    sent: int = 0
    answered: int = 0

    def journal(self, disk: Disk, durability: Durability) -> Journal:
        """Where the next command goes. Raises OSError as the disk does."""
        return self.kind(
            self.folder,
            disk,
            EXCHANGE,
            market_id=self.opening.market_id,
            next_number=self.sent + 1,
            durability=durability,
            segment_bytes=SEGMENT_BYTES,
        )

    def trade(self, journal: Journal, disk: Disk, rng: random.Random, until: int) -> None:
        """Turn by turn until so many commands were sent. Raises OSError as the disk does."""
        while self.sent < until:
            for command, now_ns in self.commands[
                self.sent : min(until, self.sent + rng.randrange(1, MOST_PER_TURN))
            ]:
                journal.append(command, now_ns)
                self.sent += 1
            journal.write()
            if journal.holds and rng.random() < 0.6:
                journal.sync()
            if not journal.holds:
                self.answered = self.sent
                if isinstance(disk, FailingDisk) and disk.failed:
                    raise Difference(f"command {self.sent} was answered after the failure")

    def recovered(self, disk: Disk) -> int:
        """How many commands come back, on a disk that works.

        Raises Difference when they are not what was sent and answered.
        """
        try:
            market = recover(self.folder, disk, EXCHANGE, fail)
            found = [(record.command, record.now_ns) for record in market.tail()]
        except DamageError as error:
            raise Difference(f"refused: {error}") from error
        if found != self.commands[: len(found)] or len(found) > self.sent:
            raise Difference(f"{len(found)} commands came back, and not as they were sent")
        if len(found) < self.answered:
            raise Difference(
                f"{self.answered} commands were answered, and {len(found)} came back"
            )
        market.reading.cut_off()
        return len(found)


# --------------------------------------------------------------------------------------------------- failures


def a_run(
    opening: Open,
    commands: Commands,
    durability: Durability,
    disk: FailingDisk,
    kind: type[Journal] = Journal,
) -> Market:
    """All commands, or those until the failure; the market is then as the exchange leaves it.

    Raises Difference.
    """
    folder = Path(tempfile.mkdtemp(prefix="journal-failures-"))
    market = Market(folder, opening, commands, kind)
    begin_market(market.folder, Disk(), EXCHANGE, opening)
    try:
        journal = market.journal(disk, durability)
    except OSError:
        return market
    try:
        market.trade(journal, disk, random.Random(durability), len(commands))
    except OSError:
        calls = len(disk.calls)
        journal.append(*commands[0])
        try:
            journal.write()
            raise Difference("a journal that had failed was written on")
        except Difference:
            raise
        except (AssertionError, OSError):
            journal.close()
        if len(disk.calls) != calls:
            raise Difference(f"the disk was asked again: {disk.calls[calls:]}") from None
    else:
        with suppress(OSError):
            journal.close()
    return market


def fail_at(
    opening: Open,
    commands: Commands,
    durability: Durability,
    disk: FailingDisk,
    kind: type[Journal],
) -> str:
    """One run with a failure. Returns the name of the call that failed. Raises Difference."""
    market = a_run(opening, commands, durability, disk, kind)
    try:
        if not disk.failed:
            raise Difference("nothing failed")
        market.recovered(Disk())
    finally:
        shutil.rmtree(market.folder)
    return disk.calls[disk.fail_at - 1]


def failures(
    seed: int,
    orders: int,
    durability: Durability,
    calls: Sequence[int],
    kind: type[Journal] = Journal,
) -> Counter[str]:
    """Fail at each of these calls, in each way. `kind`: a journal to be judged. Raises Difference."""
    opening, commands = stream_of(seed, orders)
    counts: Counter[str] = Counter()
    for call in calls:
        for code, part in FAULTS:
            for once in (False, True):
                try:
                    disk = FailingDisk(call, code, part=part, once=once)
                    name = fail_at(opening, commands, durability, disk, kind)
                except Difference as difference:
                    how = f"{errno.errorcode[code]}, {part:.0%} written, once {once}"
                    case = f"seed {seed}, {durability}, call {call}, {how}"
                    raise Difference(f"{case}: {difference}") from difference
                counts[f"{durability}: {name} failed"] += 1
    return counts


# ----------------------------------------------------------------------------------------------------- losses


def losses(
    seed: int,
    orders: int,
    numbers: list[int],
    kind: type[Journal] = Journal,
    disk: type[ForgetfulDisk] = ForgetfulDisk,
) -> Counter[str]:
    """Lose power in each of these markets again and again. `kind`: a journal to be judged, on a `disk`
    that keeps what it has synced. Raises Difference."""
    opening, commands = stream_of(seed, orders)
    counts: Counter[str] = Counter()
    for number in numbers:
        try:
            rng = random.Random(f"losses {seed}.{number}")
            with tempfile.TemporaryDirectory() as folder:
                market = Market(Path(folder), opening, commands, kind)
                counts += lose(market, disk(), rng)
        except Difference as difference:
            raise Difference(f"seed {seed}, market {number}: {difference}") from difference
    return counts


def lose(market: Market, disk: ForgetfulDisk, rng: random.Random) -> Counter[str]:
    counts: Counter[str] = Counter()
    begin_market(market.folder, disk, EXCHANGE, market.opening)
    while market.sent < len(market.commands):
        disk.calls_left = rng.randrange(1, CALLS_UNTIL_A_LOSS)
        with suppress(PowerLost):
            journal = market.journal(disk, Durability.BATCH)
            market.answered = market.sent  # whoever asks now is told of all that came back
            market.trade(journal, disk, rng, len(market.commands))
        if rng.random() < 0.6:
            counts["blocks, ends and names lost"] += disk.lose_power(market.folder, rng)
            counts["losses of power"] += 1
            disk.found(market.folder)
        else:
            counts["kills of the process alone"] += 1
        disk.calls_left = -1
        back = market.recovered(disk)
        counts["commands that were not answered and are gone"] += market.sent - back
        market.sent = back
    return counts


# -------------------------------------------------------------------------------------------------------- run


def run(seed: int, orders: int, markets: int, processes: int, every: int = 1) -> Counter[str]:
    """Counts by kind; with `every`, only each so many calls fail. Raises Difference."""
    opening, commands = stream_of(seed, orders)
    counts: Counter[str] = Counter()
    with ProcessPoolExecutor(processes) as pool:
        parts = []
        for durability in Durability:
            whole = FailingDisk()
            shutil.rmtree(a_run(opening, commands, durability, whole).folder)
            calls = list(range(1, len(whole.calls) + 1))[::every]
            parts += [
                pool.submit(failures, seed, orders, durability, calls[each::processes])
                for each in range(processes)
            ]
        numbers = list(range(markets))
        parts += [
            pool.submit(losses, seed, orders, numbers[each::processes])
            for each in range(processes)
        ]
        for part in parts:
            counts += part.result()
    return counts


def main() -> int:
    parser = ProofParser("Let a journal's disk fail.", "journal_failures.py --orders 100")
    parser.random_seed()
    parser.number("--orders", 1_000, "of a run")
    parser.number("--markets", 400, "in which power is lost several times")
    parser.number("--processes", 2)
    options = parser.parse_args()

    def prove() -> list[str]:
        counts = run(options.seed, options.orders, options.markets, options.processes)
        failed = sum(count for what, count in counts.items() if what.endswith(" failed"))
        injected = failed + counts["losses of power"]
        kinds = [f"{count:10,}  {what}" for what, count in sorted(counts.items())]
        return [
            *kinds,
            f"{injected:10,}  faults: 0 answers after one, 0 answered commands lost, 0 refused",
        ]

    return judged(options.seed, prove)


if __name__ == "__main__":
    sys.exit(main())
