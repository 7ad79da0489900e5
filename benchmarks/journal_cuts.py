"""A journal cut anywhere: in its last segment all whole records come back and no other, before it the journal is refused.

    python benchmarks/journal_cuts.py                    (100,000 commands, 10,000 cuts; some minutes)
    python benchmarks/journal_cuts.py --seed 7 --cuts 100

A seeded market (tests/laws/streams.py) is written turn by turn, with snapshots, and restarted before its last thousand commands,
so that these are a segment of their own. That is cut at every byte of the last three records and at random bytes. Each time the
market is recovered as an exchange does it: the number of the last record, the state's hash and the count of dropped bytes must be
what the bytes that are left say. Then each earlier segment is cut at random bytes, and the journal must be refused with file,
line and byte. Exit code 4 at the first difference, with the cut that shows it.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from botpit.core import accounts
from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import DamageError
from botpit.history.journal.segments import Durability, Journal, segments
from tests.kept_market import Difference, archive, restored, states, stream_of, write_journal, write_turns

REMEMBERED_ORDERS = 100
"""A trader's closed orders that the market remembers, so that its state is hashed in milliseconds."""
PLACE = re.compile(r".*/journal-\d{12}\.log, line \d+, byte \d+: .+")


@dataclass(frozen=True)
class CutMarket:
    """A market to be cut. `expected`: the state hash after each record of the last segment, and after the one before it."""

    folder: Path
    snapshot: int
    expected: dict[int, str]


def make_market(folder: Path, seed: int, commands: int, durability: Durability = Durability.OS) -> CutMarket:
    """Its last segment, of that durability, holds a tenth of the commands, at most a thousand; the newest snapshot is just
    before it."""
    last = commands - min(1_000, commands // 10)
    begun, stream = stream_of(seed, commands)
    write_journal(folder, begun, stream[:last], segment_bytes=last * 110 // 5)
    archive(folder, snapshot_records=last // 4)
    journal = Journal(folder, Disk(), market_id=begun.market_id, next_number=last + 1, durability=durability)
    write_turns(journal, stream[last:])
    journal.close()
    return CutMarket(folder, last, states(folder, range(last, commands + 1)))


@contextmanager
def remembering_little() -> Iterator[None]:
    before = accounts.MAX_REMEMBERED_ORDERS
    accounts.MAX_REMEMBERED_ORDERS = REMEMBERED_ORDERS
    try:
        yield
    finally:
        accounts.MAX_REMEMBERED_ORDERS = before


def sizes_of_cuts(path: Path, cuts: int, rng: random.Random) -> list[int]:
    """Every size that cuts one of the last three records, and random ones."""
    whole = path.read_bytes()
    third = len(whole) - sum(map(len, whole.splitlines(keepends=True)[-3:]))
    return [*range(third, len(whole)), *(rng.randrange(len(whole)) for _ in range(cuts))]


def cut_the_last(market: CutMarket, sizes: list[int]) -> int:
    """Cut the last segment of the market to each of the sizes. Raises Difference."""
    path = segments(market.folder)[-1]
    whole = path.read_bytes()
    for size in sizes:
        path.write_bytes(whole[:size])
        left = whole[: whole[:size].rfind(b"\n") + 1]
        number = market.snapshot + sum(not line.startswith(b"#") for line in left.splitlines())
        found = restored(market.folder)
        expected = (number, size - len(left), market.expected[number], market.snapshot)
        if (found.number, found.dropped, found.state, found.snapshot) != expected:
            raise Difference(f"{path.name} cut to {size} bytes: {found}, and not {expected}")
    path.write_bytes(whole)
    return len(sizes)


def cut_an_earlier(market: CutMarket, path: Path, sizes: list[int]) -> int:
    """Cut an earlier segment to each of the sizes. Raises Difference."""
    whole = path.read_bytes()
    for size in sizes:
        path.write_bytes(whole[:size])
        try:
            found = restored(market.folder)
        except DamageError as error:
            if not PLACE.fullmatch(str(error)):
                raise Difference(f"{path.name} cut to {size} bytes: refused without a place: {error}") from error
        else:
            raise Difference(f"{path.name} cut to {size} bytes: not refused, but {found}")
    path.write_bytes(whole)
    return len(sizes)


def share(market: CutMarket, seed: str, cuts: int, every_byte: bool) -> tuple[int, int]:
    """One process's part of the work, on a copy of its own. How many cuts there were in the last segment, and before it."""
    rng = random.Random(f"cuts {seed}")
    with tempfile.TemporaryDirectory() as temporary, remembering_little():
        copy = Path(shutil.copytree(market.folder, Path(temporary) / "market"))
        mine = CutMarket(copy, market.snapshot, market.expected)
        *earlier, last = segments(copy)
        sizes = sizes_of_cuts(last, cuts, rng)
        in_last = cut_the_last(mine, sizes if every_byte else sizes[-cuts:])
        before = 0
        for path in earlier:
            length = path.stat().st_size
            before += cut_an_earlier(mine, path, [rng.randrange(length) for _ in range(-(-cuts // 10 // len(earlier)))])
    return in_last, before


def run(seed: int, commands: int, cuts: int, processes: int) -> tuple[int, int]:
    """How many cuts there were in the last segment, and before it. Raises Difference."""
    with tempfile.TemporaryDirectory() as temporary:
        with remembering_little():
            market = make_market(Path(temporary) / "market", seed, commands)
        if processes == 1:
            return share(market, f"{seed}.0", cuts, True)
        with ProcessPoolExecutor(processes) as pool:
            parts = [pool.submit(share, market, f"{seed}.{each}", cuts // processes, each == 0) for each in range(processes)]
            done = [part.result() for part in parts]
    return sum(part[0] for part in done), sum(part[1] for part in done)


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Cut a journal anywhere, and recover.", epilog="example: python benchmarks/journal_cuts.py --cuts 100"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="(default: another one each time)")
    parser.add_argument("--commands", type=int, default=100_000, help="(default: 100,000)")
    parser.add_argument("--cuts", type=int, default=10_000, help="at random bytes of the last segment (default: 10,000)")
    parser.add_argument("--processes", type=int, default=2, help="(default: %(default)s)")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    started = monotonic()
    try:
        in_last, before = run(options.seed, options.commands, options.cuts, options.processes)
    except Difference as difference:
        print(difference, file=sys.stderr)
        return 4
    print(f"{in_last:,} cuts of the last segment: all recovered to the last whole record, state and dropped bytes told exactly")
    print(f"{before:,} cuts before it: all refused with file, line and byte ({monotonic() - started:,.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
